use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::host_key_verifier::HostKeyVerifier;
use super::paths::expand_home;
use crate::pool::Key;

/// Text that is wiped from memory when dropped.
pub type Secret = Zeroizing<String>;

/// Where a private key comes from.
pub enum KeySource {
    /// The key itself, in any of the PEM formats.
    Text(Secret),
    /// A file, read anew for every connection; `~` is the local home.
    File(PathBuf),
}

/// What to do about a server whose host key is not in known_hosts. A changed or revoked key is always refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeyChecking {
    /// Trust and record it.
    AcceptNew,
    /// Refuse it.
    Strict,
    /// Do not look at host keys at all.
    Off,
}

/// Protocol-level pings while nothing arrives.
#[derive(Debug, Clone, Copy)]
pub struct KeepAlive {
    pub interval: Duration,
    /// Unanswered pings after which the connection counts as dead.
    pub count_max: usize,
}

/// What a connection carries. Connections of one kind are never lent to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// Commands whose output is collected: short, many, read at once.
    Commands,
    /// Streams that a caller reads at its own pace, files, forwarded connections. An unread channel holds up its whole
    /// connection, so these have connections of their own, with more room on the way.
    Bulk,
}

/// What `ssh` reads unless told otherwise.
const KNOWN_HOSTS: [&str; 4] =
    ["~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];

/// Where and as whom.
pub struct SshTarget {
    pub host: String,
    pub port: u16,
    pub username: String,
    pub password: Option<Secret>,
    pub private_key: Option<KeySource>,
    pub passphrase: Option<Secret>,
    pub host_key_checking: HostKeyChecking,
    /// All are asked, the first one is written. None: those of `ssh` (see [`known_hosts_files`](Self::known_hosts_files)).
    pub known_hosts: Vec<PathBuf>,
    /// Decides about host keys in place of known_hosts.
    pub host_key_verifier: Option<HostKeyVerifier>,
    /// From the first packet to authenticated.
    pub connect_timeout: Duration,
    pub keep_alive: Option<KeepAlive>,
    pub traffic: Traffic,
}

impl SshTarget {
    /// A target with ssh's defaults; set the fields that differ.
    pub fn new(host: impl Into<String>, port: u16, username: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port,
            username: username.into(),
            password: None,
            private_key: None,
            passphrase: None,
            host_key_checking: HostKeyChecking::AcceptNew,
            known_hosts: Vec::new(),
            host_key_verifier: None,
            connect_timeout: Duration::from_secs(30),
            keep_alive: None,
            traffic: Traffic::Commands,
        }
    }

    /// Where known hosts are kept: the files given, else the user's own and the machine's.
    pub fn known_hosts_files(&self) -> Vec<PathBuf> {
        if self.known_hosts.is_empty() {
            return KNOWN_HOSTS.iter().map(|path| expand_home(path.as_ref())).collect();
        }
        self.known_hosts.iter().map(|path| expand_home(path)).collect()
    }

    /// The identity of connections to this target. Targets that differ in anything that decides who we are or whom we
    /// trust never share one.
    pub fn key(&self) -> Key {
        let mut hash = Sha256::new();
        field(&mut hash, "password", self.password.as_ref().map(|secret| secret.as_bytes()));
        field(&mut hash, "passphrase", self.passphrase.as_ref().map(|secret| secret.as_bytes()));
        match &self.private_key {
            None => field(&mut hash, "key", None),
            Some(KeySource::Text(text)) => field(&mut hash, "key", Some(text.as_bytes())),
            Some(KeySource::File(path)) => field(&mut hash, "file", Some(path.as_os_str().as_encoded_bytes())),
        }
        field(&mut hash, "checking", Some(&[self.host_key_checking as u8]));
        for path in &self.known_hosts {
            field(&mut hash, "known_hosts", Some(path.as_os_str().as_encoded_bytes()));
        }
        let verifier = self.host_key_verifier.as_ref().map(|verifier| verifier.id().to_le_bytes());
        field(&mut hash, "verifier", verifier.as_ref().map(<[u8; 8]>::as_slice));
        field(&mut hash, "traffic", Some(&[self.traffic as u8]));
        Key::new(&self.host, self.port, &self.username, hash.finalize().into())
    }
}

/// Names and lengths keep neighbouring fields from running into each other.
fn field(hash: &mut Sha256, name: &str, value: Option<&[u8]>) {
    hash.update(name.as_bytes());
    match value {
        None => hash.update([0]),
        Some(value) => {
            hash.update([1]);
            hash.update(value.len().to_le_bytes());
            hash.update(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> SshTarget {
        SshTarget { host_key_checking: HostKeyChecking::Strict, ..SshTarget::new("h", 22, "u") }
    }

    fn verifier(id: u64) -> HostKeyVerifier {
        HostKeyVerifier::new(id, |_| Box::pin(async { Ok(true) }))
    }

    #[test]
    fn whatever_decides_identity_or_trust_is_in_the_key() {
        let secret = |text: &str| Some(Secret::new(text.to_owned()));
        let variants = [
            target(),
            SshTarget { password: secret("a"), ..target() },
            SshTarget { password: secret("b"), ..target() },
            SshTarget { passphrase: secret("a"), ..target() },
            SshTarget { private_key: Some(KeySource::Text(Secret::new("a".into()))), ..target() },
            SshTarget { private_key: Some(KeySource::File("a".into())), ..target() },
            SshTarget { host_key_checking: HostKeyChecking::Off, ..target() },
            SshTarget { known_hosts: vec!["a".into()], ..target() },
            SshTarget { known_hosts: vec!["a".into(), "b".into()], ..target() },
            SshTarget { host_key_verifier: Some(verifier(1)), ..target() },
            SshTarget { host_key_verifier: Some(verifier(2)), ..target() },
            SshTarget { username: "v".into(), ..target() },
            SshTarget { traffic: Traffic::Bulk, ..target() },
        ];
        let keys: std::collections::HashSet<Key> = variants.iter().map(SshTarget::key).collect();
        assert_eq!(keys.len(), variants.len());
    }

    #[test]
    fn how_we_wait_does_not_matter() {
        let patient = SshTarget { connect_timeout: Duration::from_secs(99), ..target() };
        assert_eq!(patient.key(), target().key());
    }
}
