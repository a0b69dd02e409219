//! Why the embedded server could not start.

use std::io;

use russh::keys::ssh_key;

/// Everything that can go wrong before the first client connects; afterwards only single connections fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedServerError {
    #[error("cannot listen on 127.0.0.1 port {port}")]
    Listen { port: u16, source: io::Error },
    #[error("cannot generate a key")]
    GenerateKey(#[source] ssh_key::Error),
    #[error("the authorized key of user {user} is not an OpenSSH public key")]
    AuthorizedKey { user: String, source: ssh_key::Error },
}
