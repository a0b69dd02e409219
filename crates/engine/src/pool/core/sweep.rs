use std::time::Duration;

use tokio::time::Instant;

use super::{Action, ConnectionId, Core, Mode};
use crate::error::{Error, Phase, Reached};
use crate::events::{Event, EventKind};
use crate::pool::key::Key;
use crate::pool::slot::{CloseReason, SlotState};

/// Deadlines of idle connections are rounded up to this, so that thousands of them are swept in batches.
const GRANULARITY: Duration = Duration::from_millis(100);

impl<C: Clone, T: Clone> Core<C, T> {
    /// Retires what was idle too long or is too old, and retries what had to pause. Answers when to look again; `None`
    /// when there is nothing left that a later look could change.
    pub fn sweep(&mut self, now: Instant) -> Option<Instant> {
        let due = self.due(now);
        let cleaned = due.len();
        for (key, id, reason) in due {
            self.retire(&key, id, reason, now);
        }
        if cleaned > 0 {
            self.note_cleanup(cleaned);
        }
        self.start_checks(now);
        for key in self.paused(now) {
            self.dispatch(&key, now);
        }
        let empty = self.entries.iter().filter(|(_, entry)| entry.is_empty()).map(|(key, _)| key.clone());
        for key in empty.collect::<Vec<_>>() {
            self.forget_if_empty(&key, now);
        }
        self.next_look = self.earliest_deadline(now);
        self.next_look
    }

    /// Closes every connection that no command uses, as `reason` says. Answers how many.
    pub fn close_idle(&mut self, now: Instant) -> usize {
        let idle: Vec<(Key, ConnectionId)> = self
            .entries
            .iter()
            .flat_map(|(key, entry)| {
                entry.slots.iter().filter(|slot| slot.is_idle()).map(|slot| (key.clone(), slot.id))
            })
            .collect();
        for (key, id) in &idle {
            self.retire(key, *id, CloseReason::Removed, now);
        }
        idle.len()
    }

    /// As [`close_idle`](Self::close_idle), only those that carried connections which are gone now.
    pub fn close_idle_hops(&mut self, now: Instant) -> usize {
        let idle: Vec<(Key, ConnectionId)> = self
            .entries
            .iter()
            .filter(|(_, entry)| !entry.is_limited())
            .flat_map(|(key, entry)| {
                entry.slots.iter().filter(|slot| slot.is_idle()).map(|slot| (key.clone(), slot.id))
            })
            .collect();
        for (key, id) in &idle {
            self.retire(key, *id, CloseReason::Removed, now);
        }
        idle.len()
    }

    /// Cuts everything: callers in the queue are refused, dials abandoned, connections closed whether busy or not. The
    /// pool can be used again at once.
    pub fn close_all(&mut self, now: Instant) {
        let refusal = Error::PoolClosed { phase: Phase::Queue, reached: Reached::No };
        for entry in self.entries.values_mut() {
            entry.warm = 0;
            // Closed on purpose: none is to be kept ready until the next success.
            entry.proven = false;
            entry.starved = false;
            let rejected = entry.queue.drain().map(|(place, _)| place.ticket());
            self.actions.extend(rejected.map(|ticket| Action::Reject { ticket, error: refusal.clone() }));
        }
        self.starved.clear();
        let keys: Vec<Key> = self.entries.keys().cloned().collect();
        for key in &keys {
            self.abandon_dials(key);
            self.close_slots(key, now);
            self.forget_if_empty(key, now);
        }
    }

    /// As [`close_all`](Self::close_all), and nobody may acquire any more.
    pub fn shut_down(&mut self, now: Instant) {
        self.mode = Mode::Shut;
        self.close_all(now);
    }

    /// Nobody may acquire any more, idle connections close, busy ones finish what they do.
    pub fn shut_down_gently(&mut self, now: Instant) {
        self.mode = Mode::Shut;
        // Whoever waited for one of these has left: the pool is gone.
        let dialing: Vec<Key> = self.dials.values().map(|dial| dial.key.clone()).collect();
        for key in &dialing {
            self.abandon_dials(key);
            self.forget_if_empty(key, now);
        }
        let slots: Vec<(Key, ConnectionId)> = self
            .entries
            .iter()
            .flat_map(|(key, entry)| entry.slots.iter().map(|slot| (key.clone(), slot.id)))
            .collect();
        for (key, id) in slots {
            self.retire(&key, id, CloseReason::Removed, now);
        }
    }

    pub fn is_closing(&self) -> bool {
        let mut slots = self.entries.values().flat_map(|entry| &entry.slots);
        slots.any(|slot| matches!(slot.state, SlotState::Closing(_)))
    }

    pub(super) fn abandon_dials(&mut self, key: &Key) {
        let dials: Vec<_> = self.dials.iter().filter(|(_, dial)| dial.key == *key).map(|(id, _)| *id).collect();
        for dial in dials {
            self.dials.remove(&dial);
            self.give_back_room(key);
            if let Some(entry) = self.entries.get_mut(key) {
                entry.dials = entry.dials.saturating_sub(1);
            }
            self.end_handshake(key);
            self.actions.push(Action::AbandonDial { dial });
        }
    }

    fn close_slots(&mut self, key: &Key, now: Instant) {
        let ids: Vec<ConnectionId> =
            self.entries.get(key).map(|entry| entry.slots.iter().map(|slot| slot.id).collect()).unwrap_or_default();
        for id in ids {
            self.close_slot(key, id, CloseReason::Removed, now);
        }
    }

    fn due(&self, now: Instant) -> Vec<(Key, ConnectionId, CloseReason)> {
        let mut due = Vec::new();
        for (key, entry) in &self.entries {
            let mut idle = entry.slots.iter().filter(|slot| slot.is_idle()).count();
            for slot in &entry.slots {
                let Some((at, reason)) = slot.deadline(entry.config.idle_timeout) else { continue };
                let kept = reason == CloseReason::IdleTimeout && idle <= entry.config.min_idle;
                if at <= now && !kept {
                    idle -= usize::from(slot.is_idle());
                    due.push((key.clone(), slot.id, reason));
                }
            }
        }
        due
    }

    /// Keys whose waiters a passed pause may now help, or that have just lost what served them.
    fn paused(&self, now: Instant) -> Vec<Key> {
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        self.entries
            .iter()
            .filter(|(_, entry)| !entry.queue.is_empty() || entry.keeps_trying())
            .filter(|(_, entry)| {
                let paused = entry.redial_at.is_some_and(|at| at > now);
                let unserved = !entry.is_served() && entry.dials == 0 && !entry.starved && !paused;
                unserved
                    || passed(entry.redial_at)
                    || passed(entry.growth_paused_until)
                    || entry.slots.iter().any(|slot| passed(slot.cool_until))
            })
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn earliest_deadline(&self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut consider = |at: Instant| next = Some(next.map_or(at, |next| next.min(at)));
        for entry in self.entries.values() {
            for slot in &entry.slots {
                // One that is past and was not acted on is of a connection that is to be kept.
                if let Some((at, _)) = slot.deadline(entry.config.idle_timeout).filter(|(at, _)| *at > now) {
                    consider(at.max(now + GRANULARITY));
                }
                if let Some(health) = slot.health.filter(|_| slot.is_ready() && !slot.checking) {
                    consider(health.due().max(now + GRANULARITY));
                }
            }
            // Even when nobody waits now: whoever comes before a pause is over will wait for its end.
            let pauses = entry
                .slots
                .iter()
                .filter_map(|slot| slot.cool_until)
                .chain(entry.redial_at)
                .chain(entry.growth_paused_until);
            pauses.filter(|at| *at > now).for_each(&mut consider);
        }
        if !self.entries.is_empty() {
            consider(now + self.config.cleanup_interval);
        }
        next
    }

    fn note_cleanup(&mut self, cleaned: usize) {
        self.counters.last_cleanup = Some(std::time::SystemTime::now());
        let closing = |state: SlotState| matches!(state, SlotState::Closing(_));
        let left = self.entries.values().flat_map(|entry| &entry.slots).filter(|slot| !closing(slot.state)).count();
        self.events.emit(EventKind::Cleanup, || {
            let mut event = Event::new(EventKind::Cleanup, None);
            event.cleaned = Some((cleaned, left));
            event
        });
    }
}
