use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

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

/// A connection shared with other processes, by OpenSSH's ControlMaster protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Where the control socket is: tokens, `~` and `${VAR}` not yet expanded.
    pub path: String,
    /// Where nobody serves there, serve others ourselves.
    pub serve: bool,
}

/// Where and as whom.
pub struct SshTarget {
    pub host: String,
    pub port: u16,
    pub username: String,
    pub password: Option<Secret>,
    pub private_key: Option<KeySource>,
    pub passphrase: Option<Secret>,
    pub host_key_checking: HostKeyChecking,
    /// `None`: `~/.ssh/known_hosts`.
    pub known_hosts: Option<PathBuf>,
    /// From the first packet to authenticated.
    pub connect_timeout: Duration,
    pub keep_alive: Option<KeepAlive>,
    pub traffic: Traffic,
    /// UNIX only.
    pub control: Option<Control>,
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
            known_hosts: None,
            connect_timeout: Duration::from_secs(30),
            keep_alive: None,
            traffic: Traffic::Commands,
            control: None,
        }
    }

    /// Where known hosts are kept.
    pub fn known_hosts_path(&self) -> PathBuf {
        expand_home(self.known_hosts.as_deref().unwrap_or_else(|| "~/.ssh/known_hosts".as_ref()))
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
        field(&mut hash, "known_hosts", self.known_hosts.as_ref().map(|path| path.as_os_str().as_encoded_bytes()));
        field(&mut hash, "traffic", Some(&[self.traffic as u8]));
        // Whoever made a master decides who we are behind it.
        field(&mut hash, "control", self.control.as_ref().map(|control| control.path.as_bytes()));
        field(
            &mut hash,
            "serve",
            self.control.as_ref().map(|control| [control.serve.into()]).as_ref().map(|on| &on[..]),
        );
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
            SshTarget { known_hosts: Some("a".into()), ..target() },
            SshTarget { username: "v".into(), ..target() },
            SshTarget { traffic: Traffic::Bulk, ..target() },
            SshTarget { control: Some(Control { path: "a".into(), serve: false }), ..target() },
            SshTarget { control: Some(Control { path: "a".into(), serve: true }), ..target() },
            SshTarget { control: Some(Control { path: "b".into(), serve: true }), ..target() },
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
