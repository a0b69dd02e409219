//! Docker over its Engine API: a connection is a daemon that answers, a channel is one exec.
//!
//! - [`endpoint`], [`tls`], [`wire`]: where a daemon is, and lines to it
//! - [`over_ssh`], [`dial_stdio`]: the same behind an SSH server
//! - [`client`], [`request`]: calls of the API, over lines that are kept
//! - [`mod@call`], [`mod@exchange`]: the same through a pool, collected or piece by piece
//! - [`connection`], [`channel`], [`exec`]: the traits; one exec from creating it to its status
//! - [`frames`], [`preamble`], [`kill`]: its streams, its process id, signals for it
//! - [`refusal`]: what a daemon refuses

mod call;
mod channel;
mod client;
mod connection;
mod dial_stdio;
mod endpoint;
mod exchange;
mod exec;
mod frames;
mod kill;
mod over_ssh;
pub(crate) mod preamble;
mod refusal;
pub(crate) mod request;
mod target;
mod tls;
mod wire;

pub use call::call;
pub use channel::{DockerChannel, DockerWriter};
pub use client::{ApiResponse, Body, DockerClient, collect, full_body, no_body};
pub use connection::{DockerConnection, DockerTransport};
pub use endpoint::{Bridge, Dialing, Endpoint};
pub use exchange::{Exchange, ExchangeOptions, Head, exchange};
pub use frames::Frames;
pub use over_ssh::OverSsh;
pub use refusal::{Refusal, RefusalKind};
pub use request::ApiRequest;
pub use target::DockerTarget;
pub use tls::{Tls, TlsMaterial};
pub use wire::{BoxedIo, Io};
