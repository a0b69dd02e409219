//! Kubernetes over its API: a connection is a cluster that answers, a channel is one exec in a pod.
//!
//! - [`config`], [`target`]: where a cluster is and who we are there
//! - [`client`], [`failure`]: calls of the API, over lines that are kept; why there was no answer
//! - [`mod@call`], [`mod@exchange`]: the same through a pool, collected or piece by piece
//! - [`connection`], [`channel`], [`exec`]: the traits; one exec from its request to its status
//! - [`socket`], [`frames`]: WebSockets, and what their messages mean
//! - [`gate`], [`kill`]: what a command line is put into; signals for it
//! - [`mod@tunnel`]: a connection to a pod's port
//! - [`pods`]: which container is meant
//! - [`refusal`]: what an API server refuses

mod call;
mod channel;
mod client;
mod config;
mod connection;
mod exchange;
mod exec;
mod failure;
pub mod frames;
mod gate;
mod kill;
mod pods;
mod refusal;
mod socket;
mod target;
mod tunnel;

pub use call::call;
pub use channel::{KubeChannel, KubeWriter};
pub use client::KubeClient;
pub use config::KubeSource;
pub use connection::{KubeConnection, KubeTransport};
pub use exchange::exchange;
pub use refusal::{KubeRefusal, KubeRefusalKind};
pub use target::KubeTarget;
pub use tunnel::tunnel;
