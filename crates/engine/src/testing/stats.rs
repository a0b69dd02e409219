//! What the server has seen so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts since the server started; only `open_connections` goes down again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    pub connections_accepted: u64,
    pub open_connections: u64,
    pub logins_failed: u64,
    pub channels_refused: u64,
    pub commands_run: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    accepted: AtomicU64,
    open: AtomicU64,
    logins_failed: AtomicU64,
    channels_refused: AtomicU64,
    commands: AtomicU64,
}

impl Counters {
    pub(super) fn snapshot(&self) -> ServerStats {
        ServerStats {
            connections_accepted: self.accepted.load(Relaxed),
            open_connections: self.open.load(Relaxed),
            logins_failed: self.logins_failed.load(Relaxed),
            channels_refused: self.channels_refused.load(Relaxed),
            commands_run: self.commands.load(Relaxed),
        }
    }

    pub(super) fn login_failed(&self) {
        self.logins_failed.fetch_add(1, Relaxed);
    }

    pub(super) fn channel_refused(&self) {
        self.channels_refused.fetch_add(1, Relaxed);
    }

    pub(super) fn command_run(&self) {
        self.commands.fetch_add(1, Relaxed);
    }
}

/// Counts one connection as open for as long as it lives.
pub(super) struct OpenConnection(Arc<Counters>);

impl OpenConnection {
    pub(super) fn count(counters: &Arc<Counters>) -> Self {
        counters.accepted.fetch_add(1, Relaxed);
        counters.open.fetch_add(1, Relaxed);
        Self(Arc::clone(counters))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}
