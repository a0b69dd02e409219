use std::sync::Arc;

use sha2::Sha256;

use super::connection::SshTransport;
use super::target::{Secret, SshTarget, Traffic, field};
use crate::error::{Cause, Phase};
use crate::pool::{HostConfig, Key, Request};

/// Connections that one connection to a hop may carry. sshd counts only sessions (`MaxSessions`), and these are none.
const CHANNELS_PER_HOP: usize = 128;

/// How to get to a server.
#[derive(Clone, Default)]
pub enum Route {
    #[default]
    Direct,
    Proxy(Proxy),
    /// A line for `sh -c` whose input and output lead to the server.
    Command(Secret),
    Jump(Jump),
}

/// Which protocol a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    Socks5,
    /// HTTP's CONNECT.
    Http,
}

#[derive(Clone)]
pub struct Proxy {
    pub kind: ProxyKind,
    pub host: String,
    pub port: u16,
    pub username: Option<String>,
    pub password: Option<Secret>,
}

/// Another connection of the same pool to go through.
#[derive(Clone)]
pub struct Jump {
    target: Arc<SshTarget>,
    key: Key,
    config: Arc<HostConfig>,
}

impl Jump {
    /// `hop` as it is asked for itself, but for what runs over it: see [`Traffic::of_hop`](super::Traffic::of_hop).
    pub fn new(hop: SshTarget, limits: &HostConfig) -> Self {
        let channels_per_connection = if hop.traffic.is_bulk() { 1 } else { CHANNELS_PER_HOP };
        let mut config = HostConfig { is_hop: true, channels_per_connection, min_idle: 0, ..limits.clone() };
        if let Some(health) = &mut config.health {
            // A hop may allow no sessions at all.
            health.command = None;
        }
        Self { key: hop.key(), target: Arc::new(hop), config: Arc::new(config) }
    }

    /// The same hop, for what carries something else.
    fn carrying(&self, traffic: Traffic) -> Self {
        Self::new(self.target.carrying(traffic.of_hop()), &self.config)
    }

    pub fn request(&self) -> Request<SshTransport> {
        Request::new(self.key.clone(), Arc::clone(&self.target), Arc::clone(&self.config))
    }

    /// For messages.
    pub fn name(&self) -> String {
        format!("{}@{}:{}", self.key.username(), self.key.host(), self.key.port())
    }
}

impl Proxy {
    /// For messages: without its password.
    pub fn name(&self) -> String {
        let kind = match self.kind {
            ProxyKind::Socks5 => "SOCKS5",
            ProxyKind::Http => "HTTP",
        };
        format!("The {kind} proxy {}", address(&self.host, self.port))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Waited(String);

/// `host:port`, an IPv6 address in brackets.
pub fn address(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl Route {
    /// What to look at when connecting took too long.
    pub fn suspect(&self, phase: Phase) -> Option<Cause> {
        let waited = match self {
            Self::Direct => return None,
            Self::Proxy(proxy) => proxy.name(),
            Self::Command(_) => "The proxy command".to_owned(),
            Self::Jump(jump) => format!("Jump host {}", jump.name()),
        };
        let text = match phase {
            Phase::Dial => format!("{waited} has not connected us yet"),
            Phase::Handshake => format!("{waited} has connected us, but the server does not answer"),
            // Before it nothing was asked of it, and after it others may be who is waited for.
            _ => return None,
        };
        Some(Arc::new(Waited(text)))
    }

    /// The same way, for something else to be carried: by hops of its kind.
    pub fn carrying(&self, traffic: Traffic) -> Self {
        match self {
            Self::Jump(jump) => Self::Jump(jump.carrying(traffic)),
            other => other.clone(),
        }
    }

    /// Who got there another way may be somewhere else.
    pub fn hash_into(&self, hash: &mut Sha256) {
        match self {
            Self::Direct => field(hash, "direct", None),
            Self::Proxy(proxy) => {
                field(hash, "proxy", Some(&[proxy.kind as u8]));
                field(hash, "proxy-host", Some(proxy.host.as_bytes()));
                field(hash, "proxy-port", Some(&proxy.port.to_le_bytes()));
                field(hash, "proxy-user", proxy.username.as_ref().map(|name| name.as_bytes()));
                field(hash, "proxy-password", proxy.password.as_ref().map(|secret| secret.as_bytes()));
            }
            Self::Command(command) => field(hash, "command", Some(command.as_bytes())),
            Self::Jump(jump) => {
                field(hash, "jump-host", Some(jump.key.host().as_bytes()));
                field(hash, "jump-port", Some(&jump.key.port().to_le_bytes()));
                field(hash, "jump-user", Some(jump.key.username().as_bytes()));
                field(hash, "jump", Some(jump.key.fingerprint()));
            }
        }
    }
}
