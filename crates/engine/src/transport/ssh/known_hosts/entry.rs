use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{Algorithm, PublicKey};

use super::pattern::HostField;

/// What a line says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// It is the host's key.
    Trusted,
    /// It must never be accepted again.
    Revoked,
    /// It signs host certificates; it is no host's own key.
    CertAuthority,
}

/// One readable line.
#[derive(Debug)]
pub struct Entry {
    pub marker: Marker,
    pub hosts: HostField,
    pub key: EntryKey,
}

/// The key of a line. One of a type that we do not know matches no server, but its host is known by it all the same.
#[derive(Debug)]
pub struct EntryKey {
    blob: Vec<u8>,
    data: Option<KeyData>,
}

impl EntryKey {
    fn parse(kind: &str, text: &str) -> Option<Self> {
        let blob = STANDARD.decode(text).ok()?;
        match PublicKey::from_openssh(&format!("{kind} {text}")) {
            Ok(key) => Some(Self { blob, data: Some(key.key_data().clone()) }),
            Err(_) => (is_strange(kind) && begins_with(&blob, kind)).then_some(Self { blob, data: None }),
        }
    }

    /// Bytes or meaning: a number can be written in more than one way.
    pub fn is(&self, key: &KeyData) -> bool {
        self.data.as_ref() == Some(key) || PublicKey::from(key.clone()).to_bytes().is_ok_and(|bytes| bytes == self.blob)
    }

    pub fn algorithm(&self) -> Option<Algorithm> {
        self.data.as_ref().map(KeyData::algorithm)
    }
}

/// A type of key that may well exist, for others.
fn is_strange(kind: &str) -> bool {
    !kind.contains("-cert-v0") && !matches!(Algorithm::new(kind), Ok(known) if !matches!(known, Algorithm::Other(_)))
}

/// Every key names its type first.
fn begins_with(blob: &[u8], kind: &str) -> bool {
    let length = u32::try_from(kind.len()).map(u32::to_be_bytes).ok();
    length.and_then(|length| blob.strip_prefix(&length)).is_some_and(|rest| rest.starts_with(kind.as_bytes()))
}

impl Entry {
    /// `Ok(None)` for blanks and comments, `Err` for a line that cannot be read.
    pub fn parse(line: &str) -> Result<Option<Self>, BrokenLine> {
        let line = line.trim_matches([' ', '\t', '\r', '\n']);
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        if !line.starts_with('@') {
            return Self::unmarked(Marker::Trusted, line).map(Some).map_err(BrokenLine::skipped);
        }
        let (word, rest) = line.split_once(BLANKS).unwrap_or((line, ""));
        match word {
            "@revoked" => Self::unmarked(Marker::Revoked, rest).map(Some).map_err(|problem| revocation(problem, rest)),
            "@cert-authority" => Self::unmarked(Marker::CertAuthority, rest).map(Some).map_err(BrokenLine::skipped),
            _ if looks_like_revocation(word) => Err(misspelt(word, rest)),
            _ => Err(BrokenLine::skipped("unknown marker")),
        }
    }

    fn unmarked(marker: Marker, text: &str) -> Result<Self, &'static str> {
        let mut fields = fields(text);
        let (Some(hosts), Some(kind), Some(blob)) = (fields.next(), fields.next(), fields.next()) else {
            return Err("expected hosts, key type and key");
        };
        let hosts = HostField::parse(hosts).ok_or("the host names are damaged")?;
        let key = EntryKey::parse(kind, blob).ok_or("the key is damaged")?;
        Ok(Self { marker, hosts, key })
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

fn fields(text: &str) -> impl Iterator<Item = &str> {
    text.split(BLANKS).filter(|field| !field.is_empty())
}

/// Why a line cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct BrokenLine {
    pub problem: &'static str,
    /// It revokes a key, and these hosts must do without until somebody can tell which one.
    pub revokes_for: Option<Reach>,
}

/// Whom a broken revocation is about.
#[derive(Debug, PartialEq, Eq)]
pub enum Reach {
    Hosts(HostField),
    /// Not even that can be read.
    Everybody,
}

impl Reach {
    pub fn includes(&self, name: &str) -> bool {
        match self {
            Self::Hosts(hosts) => hosts.matches(name),
            Self::Everybody => true,
        }
    }
}

impl BrokenLine {
    const fn skipped(problem: &'static str) -> Self {
        Self { problem, revokes_for: None }
    }
}

fn revocation(problem: &'static str, rest: &str) -> BrokenLine {
    let reach = fields(rest).next().and_then(HostField::parse).map_or(Reach::Everybody, Reach::Hosts);
    BrokenLine { problem, revokes_for: Some(reach) }
}

/// With more than letters glued to the marker, the hosts may be among them.
fn misspelt(word: &str, rest: &str) -> BrokenLine {
    let letters = word.bytes().skip(1).all(|byte| byte.is_ascii_alphabetic());
    revocation("misspelt marker @revoked", if letters { rest } else { "" })
}

/// `@Revoked`, `@revoke`, `@revoked,`: whoever wrote it did not mean to trust.
fn looks_like_revocation(marker: &str) -> bool {
    marker.to_ascii_lowercase().starts_with("@revo")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";

    #[test]
    fn reads_markers_hosts_and_keys() {
        for (prefix, marker) in
            [("", Marker::Trusted), ("@revoked ", Marker::Revoked), ("@cert-authority\t", Marker::CertAuthority)]
        {
            let entry = Entry::parse(&format!("{prefix}host,other {KEY} a comment\r")).unwrap().unwrap();
            assert_eq!(entry.marker, marker);
            assert!(entry.hosts.matches("other"));
        }
    }

    #[test]
    fn skips_blanks_and_comments() {
        for line in ["", "   ", "# host ssh-ed25519 x", "\t# x"] {
            assert!(matches!(Entry::parse(line), Ok(None)));
        }
    }

    #[test]
    fn reports_broken_lines() {
        for line in [
            "host",
            "host ssh-ed25519",
            "host ssh-ed25519 AAAA",
            "@nonsense host x y",
            "@cert-authority",
            "|1|x y z",
            "host 2048 65537 12345",
            "host ssh-ed25519-cert-v01@openssh.com AAAA",
            "host ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA",
        ] {
            assert_eq!(Entry::parse(line).unwrap_err().revokes_for, None, "{line}");
        }
    }

    #[test]
    fn a_broken_revocation_still_says_for_whom() {
        for line in
            ["@revoked h*,!host ssh-ed25519 AAAA", "@revoked h*,!host", "@Revoked h*,!host x y", "@revoke h*,!host x"]
        {
            let reach = Entry::parse(line).unwrap_err().revokes_for.unwrap();
            assert!(reach.includes("h1") && !reach.includes("host") && !reach.includes("other"), "{line}");
        }
        for line in ["@revoked", "@revoked ", "@revoked |1|x y z", "@revoked,h ssh-ed25519"] {
            let reach = Entry::parse(line).unwrap_err().revokes_for.unwrap();
            assert!(reach.includes("anybody"), "{line}");
        }
    }

    #[test]
    fn a_type_that_only_others_know_is_a_key_all_the_same() {
        let blob = STANDARD.encode(b"\0\0\0\x0dssh-tomorrow1\0\0\0\x01x");
        let entry = Entry::parse(&format!("h ssh-tomorrow1 {blob}")).unwrap().unwrap();
        assert_eq!(entry.key.algorithm(), None);
        assert!(Entry::parse(&format!("h ssh-tomorrow2 {blob}")).is_err());
    }
}
