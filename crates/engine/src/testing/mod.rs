//! An SSH server to test against: loopback only, keys generated at start, real local commands.
//!
//! ```no_run
//! # async fn example() -> Result<(), xec_engine::testing::EmbeddedServerError> {
//! use xec_engine::testing::{EmbeddedServer, User};
//!
//! let server = EmbeddedServer::builder().user(User::new("demo").password("secret")).start().await?;
//! println!("ssh -p {} demo@127.0.0.1", server.addr().port());
//! server.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! `server` listens, `connection` serves one socket, `session` answers its requests, `channels` knows what runs on
//! which channel, `command` runs one process, `stdin` holds its input, `process_group` ends it with its children.
//! `accounts` says who may log in, `keys` makes keys, `stats` counts, `shutdown` tells everyone to stop and waits.
//!
//! # What is not promised
//!
//! Commands run as the user who started the server, whatever name logged in, and inherit its environment. No PTY, no
//! SFTP, no forwarding: such requests are refused. Input that a command does not read is kept in memory up to 64 MiB;
//! beyond that the whole connection waits, because russh's server side cannot close the window of a single channel.

mod accounts;
mod channels;
mod command;
mod connection;
mod error;
mod keys;
mod process_group;
mod server;
mod session;
mod shutdown;
mod stats;
mod stdin;

pub use accounts::User;
pub use error::EmbeddedServerError;
pub use keys::ClientKey;
pub use server::{Builder, EmbeddedServer};
pub use stats::ServerStats;
