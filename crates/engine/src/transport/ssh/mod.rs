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
mod link;
#[cfg(unix)]
pub mod mux;
mod paths;
mod probe;
mod quick_ack;
mod spare;
mod target;

pub use channel::{SshChannel, SshWriter};
pub use connection::{SshConnection, SshTransport};
pub use link::{Link, LinkChannel, LinkWriter};
#[cfg(unix)]
pub use mux::remove_all as remove_control_sockets;
pub use target::{Control, HostKeyChecking, KeepAlive, KeySource, Secret, SshTarget, Traffic};
