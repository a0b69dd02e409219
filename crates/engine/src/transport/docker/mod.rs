//! Docker over its Engine API: a connection is a daemon that answers, a channel is one exec.
//!
//! - [`endpoint`], [`tls`], [`wire`]: where a daemon is, and lines to it
//! - [`over_ssh`], [`dial_stdio`]: the same behind an SSH server
//! - [`client`]: calls of the API, over lines that are kept
//! - [`mod@exchange`]: the same through a pool, piece by piece
//! - [`connection`], [`exec`]: the traits; one exec from creating it to its status
//! - [`frames`], [`kill`]: its streams, signals for it
//! - [`refusal`]: what a daemon refuses

mod client;
mod connection;
mod dial_stdio;
mod endpoint;
mod exchange;
mod exec;
mod frames;
mod kill;
mod over_ssh;
#[cfg(unix)]
mod paced;
mod refusal;
mod target;
mod tls;
mod wire;

pub use client::{DockerClient, collect};
pub use connection::{DockerConnection, DockerTransport};
pub use endpoint::{Bridge, Dialing, Endpoint};
pub use exchange::{ExchangeOptions, exchange};
pub use frames::Frames;
pub use over_ssh::OverSsh;
pub use refusal::{Refusal, RefusalKind};
pub use target::DockerTarget;
pub use tls::{Tls, TlsMaterial};
pub use wire::{BoxedIo, Io};

pub use crate::transport::container::{ApiRequest, ApiResponse, Body, Exchange, Head, call, full_body, no_body};
