//! SSH over russh: dial, handshake, authenticate, and channels that carry commands.

mod algorithms;
mod auth;
mod channel;
mod connection;
mod dial;
mod greeting;
mod handler;
mod host_key_judge;
mod host_key_rotation;
mod host_key_verifier;
mod identity;
pub mod known_hosts;
mod legacy_pem;
mod paths;
mod quick_ack;
pub mod sftp;
mod spare;
mod target;

pub use channel::{SshChannel, SshWriter};
pub use connection::{SshConnection, SshTransport};
pub use host_key_verifier::{HostKeyAnswer, HostKeyQuestion, HostKeyVerifier};
pub use target::{HostKeyChecking, KeepAlive, KeySource, Secret, SshTarget, Traffic};
