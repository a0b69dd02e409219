use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::host_key_verifier::HostKeyVerifier;
use super::paths::expand_home;
use super::prompter::Prompter;
use super::route::Route;
use crate::pool::Key;

/// Text that is wiped from memory when dropped.
pub type Secret = Zeroizing<String>;

/// Where a private key comes from.
#[derive(Clone)]
pub enum KeySource {
    /// The key itself, in any of the PEM formats.
    Text(Secret),
    /// A file, read anew for every connection; `~` is the local home.
    File(PathBuf),
}

/// Which ssh-agent signs for us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Agent {
    /// The one at `SSH_AUTH_SOCK`, if there is one and no credentials were given.
    #[default]
    Default,
    Off,
    /// The one at `SSH_AUTH_SOCK`, beside other credentials.
    Environment,
    /// `~` is the local home.
    Socket(PathBuf),
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
    /// Streams that a caller reads at its own pace, files. An unread channel holds up its whole
    /// connection, so these have connections of their own, with more room on the way.
    Bulk,
    /// Forwards: one place in the pool each, any number of channels.
    Forwards,
    /// Other connections, of commands. An unread channel would hold them all up, so bulk traffic has hops of its own as well.
    Hop,
    /// Another connection, one of bulk traffic.
    BulkHop,
}

/// A connection shared with other processes, by OpenSSH's ControlMaster protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Where the control socket is.
    pub path: String,
    /// Tokens, `~` and `${VAR}` have been replaced in it already.
    pub expanded: bool,
    /// Where nobody serves there, serve others ourselves.
    pub serve: bool,
}

impl Traffic {
    /// What a hop carries that this runs through.
    pub fn of_hop(self) -> Self {
        if self.is_bulk() { Self::BulkHop } else { Self::Hop }
    }

    pub fn is_hop(self) -> bool {
        matches!(self, Self::Hop | Self::BulkHop)
    }

    pub fn is_bulk(self) -> bool {
        matches!(self, Self::Bulk | Self::BulkHop | Self::Forwards)
    }
}

/// What `ssh` reads unless told otherwise.
pub const USERS_KNOWN_HOSTS: [&str; 2] = ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"];
pub const MACHINES_KNOWN_HOSTS: [&str; 2] = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];

/// Where and as whom.
#[derive(Clone)]
pub struct SshTarget {
    pub host: String,
    pub port: u16,
    pub username: String,
    pub password: Option<Secret>,
    pub private_key: Option<KeySource>,
    pub passphrase: Option<Secret>,
    /// Key files as ssh's `IdentityFile`: those that are missing or need a passphrase are passed over.
    pub identity_files: Vec<PathBuf>,
    /// An OpenSSH user certificate (the text of a `-cert.pub` file) for one of the keys.
    pub certificate: Option<KeySource>,
    /// As ssh's `CertificateFile`: those that are missing are passed over.
    pub certificate_files: Vec<PathBuf>,
    pub agent: Agent,
    /// Of the agent's keys, only those that the other fields name.
    pub identities_only: bool,
    /// Answers a server's questions.
    pub keyboard_interactive: Option<Arc<Prompter>>,
    pub host_key_checking: HostKeyChecking,
    /// All are asked, the first one is written. None: those of `ssh` (see [`known_hosts_files`](Self::known_hosts_files)).
    pub known_hosts: Vec<PathBuf>,
    /// Decides about host keys in place of known_hosts.
    pub host_key_verifier: Option<HostKeyVerifier>,
    /// From the first packet to authenticated.
    pub connect_timeout: Duration,
    pub keep_alive: Option<KeepAlive>,
    pub traffic: Traffic,
    /// UNIX only.
    pub control: Option<Control>,
    pub route: Route,
    /// The name of the server's key in known_hosts; `None`: its host and port.
    pub host_key_alias: Option<String>,
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
            identity_files: Vec::new(),
            certificate: None,
            certificate_files: Vec::new(),
            agent: Agent::Default,
            identities_only: false,
            keyboard_interactive: None,
            host_key_checking: HostKeyChecking::AcceptNew,
            known_hosts: Vec::new(),
            host_key_verifier: None,
            connect_timeout: Duration::from_secs(30),
            keep_alive: None,
            traffic: Traffic::Commands,
            control: None,
            route: Route::Direct,
            host_key_alias: None,
        }
    }

    /// The same one, for something else to be carried.
    pub fn carrying(&self, traffic: Traffic) -> Self {
        Self { traffic, route: self.route.carrying(traffic), ..self.clone() }
    }

    /// Where known hosts are kept: the files given, else the user's own and the machine's.
    pub fn known_hosts_files(&self) -> Vec<PathBuf> {
        if self.known_hosts.is_empty() {
            let usual = USERS_KNOWN_HOSTS.iter().chain(&MACHINES_KNOWN_HOSTS);
            return usual.map(|path| expand_home(path.as_ref())).collect();
        }
        self.known_hosts.iter().map(|path| expand_home(path)).collect()
    }

    /// The identity of connections to this target. Targets that differ in anything that decides who we are or whom we
    /// trust never share one.
    pub fn key(&self) -> Key {
        self.key_for(self.traffic)
    }

    /// The key of the connections to this target that carry something else.
    pub fn key_for(&self, traffic: Traffic) -> Key {
        let mut hash = Sha256::new();
        field(&mut hash, "password", self.password.as_ref().map(|secret| secret.as_bytes()));
        field(&mut hash, "passphrase", self.passphrase.as_ref().map(|secret| secret.as_bytes()));
        source(&mut hash, "key", self.private_key.as_ref());
        paths(&mut hash, "identity_files", &self.identity_files);
        source(&mut hash, "certificate", self.certificate.as_ref());
        paths(&mut hash, "certificate_files", &self.certificate_files);
        let agent: &[u8] = match self.agent {
            Agent::Default => b"default",
            Agent::Off => b"off",
            Agent::Environment | Agent::Socket(_) => b"asked for",
        };
        field(&mut hash, "agent", Some(agent));
        let socket = self.agent.socket(self.gives_nothing());
        field(&mut hash, "socket", socket.as_ref().map(|path| path.as_os_str().as_encoded_bytes()));
        field(&mut hash, "identities_only", Some(&[u8::from(self.identities_only)]));
        let prompter = self.keyboard_interactive.as_ref().map(|prompter| prompter.id.to_le_bytes());
        field(&mut hash, "prompter", prompter.as_ref().map(|id| id.as_slice()));
        field(&mut hash, "checking", Some(&[self.host_key_checking as u8]));
        field(&mut hash, "alias", self.host_key_alias.as_ref().map(|alias| alias.as_bytes()));
        self.route.hash_into(&mut hash);
        field(&mut hash, "traffic", Some(&[traffic as u8]));
        // Whoever made a master decides who we are behind it.
        field(&mut hash, "control", self.control.as_ref().map(|control| control.path.as_bytes()));
        let expanded = self.control.as_ref().map(|control| [control.expanded.into()]);
        field(&mut hash, "expanded", expanded.as_ref().map(|on| &on[..]));
        field(
            &mut hash,
            "serve",
            self.control.as_ref().map(|control| [control.serve.into()]).as_ref().map(|on| &on[..]),
        );
        paths(&mut hash, "known_hosts", &self.known_hosts);
        let verifier = self.host_key_verifier.as_ref().map(|verifier| verifier.id().to_le_bytes());
        field(&mut hash, "verifier", verifier.as_ref().map(<[u8; 8]>::as_slice));
        Key::new(&self.host, self.port, &self.username, hash.finalize().into())
    }
}

/// Text and the path of a file are told apart.
fn source(hash: &mut Sha256, name: &str, source: Option<&KeySource>) {
    match source {
        None => field(hash, name, None),
        Some(KeySource::Text(text)) => {
            field(hash, name, Some(b"text"));
            field(hash, name, Some(text.as_bytes()));
        }
        Some(KeySource::File(path)) => {
            field(hash, name, Some(b"file"));
            field(hash, name, Some(path.as_os_str().as_encoded_bytes()));
        }
    }
}

fn paths(hash: &mut Sha256, name: &str, paths: &[PathBuf]) {
    field(hash, name, Some(&paths.len().to_le_bytes()));
    for path in paths {
        field(hash, name, Some(path.as_os_str().as_encoded_bytes()));
    }
}

/// Names and lengths keep neighbouring fields from running into each other.
pub(super) fn field(hash: &mut Sha256, name: &str, value: Option<&[u8]>) {
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
    use super::super::route::{Jump, Proxy, ProxyKind};
    use super::*;
    use crate::pool::HostConfig;

    fn target() -> SshTarget {
        SshTarget { host_key_checking: HostKeyChecking::Strict, ..SshTarget::new("h", 22, "u") }
    }

    fn through(route: Route) -> SshTarget {
        SshTarget { route, ..target() }
    }

    fn proxy(kind: ProxyKind, host: &str, password: Option<Secret>) -> Route {
        Route::Proxy(Proxy { kind, host: host.into(), port: 1, username: None, password })
    }

    fn jump(hop: SshTarget) -> Route {
        Route::Jump(Jump::new(hop, &HostConfig::default()))
    }

    fn prompter(id: u64) -> Arc<Prompter> {
        Arc::new(Prompter::new(id, |_| Box::pin(async { Ok(Vec::new()) })))
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
            SshTarget { identity_files: vec!["a".into()], ..target() },
            SshTarget { identity_files: vec!["a".into(), "b".into()], ..target() },
            SshTarget { certificate: Some(KeySource::Text(Secret::new("a".into()))), ..target() },
            SshTarget { certificate: Some(KeySource::File("a".into())), ..target() },
            SshTarget { certificate_files: vec!["a".into()], ..target() },
            SshTarget { agent: Agent::Off, ..target() },
            SshTarget { agent: Agent::Environment, ..target() },
            SshTarget { agent: Agent::Socket("a".into()), ..target() },
            SshTarget { identities_only: true, ..target() },
            SshTarget { keyboard_interactive: Some(prompter(1)), ..target() },
            SshTarget { keyboard_interactive: Some(prompter(2)), ..target() },
            SshTarget { host_key_checking: HostKeyChecking::Off, ..target() },
            SshTarget { known_hosts: vec!["a".into()], ..target() },
            SshTarget { known_hosts: vec!["a".into(), "b".into()], ..target() },
            SshTarget { host_key_verifier: Some(verifier(1)), ..target() },
            SshTarget { host_key_verifier: Some(verifier(2)), ..target() },
            SshTarget { username: "v".into(), ..target() },
            SshTarget { traffic: Traffic::Bulk, ..target() },
            SshTarget { control: Some(Control { path: "a".into(), expanded: false, serve: false }), ..target() },
            SshTarget { control: Some(Control { path: "a".into(), expanded: false, serve: true }), ..target() },
            SshTarget { control: Some(Control { path: "b".into(), expanded: false, serve: true }), ..target() },
            SshTarget { control: Some(Control { path: "b".into(), expanded: true, serve: true }), ..target() },
            SshTarget { traffic: Traffic::Forwards, ..target() },
            SshTarget { traffic: Traffic::Hop, ..target() },
            SshTarget { host_key_alias: Some("a".into()), ..target() },
            SshTarget { route: Route::Command(Secret::new("a".into())), ..target() },
            SshTarget { route: Route::Command(Secret::new("b".into())), ..target() },
            through(proxy(ProxyKind::Http, "a", None)),
            through(proxy(ProxyKind::Socks5, "a", None)),
            through(proxy(ProxyKind::Socks5, "b", None)),
            through(proxy(ProxyKind::Socks5, "a", secret("a"))),
            through(proxy(ProxyKind::Socks5, "a", secret("b"))),
            through(jump(target())),
            through(jump(SshTarget { password: secret("a"), ..target() })),
            through(jump(through(jump(target())))),
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
