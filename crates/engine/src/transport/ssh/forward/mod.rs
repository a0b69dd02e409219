//! Forwards: listeners here or on the server whose connections are carried through a pooled connection.
//!
//! - [`forward`]: [`Forward`], what callers hold; [`link`]: its pooled connection, made again when lost
//! - [`local`] (and dynamic, with [`socks`]), [`remote`] with [`routes`]: who listens and who connects
//! - [`parking`]: what waits for clients that do not read; [`overflow`]: where others go meanwhile
//! - [`relay`]: the bytes of one client connection; [`socket`]: the local ends; [`far`]: the server's ends
//! - `attached`: forwards that belong to one connection, for others
//! - [`wire`]: what is asked of the server; `door`: where somebody else's master brings what it was asked to listen for
//! - [`address`], [`error`], [`news`], [`stats`]: one noun each

mod address;
#[cfg(unix)]
mod attached;
#[cfg(unix)]
mod door;
mod error;
mod far;
#[expect(clippy::module_inception, reason = "the noun of the room")]
mod forward;
mod link;
mod local;
mod news;
mod overflow;
mod parking;
#[cfg(unix)]
mod pipes;
mod relay;
mod remote;
mod routes;
mod socket;
mod socks;
mod stats;
mod wire;

pub use address::{Address, ForwardSpec};
#[cfg(unix)]
pub use attached::{Attached, Attachments, Errand, Opened};
pub use error::ForwardError;
pub use forward::Forward;
pub use news::News;
pub use stats::ForwardStats;

pub(super) use parking::Parking;
pub(super) use routes::{Caller, Inbound, Routes};
