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
pub mod forward;
mod greeting;
mod handler;
mod host_key_judge;
mod host_key_rotation;
mod host_key_verifier;
mod identity;
pub mod known_hosts;
mod legacy_pem;
mod link;
#[cfg(unix)]
pub mod mux;
mod named_file;
mod offers;
mod paths;
mod prompter;
mod proxy;
mod quick_ack;
mod route;
pub mod sftp;
mod signer;
mod spare;
pub mod ssh_config;
mod target;
mod wire;

pub use channel::{SshChannel, SshWriter};
pub use connection::{SshConnection, SshTransport};
pub(crate) use dial::dial as dial_tcp;
pub use host_key_verifier::{HostKeyAnswer, HostKeyQuestion, HostKeyVerifier};
pub use link::{Link, LinkChannel, LinkWriter};
#[cfg(unix)]
pub use mux::remove_all as remove_control_sockets;
pub use prompter::{Answers, Prompt, Prompter, Questions};
pub use route::{Jump, Proxy, ProxyKind, Route};
pub use target::{
    Agent, Control, HostKeyChecking, KeepAlive, KeySource, MACHINES_KNOWN_HOSTS, Secret, SshTarget, Traffic,
    USERS_KNOWN_HOSTS,
};
