//! The binding between the engine and Node: types are converted here, nothing is decided.
//!
//! - `ssh_pool`: `NativePool`, one delegating method per call
//! - `docker`: `NativeDockerPool`, the same for containers; `docker_options`: its records; `docker_exchange`: a call in pieces
//! - `kube`: `NativeKubePool`, the same for pods; `kube_options`: its records
//! - `lease`, `process`, `forward`: what it hands out, a borrowed connection, a command under way, an open forward
//! - `input`: stdin that comes piece by piece; `callback`: what a function of the caller's threw
//! - `session`: a shell that keeps what its commands do to it
//! - `cancel`: `CancelToken`; `control`: control sockets at the process's end
//! - `sftp`, `sftp_streams`, `transfer`: `NativeSftp` and what belongs to it; `sftp_records`: its records
//! - `prompts`: what it asks back, the questions of a login
//! - `host_key`: the caller's say about host keys
//! - `archive`: trees of files as tar streams, both ways
//! - `options`: records that come in; `output`, `failure`, `events`, `stats`: records that go out
//! - `runtime`: the threads, and promises settled from them

// What `#[napi]` generates calls across the C boundary.
#![allow(unsafe_code)]

mod archive;
mod callback;
mod cancel;
mod control;
mod docker;
mod docker_exchange;
mod docker_options;
mod events;
mod failure;
mod forward;
mod host_key;
mod input;
mod kube;
mod kube_options;
mod lease;
mod options;
mod origin;
mod output;
mod pool_controls;
mod process;
mod prompts;
mod route;
mod runtime;
mod session;
mod sftp;
mod sftp_records;
mod sftp_streams;
mod ssh_config;
mod ssh_pool;
mod stats;
mod transfer;
mod uses;

use napi_derive::napi;

pub use control::remove_control_sockets;
pub use host_key::{answer_host_key, next_host_key_verifier};
pub use ssh_config::resolve_ssh_config;
pub use stats::histogram_bounds;

/// The version of the native part.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
