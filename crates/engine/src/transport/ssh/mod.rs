//! SSH over russh: dial, handshake, authenticate, and channels that carry commands.

mod agent;
mod algorithms;
mod answers;
mod attempts;
mod auth;
mod certificate;
mod channel;
mod connection;
mod dial;
mod greeting;
mod handler;
mod identity;
pub mod known_hosts;
mod legacy_pem;
mod offers;
mod paths;
mod prompter;
mod quick_ack;
pub mod sftp;
mod signer;
mod spare;
mod target;

pub use channel::{SshChannel, SshWriter};
pub use connection::{SshConnection, SshTransport};
pub use prompter::{Answers, Prompt, Prompter, Questions};
pub use target::{Agent, HostKeyChecking, KeepAlive, KeySource, Secret, SshTarget, Traffic};
