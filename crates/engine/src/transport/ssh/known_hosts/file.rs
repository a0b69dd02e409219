use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use parking_lot::Mutex;
use russh::keys::PublicKey;
use russh::keys::ssh_key::Algorithm;

use super::entry::{Entry, Marker};

/// What known_hosts says about a key that a server presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Known,
    /// No line speaks of this host.
    Unknown,
    /// Lines speak of this host, and none has this key.
    Changed,
    Revoked,
}

/// The readable lines of a known_hosts file.
#[derive(Debug, Default)]
pub struct KnownHosts {
    entries: Vec<Entry>,
}

impl KnownHosts {
    /// A file that does not exist knows nobody.
    pub fn load(path: &Path) -> io::Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::parse(&String::from_utf8_lossy(&bytes), path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    fn parse(text: &str, path: &Path) -> Self {
        let mut entries = Vec::new();
        for (index, line) in text.lines().enumerate() {
            match Entry::parse(line) {
                Ok(entry) => entries.extend(entry),
                Err(broken) => {
                    tracing::warn!(file = %path.display(), line = index + 1, problem = broken.0, "known_hosts line skipped");
                }
            }
        }
        Self { entries }
    }

    /// Judges the key a server presents as `name`. A revoked key is revoked for every host its line matches; a host that
    /// has any other key on file is `Changed`, whatever the key's type: who could present a new type of key could
    /// otherwise pass for a host that is known by an old one.
    pub fn verdict(&self, name: &str, key: &PublicKey) -> Verdict {
        let about_host = || self.entries.iter().filter(|entry| entry.hosts.matches(name));
        let same_key = |entry: &Entry| entry.key.key_data() == key.key_data();
        if about_host().any(|entry| entry.marker == Marker::Revoked && same_key(entry)) {
            return Verdict::Revoked;
        }
        let mut trusted = about_host().filter(|entry| entry.marker == Marker::Trusted).peekable();
        if trusted.peek().is_none() {
            return Verdict::Unknown;
        }
        if trusted.any(same_key) { Verdict::Known } else { Verdict::Changed }
    }

    /// The key algorithms on file for a host.
    pub fn algorithms(&self, name: &str) -> Vec<Algorithm> {
        self.entries
            .iter()
            .filter(|entry| entry.marker == Marker::Trusted && entry.hosts.matches(name))
            .map(|entry| entry.key.algorithm())
            .collect()
    }
}

/// Appends within this process are one after the other, so that parallel connections record a new host once.
static APPENDING: Mutex<()> = Mutex::new(());

/// Adds a host's key, unless it has been added meanwhile; what the file says at that moment is the answer.
pub fn record(path: &Path, name: &str, key: &PublicKey) -> io::Result<Verdict> {
    let _one_at_a_time = APPENDING.lock();
    let verdict = KnownHosts::load(path)?.verdict(name, key);
    if verdict != Verdict::Unknown {
        return Ok(verdict);
    }
    let mut file = open_for_append(path)?;
    let encoded = key.to_openssh().map_err(io::Error::other)?;
    // The key without its comment.
    let fields: Vec<&str> = encoded.split(' ').take(2).collect();
    let line = format!("{}{name} {}\n", missing_newline(&mut file)?, fields.join(" "));
    // One write, so that another process's line cannot end up inside ours.
    file.write_all(line.as_bytes())?;
    Ok(Verdict::Known)
}

fn open_for_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        if let Some(folder) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    options.open(path)
}

/// A newline when the last line has none.
fn missing_newline(file: &mut File) -> io::Result<&'static str> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok("");
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(if last == *b"\n" { "" } else { "\n" })
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
        KnownHosts::parse(text, Path::new("test"))
    }

    #[test]
    fn known_unknown_changed() {
        let file = hosts(&format!("h {A}\n"));
        assert_eq!(file.verdict("h", &key(A)), Verdict::Known);
        assert_eq!(file.verdict("h", &key(B)), Verdict::Changed);
        assert_eq!(file.verdict("other", &key(A)), Verdict::Unknown);
    }

    #[test]
    fn several_keys_of_one_host() {
        let file = hosts(&format!("h {A}\nh {B}\n"));
        assert_eq!(file.verdict("h", &key(B)), Verdict::Known);
    }

    #[test]
    fn a_revoked_key_is_refused_even_where_it_is_also_trusted() {
        let file = hosts(&format!("h {A}\n@revoked * {A}\n"));
        assert_eq!(file.verdict("h", &key(A)), Verdict::Revoked);
        assert_eq!(file.verdict("elsewhere", &key(A)), Verdict::Revoked);
        assert_eq!(file.verdict("elsewhere", &key(B)), Verdict::Unknown);
    }

    #[test]
    fn a_certificate_authority_is_no_host_key() {
        let file = hosts(&format!("@cert-authority * {A}\n"));
        assert_eq!(file.verdict("h", &key(A)), Verdict::Unknown);
    }

    #[test]
    fn broken_lines_trust_nobody_and_hide_nobody() {
        let file = hosts(&format!("h ssh-ed25519 AAAA\nh {A}\n"));
        assert_eq!(file.verdict("h", &key(A)), Verdict::Known);
    }

    #[test]
    fn records_once_and_keeps_an_unfinished_last_line_apart() {
        let folder = std::env::temp_dir().join(format!("xec-known-hosts-{}", std::process::id()));
        let path = folder.join("nested/known_hosts");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("first {B}")).unwrap();
        for _ in 0..2 {
            assert_eq!(record(&path, "h", &key(A)).unwrap(), Verdict::Known);
        }
        assert_eq!(record(&path, "h", &key(B)).unwrap(), Verdict::Changed);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("first {B}\nh {A}\n"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
