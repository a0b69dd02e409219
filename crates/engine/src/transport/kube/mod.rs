//! Kubernetes over its API: a connection is a cluster that answers, a channel is one exec in a pod.
//!
//! - [`config`], [`target`]: where a cluster is and who we are there
//! - [`client`], [`buffered`], [`spares`], [`failure`]: calls of the API, over lines that are kept; how those are read; lines made
//!   ahead; why there was no answer
//! - [`mod@exchange`]: the same through a pool, piece by piece
//! - [`connection`], [`exec`], [`talk`], [`feeding`], [`peer`]: the traits; one exec from its request to its status, what comes
//!   from it, what goes to it, whether anybody is there
//! - [`socket`], [`frames`]: WebSockets, and what their messages mean
//! - [`gate`], [`kill`]: what a command line is put into; signals for it
//! - [`mod@tunnel`]: a connection to a pod's port
//! - [`pods`]: which container is meant
//! - [`refusal`]: what an API server refuses

mod buffered;
mod client;
mod config;
mod connection;
mod exchange;
mod exec;
mod failure;
mod feeding;
pub mod frames;
mod gate;
mod kill;
mod peer;
mod pods;
mod refusal;
mod socket;
mod spares;
mod starts;
mod talk;
mod target;
mod tunnel;

pub use client::KubeClient;
pub use config::KubeSource;
pub use connection::{KubeConnection, KubeTransport};
pub use exchange::exchange;
pub use refusal::{KubeRefusal, KubeRefusalKind};
pub use target::KubeTarget;
pub use tunnel::tunnel;

pub use crate::transport::container::call;
