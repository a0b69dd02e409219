use std::io;
use std::path::{Path, PathBuf};

use russh::keys::PublicKey;
use russh::keys::ssh_key::Algorithm;
use russh::keys::ssh_key::public::KeyData;

use super::entry::{Entry, Marker, Reach};
use super::name::HostNames;
use crate::host_key::{Place, Unreadable};
use crate::transport::ssh::named_file::contents;

/// What known_hosts says about a key that a server presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Known,
    /// No line speaks of this host.
    Unknown,
    /// Lines speak of this host, the first of them here, and none has this key.
    Changed(Place),
    Revoked(Place),
    /// This line revokes a key of this host, and nobody can tell which.
    Unclear(Unreadable),
}

/// What to ask a server to prove itself with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// The algorithms of the keys on file.
    pub known: Vec<Algorithm>,
    /// An authority for this host is on file.
    pub certificates: bool,
}

/// The lines of one or more known_hosts files.
#[derive(Debug, Default)]
pub struct KnownHosts {
    lines: Vec<Line>,
    revocations: Vec<BrokenRevocation>,
    unreadable: Vec<Unreadable>,
}

#[derive(Debug)]
pub(super) struct Line {
    pub entry: Entry,
    place: Place,
}

#[derive(Debug)]
struct BrokenRevocation {
    reach: Reach,
    line: Unreadable,
}

impl KnownHosts {
    /// All files as if they were one. A file that does not exist knows nobody; one that cannot be read is an error, because
    /// it may hold revocations.
    pub fn load(files: &[PathBuf]) -> Result<Self, (PathBuf, io::Error)> {
        let mut known = Self::default();
        for file in files {
            match contents(file) {
                Ok(bytes) => known.read(&bytes, file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err((file.clone(), error)),
            }
        }
        Ok(known)
    }

    /// Adds the lines of a file's contents, whatever they are.
    pub fn read(&mut self, contents: &[u8], file: &Path) {
        for (index, line) in String::from_utf8_lossy(contents).split('\n').enumerate() {
            let place = || Place { file: file.to_owned(), line: index + 1 };
            match Entry::parse(line) {
                Ok(None) => {}
                Ok(Some(entry)) => self.lines.push(Line { entry, place: place() }),
                Err(broken) => {
                    let line = Unreadable { place: place(), problem: broken.problem };
                    tracing::warn!(file = %file.display(), line = index + 1, problem = broken.problem, "known_hosts line skipped");
                    self.unreadable.push(line.clone());
                    self.revocations.extend(broken.revokes_for.map(|reach| BrokenRevocation { reach, line }));
                }
            }
        }
    }

    /// Lines that were skipped.
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// Judges the key a server presents. A revoked key is revoked under every name of the host; a host that has any other
    /// key on file is `Changed`, whatever the key's type: who could present a new type of key could otherwise pass for a
    /// host that is known by an old one. As with `ssh`, a host on another port is also known by the key that is on file for
    /// it without the port.
    pub fn verdict(&self, names: &HostNames, key: &PublicKey) -> Verdict {
        let key = key.key_data();
        if let Some(revoked) = self.revocation(names, key) {
            return revoked;
        }
        let mut exact = self.about(names.exact(), Marker::Trusted).peekable();
        let Some(first) = exact.peek().map(|line| line.place.clone()) else {
            let known = self.about_bare(names, Marker::Trusted).any(|line| line.has(key));
            return if known { Verdict::Known } else { Verdict::Unknown };
        };
        if exact.any(|line| line.has(key)) { Verdict::Known } else { Verdict::Changed(first) }
    }

    /// Is the key on file for this host and port, whatever else is?
    pub fn holds(&self, names: &HostNames, key: &KeyData) -> bool {
        self.about(names.exact(), Marker::Trusted).any(|line| line.has(key))
    }

    /// Why this key must not be trusted, be it a host's or an authority's.
    pub(super) fn revocation(&self, names: &HostNames, key: &KeyData) -> Option<Verdict> {
        let revoked = all(names).flat_map(|name| self.about(name, Marker::Revoked)).find(|line| line.has(key));
        if let Some(line) = revoked {
            return Some(Verdict::Revoked(line.place.clone()));
        }
        let concerns = |broken: &&BrokenRevocation| all(names).any(|name| broken.reach.includes(name));
        self.revocations.iter().find(concerns).map(|broken| Verdict::Unclear(broken.line.clone()))
    }

    /// What to ask the server to prove itself with.
    pub fn offer(&self, names: &HostNames) -> Offer {
        let algorithm = |line: &Line| line.entry.key.algorithm();
        let mut known: Vec<Algorithm> = self.about(names.exact(), Marker::Trusted).filter_map(algorithm).collect();
        if known.is_empty() {
            known = self.about_bare(names, Marker::Trusted).filter_map(algorithm).collect();
        }
        Offer { known, certificates: self.about_any(names, Marker::CertAuthority).next().is_some() }
    }

    /// Lines that may make the host trusted.
    pub(super) fn about_any<'a>(&'a self, names: &'a HostNames, marker: Marker) -> impl Iterator<Item = &'a Line> {
        self.about(names.exact(), marker).chain(self.about_bare(names, marker))
    }

    /// Lines about the host alone, unless they except this port of it.
    fn about_bare<'a>(&'a self, names: &'a HostNames, marker: Marker) -> impl Iterator<Item = &'a Line> {
        let lines = names.bare().into_iter().flat_map(move |bare| self.about(bare, marker));
        lines.filter(|line| !line.entry.hosts.excludes(names.exact()))
    }

    fn about(&self, name: &str, marker: Marker) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.entry.marker == marker && line.entry.hosts.matches(name))
    }
}

impl Line {
    pub fn has(&self, key: &KeyData) -> bool {
        self.entry.key.is(key)
    }
}

fn all(names: &HostNames) -> impl Iterator<Item = &str> {
    std::iter::once(names.exact()).chain(names.bare())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).unwrap()
    }

    fn hosts(text: &str) -> KnownHosts {
        let mut known = KnownHosts::default();
        known.read(text.as_bytes(), Path::new("test"));
        known
    }

    fn verdict(text: &str, host: &str, presented: &str) -> Verdict {
        hosts(text).verdict(&HostNames::new(host, 22, None), &key(presented))
    }

    fn place(line: usize) -> Place {
        Place { file: "test".into(), line }
    }

    #[test]
    fn known_unknown_changed() {
        let file = format!("# us\nh {A}\n");
        assert_eq!(verdict(&file, "h", A), Verdict::Known);
        assert_eq!(verdict(&file, "h", B), Verdict::Changed(place(2)));
        assert_eq!(verdict(&file, "other", A), Verdict::Unknown);
    }

    #[test]
    fn several_keys_of_one_host() {
        assert_eq!(verdict(&format!("h {A}\nh {B}\n"), "h", B), Verdict::Known);
    }

    #[test]
    fn a_revoked_key_is_refused_even_where_it_is_also_trusted() {
        let file = format!("h {A}\n@revoked * {A}\n");
        assert_eq!(verdict(&file, "h", A), Verdict::Revoked(place(2)));
        assert_eq!(verdict(&file, "elsewhere", A), Verdict::Revoked(place(2)));
        assert_eq!(verdict(&file, "elsewhere", B), Verdict::Unknown);
    }

    #[test]
    fn a_revocation_without_a_port_counts_on_every_port() {
        let file = hosts(&format!("[h]:2222 {A}\n@revoked h {A}\n"));
        assert_eq!(file.verdict(&HostNames::new("h", 2222, None), &key(A)), Verdict::Revoked(place(2)));
    }

    #[test]
    fn a_broken_revocation_stops_its_hosts_and_no_others() {
        let file = format!("h {A}\n@revoked h ssh-ed25519 AAAA\nother {A}\n");
        let line = Unreadable { place: place(2), problem: "the key is damaged" };
        assert_eq!(verdict(&file, "h", A), Verdict::Unclear(line));
        assert_eq!(verdict(&file, "other", A), Verdict::Known);
        assert!(matches!(verdict("@revoked", "anybody", A), Verdict::Unclear(_)));
    }

    #[test]
    fn a_certificate_authority_is_no_host_key() {
        assert_eq!(verdict(&format!("@cert-authority * {A}\n"), "h", A), Verdict::Unknown);
    }

    #[test]
    fn a_host_on_another_port_is_known_by_the_key_of_the_host_alone() {
        let file = hosts(&format!("h {A}\n"));
        let names = HostNames::new("h", 2222, None);
        assert_eq!(file.verdict(&names, &key(A)), Verdict::Known);
        assert_eq!(file.verdict(&names, &key(B)), Verdict::Unknown, "another port is another server");
        let excepted = hosts(&format!("h,![h]:2222 {A}\n"));
        assert_eq!(excepted.verdict(&names, &key(A)), Verdict::Unknown);
        let both = hosts(&format!("h {A}\n[h]:2222 {B}\n"));
        assert_eq!(both.verdict(&names, &key(A)), Verdict::Changed(place(2)), "what is said of the port overrules");
    }

    #[test]
    fn an_alias_is_the_only_name() {
        let file = hosts(&format!("h {A}\ndb {B}\n"));
        let names = HostNames::new("h", 2222, Some("db"));
        assert_eq!(file.verdict(&names, &key(B)), Verdict::Known);
        assert_eq!(file.verdict(&names, &key(A)), Verdict::Changed(place(2)));
    }

    #[test]
    fn broken_lines_trust_nobody_hide_nobody_and_are_reported() {
        let file = hosts(&format!("h ssh-ed25519 AAAA\nh {A}\n\nh\n"));
        assert_eq!(file.verdict(&HostNames::new("h", 22, None), &key(A)), Verdict::Known);
        let lines: Vec<usize> = file.unreadable().iter().map(|line| line.place.line).collect();
        assert_eq!(lines, [1, 4]);
    }

    #[test]
    fn offers_what_is_on_file() {
        let file = hosts(&format!("h {A}\n@cert-authority *.example {B}\n"));
        let offer = |host, port| file.offer(&HostNames::new(host, port, None));
        assert_eq!(offer("h", 22), Offer { known: vec![Algorithm::Ed25519], certificates: false });
        assert_eq!(offer("h", 2222), Offer { known: vec![Algorithm::Ed25519], certificates: false });
        assert_eq!(offer("a.example", 2222), Offer { known: vec![], certificates: true });
    }
}
