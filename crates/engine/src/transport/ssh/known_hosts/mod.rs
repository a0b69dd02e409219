//! OpenSSH's known_hosts: who the servers are that we have met.
//!
//! Our own reader, because trust is decided here: hashed names, wildcards, negation, ports and the `@revoked` marker mean
//! what they mean to `ssh`. `@cert-authority` lines are recognised and never match a plain key. A line that cannot be
//! read is skipped, as `ssh` does; it can make a host unknown, never trusted.

mod entry;
mod file;
mod pattern;

pub use entry::{Entry, Marker};
pub use file::{KnownHosts, Verdict, record};

/// The name known_hosts uses for a server: plain on port 22, `[host]:port` elsewhere.
pub fn host_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}
