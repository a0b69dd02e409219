//! Shells that stay: one channel that carries many commands.
//!
//! - [`Session`]: commands that share directory, environment and functions
//! - [`Shells`]: plain commands in warm shells, each in a subshell, so that they share nothing
//! - [`framing`]: where a command's output ends; [`dialect`]: the words; [`warm`]: one shell on its channel
//! - [`feeder`]: stdin for a session's command
//!
//! Generic over the transport: nothing in here knows SSH.

pub mod dialect;
mod feeder;
pub mod framing;
mod idle;
mod nonce;
mod session;
mod shells;
mod warm;

pub use nonce::Nonce;
pub use session::Session;
pub use shells::Shells;
