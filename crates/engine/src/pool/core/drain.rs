use std::sync::Arc;

use tokio::time::Instant;

use super::{ConnectionId, Core, Entry, Mode};
use crate::error::{Error, Phase, Reached};
use crate::events::{Event, EventKind};
use crate::pool::config::HostConfig;
use crate::pool::key::Key;
use crate::pool::slot::{CloseReason, Slot};

/// How far a warm-up is.
#[derive(Debug, Clone)]
pub enum WarmUp {
    /// This many connections are ready, and more are being made.
    Going(usize),
    Ready(usize),
    /// This many are ready; the rest could not be made.
    Failed(usize, Error),
    /// This many are ready; the limits allow no more.
    Full(usize),
}

impl<C: Clone, T: Clone> Core<C, T> {
    /// Nobody new is let in. Who waits is served, what runs ends by itself, what is idle closes.
    pub fn begin_drain(&mut self, now: Instant) {
        if self.mode == Mode::Open {
            self.mode = Mode::Draining;
        }
        self.close_idle(now);
    }

    /// Nothing is left, and nothing is coming.
    pub fn is_drained(&self) -> bool {
        self.entries.values().all(Entry::is_empty)
    }

    /// The drain is over, complete or forced; the pool can be used again unless it was shut meanwhile.
    pub fn end_drain(&mut self, _now: Instant) {
        if self.mode == Mode::Draining {
            self.mode = Mode::Open;
        }
        self.events.emit(EventKind::Drain, || Event::new(EventKind::Drain, None));
    }

    /// While the pool drains, whatever becomes idle has nobody left to serve.
    pub(super) fn retire_if_draining(&mut self, key: &Key, id: ConnectionId, now: Instant) {
        let unneeded = self.entries.get(key).is_some_and(|entry| {
            entry.queue.is_empty() && entry.slots.iter().any(|slot| slot.id == id && slot.is_idle())
        });
        if self.mode == Mode::Draining && unneeded {
            self.retire(key, id, CloseReason::Removed, now);
        }
    }

    /// Retires every connection of one key; busy ones finish what they do. Answers how many.
    pub fn remove(&mut self, key: &Key, now: Instant) -> usize {
        let Some(entry) = self.entries.get_mut(key) else { return 0 };
        // Removed on purpose: none is to be kept ready until the next success.
        entry.proven = false;
        let ready: Vec<ConnectionId> = entry.slots.iter().filter(|slot| slot.is_ready()).map(|slot| slot.id).collect();
        for id in &ready {
            self.retire(key, *id, CloseReason::Removed, now);
        }
        self.forget_if_empty(key, now);
        ready.len()
    }

    /// Makes connections ahead of need until `count` are ready.
    pub fn warm_up(
        &mut self,
        key: &Key,
        target: &T,
        config: &Arc<HostConfig>,
        count: usize,
        now: Instant,
    ) -> Result<(), Error> {
        if self.mode != Mode::Open {
            return Err(Error::PoolClosed { phase: Phase::Queue, reached: Reached::No });
        }
        let entry = self.entry(key, target, config);
        entry.warm = entry.warm.max(count);
        entry.warm_ups += 1;
        let refusal = self.refuse_if_broken(key, now);
        if refusal.is_err()
            && let Some(entry) = self.entries.get_mut(key)
        {
            entry.warm = 0;
            entry.warm_ups -= 1;
        }
        self.plan_dials(key, now);
        self.forget_if_empty(key, now);
        refusal
    }

    pub fn warm_up_progress(&self, key: &Key, count: usize) -> WarmUp {
        let Some(entry) = self.entries.get(key) else {
            return WarmUp::Failed(0, Error::PoolClosed { phase: Phase::Dial, reached: Reached::No });
        };
        let ready = entry.slots.iter().filter(|slot| Slot::is_ready(slot)).count();
        if ready >= count {
            WarmUp::Ready(ready)
        } else if entry.dials > 0 || (entry.warm > 0 && entry.redial_at.is_some()) {
            WarmUp::Going(ready)
        } else if let Some(error) = &entry.last_dial_error {
            WarmUp::Failed(ready, error.clone())
        } else if entry.warm > 0 && self.room_left(key) > 0 {
            WarmUp::Going(ready)
        } else {
            WarmUp::Full(ready)
        }
    }

    /// The warm-up has its answer: connections live on as any others.
    pub fn end_warm_up(&mut self, key: &Key, now: Instant) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.warm = 0;
            entry.warm_ups = entry.warm_ups.saturating_sub(1);
        }
        self.forget_if_empty(key, now);
    }

    /// Nobody wants the warm-up any more: what is being dialed for it, and for nobody else, is given up.
    pub fn cancel_warm_up(&mut self, key: &Key, now: Instant) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.warm_ups = entry.warm_ups.saturating_sub(1);
            if entry.warm_ups == 0 {
                entry.warm = 0;
                if entry.queue.is_empty() {
                    self.abandon_dials(key);
                }
            }
        }
        self.feed_starved(now);
        self.forget_if_empty(key, now);
    }
}
