use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{ConnectionId, Core};
use crate::pool::key::Key;
use crate::pool::slot::{Slot, SlotState};

/// What is counted while the pool runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Counters {
    pub permits: u64,
    pub hits: u64,
    pub misses: u64,
    pub created: u64,
    pub failed: u64,
    pub closed: u64,
    pub lost: u64,
    pub refusals: u64,
    pub acquire_timeouts: u64,
    pub reconnected: u64,
    pub checks_passed: u64,
    pub checks_failed: u64,
    pub connect_time: Duration,
    pub idle_time: Duration,
    pub last_cleanup: Option<SystemTime>,
}

/// The pool at one moment. Counts marked "ever" start with the pool and only grow.
#[derive(Debug, Clone, Default)]
pub struct PoolStats {
    /// Connections that exist, the closing ones included.
    pub total: usize,
    /// Connections that carry at least one channel.
    pub active: usize,
    /// Connections ready for use that carry none.
    pub idle: usize,
    /// Connections being made.
    pub connecting: usize,
    /// Callers waiting for a permit.
    pub queued: usize,
    /// Permits out.
    pub channels: usize,
    /// Permits granted on a connection that was open already, ever.
    pub hits: u64,
    /// Permits for which a connection had to be made, ever.
    pub misses: u64,
    /// Permits granted, ever.
    pub permits: u64,
    /// Connections made, ever.
    pub created: u64,
    /// Attempts to connect that failed, ever.
    pub failed: u64,
    /// Connections closed for any reason, ever.
    pub closed: u64,
    /// Connections that ended by themselves with an error, ever.
    pub lost: u64,
    /// Channels that servers refused (the command was queued again), ever.
    pub refusals: u64,
    /// Callers whose wait for a permit ran out, ever.
    pub acquire_timeouts: u64,
    /// Keys served again after their connection was lost or an attempt had failed, ever.
    pub reconnected: u64,
    /// Health checks, ever.
    pub checks_passed: u64,
    pub checks_failed: u64,
    /// Time spent on connecting, over `created`.
    pub connect_time: Duration,
    /// Time connections spent idle before they were used again, over `hits`.
    pub idle_time: Duration,
    pub last_cleanup: Option<SystemTime>,
}

/// One connection at one moment.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    pub id: ConnectionId,
    pub key: Key,
    /// `idle`, `active`, `retiring` or `closing`.
    pub state: &'static str,
    pub age: Duration,
    /// Since it was last used.
    pub unused: Duration,
    pub idle: Duration,
    pub use_count: u64,
    pub channels: usize,
    pub channel_limit: usize,
    pub errors: u64,
}

impl<C: Clone, T: Clone> Core<C, T> {
    pub fn stats(&self) -> PoolStats {
        let slots = || self.entries.values().flat_map(|entry| &entry.slots);
        PoolStats {
            total: slots().count(),
            active: slots().filter(|slot| slot.active > 0).count(),
            idle: slots().filter(|slot| slot.is_idle()).count(),
            connecting: self.dials.len(),
            queued: self.entries.values().map(|entry| entry.queue.len()).sum(),
            channels: slots().map(|slot| slot.active).sum(),
            hits: self.counters.hits,
            misses: self.counters.misses,
            permits: self.counters.permits,
            created: self.counters.created,
            failed: self.counters.failed,
            closed: self.counters.closed,
            lost: self.counters.lost,
            refusals: self.counters.refusals,
            acquire_timeouts: self.counters.acquire_timeouts,
            reconnected: self.counters.reconnected,
            checks_passed: self.counters.checks_passed,
            checks_failed: self.counters.checks_failed,
            connect_time: self.counters.connect_time,
            idle_time: self.counters.idle_time,
            last_cleanup: self.counters.last_cleanup,
        }
    }

    /// Every connection, in order of creation.
    pub fn connections(&self, now: Instant) -> Vec<ConnectionInfo> {
        let mut all: Vec<ConnectionInfo> =
            self.entries.iter().flat_map(|(key, entry)| entry.slots.iter().map(|slot| info(key, slot, now))).collect();
        all.sort_by_key(|info| info.id);
        all
    }
}

fn info<C>(key: &Key, slot: &Slot<C>, now: Instant) -> ConnectionInfo {
    let state = match slot.state {
        SlotState::Ready if slot.active > 0 => "active",
        SlotState::Ready => "idle",
        SlotState::Retiring(_) => "retiring",
        SlotState::Closing(_) => "closing",
    };
    ConnectionInfo {
        id: slot.id,
        key: key.clone(),
        state,
        age: now.saturating_duration_since(slot.created),
        unused: now.saturating_duration_since(slot.last_used),
        idle: slot.idle_for(now),
        use_count: slot.use_count,
        channels: slot.active,
        channel_limit: slot.limit.current(),
        errors: slot.errors,
    }
}
