use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Action, Core, Entry, Grant, Mode, Waiter};
use crate::error::{Error, Phase, Reached};
use crate::events::EventKind;
use crate::policy::Breaker;
use crate::pool::config::{HostConfig, WhenExhausted};
use crate::pool::key::Key;
use crate::pool::queue::{Place, WaitQueue};
use crate::pool::slot::Slot;

/// The answer to a caller that asks for a permit.
#[derive(Debug)]
pub enum Acquired<C> {
    Now(Grant<C>),
    /// A `Grant` or `Reject` action for this place will follow.
    Queued(Place),
}

impl<C: Clone, T: Clone> Core<C, T> {
    /// Asks for a permit. `config` is the latest word on this key's limits and applies at once.
    pub fn acquire(
        &mut self,
        key: &Key,
        target: &T,
        config: &Arc<HostConfig>,
        priority: i32,
        now: Instant,
    ) -> Result<Acquired<C>, Error> {
        // While the pool empties itself, those who still wait may need a hop.
        let open = self.mode == Mode::Open || (self.mode == Mode::Draining && config.is_hop);
        if !open {
            return Err(Error::PoolClosed { phase: Phase::Queue, reached: Reached::No });
        }
        let place = Place::new(priority, self.new_id());
        let entry = self.entry(key, target, config);
        // Nobody overtakes the queue; its front is served whenever a permit appears.
        if entry.queue.is_empty()
            && let Some(grant) = self.take_permit(key, place, true, now)
        {
            if !config.is_hop {
                self.metrics.wait.record(Duration::ZERO);
            }
            if config.min_idle > 0 {
                // One less is idle now.
                self.plan_dials(key, now);
            }
            return Ok(Acquired::Now(grant));
        }
        if let Err(refusal) = self.refuse_if_broken(key, now).and_then(|()| self.refuse_if_exhausted(key)) {
            self.forget_if_empty(key, now);
            return Err(refusal);
        }
        self.enqueue(key, place, now);
        Ok(Acquired::Queued(place))
    }

    /// The caller stopped waiting. Answers whether it was still in the queue; if not, its grant is on the way.
    pub fn cancel(&mut self, key: &Key, place: Place, now: Instant) -> bool {
        let removed = self.entries.get_mut(key).is_some_and(|entry| entry.queue.remove(place).is_some());
        self.forget_if_empty(key, now);
        removed
    }

    /// What the last failed dial of this key said, for the error of a caller whose wait ran out.
    pub fn last_dial_error(&self, key: &Key) -> Option<Error> {
        self.entries.get(key)?.last_dial_error.clone()
    }

    pub fn count_acquire_timeout(&mut self) {
        self.counters.acquire_timeouts += 1;
    }

    /// Serves the queue's front while permits last, then sees whether more connections are needed.
    pub(super) fn dispatch(&mut self, key: &Key, now: Instant) {
        self.serve(key, now);
        self.plan_dials(key, now);
        self.forget_if_empty(key, now);
    }

    /// Serves the queue's front while permits last.
    pub(super) fn serve(&mut self, key: &Key, now: Instant) {
        while self.entries.get(key).is_some_and(|entry| !entry.queue.is_empty()) {
            // The place is filled in once it is known that there is a permit to go with it.
            let Some(mut grant) = self.take_permit(key, Place::new(0, 0), false, now) else { break };
            let Some((place, waiter)) = self.entries.get_mut(key).and_then(|entry| entry.queue.pop_front()) else {
                break;
            };
            grant.place = place;
            grant.connect = self.connect_share(key, &grant, &waiter);
            if self.is_limited(key) {
                self.metrics.wait.record(now.saturating_duration_since(waiter.since));
            }
            self.actions.push(Action::Grant { key: key.clone(), grant });
        }
        if let Some(entry) = self.entries.get_mut(key) {
            entry.told_full &= !entry.queue.is_empty();
        }
    }

    /// A caller goes back to the place it had. Its key may have been forgotten meanwhile, with its last connection; and
    /// after shutdown nobody would come to serve it.
    pub(super) fn requeue(&mut self, key: &Key, target: &T, config: &Arc<HostConfig>, place: Place, now: Instant) {
        if self.mode == Mode::Shut {
            let error = Error::PoolClosed { phase: Phase::Queue, reached: Reached::No };
            self.actions.push(Action::Reject { ticket: place.ticket(), error });
            return;
        }
        self.entry(key, target, config).queue.push(place, Waiter { since: now });
    }

    pub(super) fn enqueue(&mut self, key: &Key, place: Place, now: Instant) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.queue.push(place, Waiter { since: now });
        }
        self.emit(EventKind::Queue, key, |event| event);
        self.dispatch(key, now);
    }

    pub(super) fn entry(&mut self, key: &Key, target: &T, config: &Arc<HostConfig>) -> &mut Entry<C, T> {
        if !self.entries.contains_key(key) {
            self.hosts.entry(key.endpoint().clone()).or_default().keys.push(key.clone());
        }
        let entry = self.entries.entry(key.clone()).or_insert_with(|| Entry {
            target: None,
            config: Arc::clone(config),
            slots: Vec::new(),
            dials: 0,
            queue: WaitQueue::default(),
            learned: None,
            dial_failures: 0,
            throttled: 0,
            single: false,
            proven: false,
            lost: None,
            breaker: Breaker::default(),
            warm: 0,
            warm_ups: 0,
            redial_at: None,
            growth_paused_until: None,
            last_dial_error: None,
            starved: false,
            told_full: false,
        });
        // The latest one: it may differ in what is not part of the key, as how long to wait.
        entry.target = Some(target.clone());
        if !Arc::ptr_eq(&entry.config, config) {
            entry.config = Arc::clone(config);
        }
        entry
    }

    /// Takes a permit on the least loaded live connection; among equals the one used last, so that spares can idle out.
    fn take_permit(&mut self, key: &Key, place: Place, at_once: bool, now: Instant) -> Option<Grant<C>> {
        let entry = self.entries.get_mut(key)?;
        let slot = entry
            .slots
            .iter_mut()
            .filter(|slot| slot.has_permit(now))
            .min_by_key(|slot| (slot.active, std::cmp::Reverse(slot.last_used)))?;
        let idle = slot.idle_for(now);
        // Who is served at once found an open connection, even if a warm-up had only just made it.
        let reused = at_once || slot.use_count > 0;
        slot.active += 1;
        slot.use_count += 1;
        slot.last_used = now;
        let grant = Grant {
            connection: slot.connection.clone(),
            id: slot.id,
            place,
            connect: Duration::ZERO,
            fate: slot.fate.clone(),
        };
        self.note_use(key, &grant, reused, idle);
        Some(grant)
    }

    fn note_use(&mut self, key: &Key, grant: &Grant<C>, reused: bool, idle: Duration) {
        // The figures are about callers, and no caller asks for a hop.
        if !self.is_limited(key) {
            return;
        }
        self.counters.permits += 1;
        self.counters.idle_time += idle;
        if reused {
            self.metrics.idle.record(idle);
        }
        if reused {
            self.counters.hits += 1;
            self.emit(EventKind::ConnectionReused, key, |event| event.connection(grant.id));
        } else {
            self.counters.misses += 1;
        }
        if !idle.is_zero() {
            self.emit(EventKind::ConnectionIdle, key, |event| event.connection(grant.id).duration(idle));
        }
        self.emit(EventKind::Acquire, key, |event| event.connection(grant.id));
    }

    /// How much of a wait was spent on making the connection that ended it.
    fn connect_share(&self, key: &Key, grant: &Grant<C>, waiter: &Waiter) -> Duration {
        let made = self.entries.get(key).and_then(|entry| entry.slots.iter().find(|slot| slot.id == grant.id));
        match made {
            Some(Slot { created, dialed_at, .. }) if *created > waiter.since => {
                created.saturating_duration_since((*dialed_at).max(waiter.since))
            }
            _ => Duration::ZERO,
        }
    }

    /// Refuses a caller whom even every connection the limits allow could not serve, or for whom the queue has no room.
    fn refuse_if_exhausted(&mut self, key: &Key) -> Result<(), Error> {
        let Some(entry) = self.entries.get(key) else { return Ok(()) };
        let config = Arc::clone(&entry.config);
        let (host, port) = (key.host().to_owned(), key.port());
        if entry.queue.len() >= config.max_queue {
            return Err(Error::QueueFull { host, port, max: config.max_queue });
        }
        if config.when_exhausted == WhenExhausted::Fail && self.is_exhausted(key) {
            self.emit(EventKind::PoolFull, key, |event| event);
            return Err(Error::PoolExhausted { host, port, max: config.max_connections });
        }
        Ok(())
    }

    /// Every permit there could be, on live connections and on those the limits still allow, is taken or spoken for.
    fn is_exhausted(&self, key: &Key) -> bool {
        let Some(entry) = self.entries.get(key).filter(|entry| entry.is_limited()) else { return false };
        let live: usize = entry.slots.iter().filter(|slot| slot.is_ready()).map(|slot| slot.limit.current()).sum();
        let taken: usize = entry.slots.iter().filter(|slot| slot.is_ready()).map(Slot::sessions).sum();
        let coming = (entry.dials + self.room_left(key)) * entry.channels_each();
        taken + entry.queue.len() >= live + coming
    }
}
