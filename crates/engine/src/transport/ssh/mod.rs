//! SSH over russh: dial, handshake, authenticate, and channels that carry commands.

mod algorithms;
mod auth;
mod channel;
mod connection;
mod dial;
mod greeting;
mod handler;
mod identity;
pub mod known_hosts;
mod legacy_pem;
mod paths;
mod proxy;
mod quick_ack;
mod route;
pub mod sftp;
mod spare;
pub mod ssh_config;
mod target;
mod wire;

pub use channel::{SshChannel, SshWriter};
pub use connection::{SshConnection, SshTransport};
pub use route::{Jump, Proxy, ProxyKind, Route};
pub use target::{HostKeyChecking, KeepAlive, KeySource, Secret, SshTarget, Traffic};
