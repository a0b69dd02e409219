//! The binding between the engine and Node: types are converted here, nothing is decided.
//!
//! - `ssh_pool`: `NativePool`, one delegating method per call
//! - `lease`, `process`: what it hands out, a borrowed connection and a command under way
//! - `session`: a shell that keeps what its commands do to it
//! - `cancel`: `CancelToken`; `control`: control sockets at the process's end
//! - `options`: records that come in; `output`, `failure`, `events`, `stats`: records that go out
//! - `runtime`: the threads, and promises settled from them

// What `#[napi]` generates calls across the C boundary.
#![allow(unsafe_code)]

mod cancel;
mod control;
mod events;
mod failure;
mod lease;
mod options;
mod output;
mod process;
mod runtime;
mod session;
mod ssh_pool;
mod stats;

use napi_derive::napi;

pub use stats::histogram_bounds;

/// The version of the native part.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
