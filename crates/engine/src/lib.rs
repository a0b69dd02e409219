//! The engine of `@xec-sh/native`: pooled connections and the commands that run through them. It knows nothing of Node.
//!
//! # Layout
//!
//! - [`pool`]: connections per key, channel permits per connection, the queue between them
//! - [`policy`]: pure decisions, time passed in
//! - [`transport`]: the traits a transport implements; [`transport::ssh`] is SSH over russh
//! - [`run`]: one command, from asking for a permit to its exit status
//! - [`shell`]: shells that stay, for sessions and for commands that leave nothing behind
//! - [`archive`]: trees of files as tar streams
//! - [`command`], [`input`], [`error`], [`host_key`], [`events`], [`metrics`]: what crosses the rooms
//! - `testing` (with the feature of that name): an SSH server to run against
//!
//! The pool decides, the transport moves bytes, policy computes.

pub mod archive;
pub mod command;
pub mod error;
pub mod events;
pub mod host_key;
pub mod input;
pub mod metrics;
pub mod policy;
pub mod pool;
pub mod run;
pub mod shell;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transport;
