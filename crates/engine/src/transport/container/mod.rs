//! What Docker and Kubernetes have in common: calls of an HTTP API over a pool's connections, and execs in containers.
//!
//! - [`request`], [`answer`], [`body`]: one call, and what is said to it
//! - [`mod@call`], [`exchange`]: calls through a pool, collected or piece by piece
//! - [`channel`], [`orders`], [`output`]: an exec's two ends, and what its task is told and says
//! - [`preamble`]: the process id of a command, said by its own shell

pub mod answer;
pub mod body;
pub mod call;
pub mod channel;
pub mod exchange;
pub mod orders;
pub mod output;
pub mod preamble;
pub mod request;

pub use answer::{ApiResponse, Head, collect};
pub use body::{Body, full_body, no_body};
pub use call::{ApiConnection, call, on_connection};
pub use channel::{ExecChannel, ExecWriter};
pub use exchange::{Answer, Exchange};
pub use orders::{Input, Order, Orders, What};
pub use output::{Output, Over};
pub use request::ApiRequest;

use tokio::sync::watch;

/// Resolves when it is so, or when nobody is left who could say it.
pub async fn until<T>(watched: &mut watch::Receiver<T>, so: impl FnMut(&T) -> bool) {
    // What it holds a lock on is let go of here.
    let _ = watched.wait_for(so).await;
}
