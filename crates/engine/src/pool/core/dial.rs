use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::{Action, Core, Dial, DialId, Entry};
use crate::error::{Error, Phase};
use crate::events::EventKind;
use crate::policy::{Backoff, ChannelLimit, attenuated};
use crate::pool::core::ConnectionId;
use crate::pool::key::Key;
use crate::pool::slot::{CloseReason, Fate, Slot, SlotState};

/// Between attempts to add a connection while another one serves the key.
const GROWTH_BACKOFF: Backoff = Backoff { initial: Duration::from_millis(500), max: Duration::from_secs(30) };

/// May another connection be made?
#[derive(PartialEq, Eq)]
enum Room {
    Yes,
    /// As many handshakes are under way as one host should see; one will end soon.
    Handshakes,
    HostFull,
    PoolFull,
}

/// Searches of the whole pool for somebody who could make room. A second one in the same round finds nothing new, and with
/// a thousand keys waiting for the same room, searching for each of them would take seconds.
#[derive(Default)]
struct Searched {
    for_served: bool,
    for_unserved: bool,
}

impl Searched {
    /// Whether there was one for such a key; from now on there was.
    fn already(&mut self, served: bool) -> bool {
        let searched = if served { &mut self.for_served } else { &mut self.for_unserved };
        std::mem::replace(searched, true)
    }
}

impl<C: Clone, T: Clone> Core<C, T> {
    /// Opens connections as far as the waiting callers need and the limits allow.
    ///
    /// With no live connection: as many as the queue would fill. With one: a single dial at a time, because the callers
    /// are being served meanwhile and a short burst must not become a handshake storm (HikariCP's spike rule).
    pub(super) fn plan_dials(&mut self, key: &Key, now: Instant) {
        self.plan_dials_unless(&mut Searched::default(), key, now);
    }

    fn plan_dials_unless(&mut self, searched: &mut Searched, key: &Key, now: Instant) {
        while self.wants_dial(key, now) {
            match self.room(key) {
                Room::Yes => self.start_dial(key, now),
                Room::Handshakes => return self.starve(key),
                full => {
                    let whole_pool = full == Room::PoolFull;
                    let served = self.entries.get(key).is_some_and(Entry::is_served);
                    let in_vain = whole_pool && searched.already(served);
                    if !in_vain && !self.make_room(key, whole_pool, now) {
                        self.tell_full(key);
                    }
                    return self.starve(key);
                }
            }
        }
    }

    pub fn dial_succeeded(&mut self, dial: DialId, connection: C, now: Instant) -> Option<ConnectionId> {
        let Dial { key, started } = self.end_dial(dial)?;
        let id = self.new_id();
        let entry = self.entries.get_mut(&key)?;
        entry.dial_failures = 0;
        entry.redial_at = None;
        entry.last_dial_error = None;
        let ceiling = if entry.config.enabled { entry.config.channels_per_connection } else { 1 };
        let pooling = entry.config.enabled;
        entry.slots.push(Slot {
            id,
            connection,
            state: SlotState::Ready,
            fate: Fate::default(),
            active: 0,
            limit: ChannelLimit::new(ceiling, entry.channels_each()),
            dialed_at: started,
            created: now,
            last_used: now,
            use_count: 0,
            errors: 0,
            cool_until: None,
            refusals_in_a_row: 0,
            lone_refusals: 0,
            expires: entry.config.max_lifetime.map(|life| now + attenuated(life, id)),
        });
        let took = now.saturating_duration_since(started);
        self.counters.created += 1;
        self.counters.connect_time += took;
        self.deadline_moved = true;
        self.emit(EventKind::ConnectionCreated, &key, |event| event.connection(id).duration(took));
        self.serve(&key, now);
        if self.shut {
            self.retire(&key, id, CloseReason::Removed, now);
        } else if !pooling && self.slot_mut(&key, id).is_some_and(|slot| slot.is_idle()) {
            // The caller it was made for has left.
            self.retire(&key, id, CloseReason::PoolingDisabled, now);
        }
        self.feed_starved(now);
        self.dispatch(&key, now);
        Some(id)
    }

    /// Nobody can be served by this dial. If nothing else serves its key, everybody who waits gets its error: that is the
    /// one attempt their call was worth. Otherwise they go on waiting and growth pauses.
    pub fn dial_failed(&mut self, dial: DialId, error: Error, now: Instant) {
        let Some(Dial { key, started }) = self.end_dial(dial) else { return };
        self.give_back_room(&key);
        self.counters.failed += 1;
        let took = now.saturating_duration_since(started);
        self.emit(EventKind::ConnectionFailed, &key, |event| event.duration(took).error(error.clone()));
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.last_dial_error = Some(error.clone());
            if !entry.config.enabled {
                // Every caller has a dial of its own: one failure answers one caller.
                if let Some((place, _)) = entry.queue.pop_front() {
                    self.actions.push(Action::Reject { ticket: place.ticket(), error });
                }
            } else if entry.dials == 0 && !entry.slots.iter().any(Slot::is_ready) {
                let rejects = entry.queue.drain().map(|(place, _)| (place.ticket(), error.clone()));
                self.actions.extend(rejects.map(|(ticket, error)| Action::Reject { ticket, error }));
            } else {
                entry.dial_failures = entry.dial_failures.saturating_add(1);
                entry.redial_at = Some(now + GROWTH_BACKOFF.delay(entry.dial_failures));
                self.deadline_moved = true;
            }
        }
        self.feed_starved(now);
        self.dispatch(&key, now);
    }

    /// What a caller of this key that is still waiting is waiting for.
    pub fn waiting_phase(&self, key: &Key) -> Phase {
        match self.entries.get(key) {
            Some(entry) if entry.dials > 0 && !entry.slots.iter().any(Slot::is_ready) => Phase::Dial,
            _ => Phase::Queue,
        }
    }

    /// Room appeared, or may appear by evicting something that has just become idle: ask again for all who lacked it.
    pub(super) fn feed_starved(&mut self, now: Instant) {
        // Whoever gets a connection and wants another one goes behind those who got none.
        let mut insatiable = VecDeque::new();
        let mut searched = Searched::default();
        for key in std::mem::take(&mut self.starved) {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.starved = false;
            let dials = entry.dials;
            self.plan_dials_unless(&mut searched, &key, now);
            let got_one = self.entries.get(&key).is_some_and(|entry| entry.dials > dials);
            if got_one && self.starved.back() == Some(&key) {
                insatiable.extend(self.starved.pop_back());
            }
        }
        self.starved.append(&mut insatiable);
    }

    /// Connections that the limits would still allow for this key, in the place of idle ones of other keys if need be.
    pub(super) fn room_left(&self, key: &Key) -> usize {
        let Some(entry) = self.entries.get(key) else { return 0 };
        let on_host = self.hosts.get(key.endpoint()).map_or(0, |host| host.count);
        let for_host = (entry.config.max_connections + self.soon_free(key, false)).saturating_sub(on_host);
        let in_pool = (self.config.max_total_connections + self.soon_free(key, true)).saturating_sub(self.total);
        for_host.min(in_pool)
    }

    /// Connections in this scope that are closing, or would be closed to make room for this key.
    fn soon_free(&self, key: &Key, whole_pool: bool) -> usize {
        let goes = |other: &Key, slot: &Slot<C>| match slot.state {
            SlotState::Closing(_) => true,
            SlotState::Ready => other != key && slot.is_idle(),
            SlotState::Retiring(_) => false,
        };
        self.scope(key, whole_pool)
            .filter_map(|other| self.entries.get(other).map(|entry| (other, entry)))
            .map(|(other, entry)| entry.slots.iter().filter(|slot| goes(other, slot)).count())
            .sum()
    }

    fn wants_dial(&self, key: &Key, now: Instant) -> bool {
        let Some(entry) = self.entries.get(key) else { return false };
        if self.shut || entry.queue.is_empty() {
            return false;
        }
        let wanted = if !entry.config.enabled {
            entry.queue.len()
        } else if entry.slots.iter().any(Slot::is_ready) {
            1
        } else {
            entry.queue.len().div_ceil(entry.channels_each())
        };
        // The pause after a failure is for growth: a key that nothing serves any more must not sit it out.
        let paused = entry.is_served() && entry.redial_at.is_some_and(|at| at > now);
        entry.dials < wanted && !paused
    }

    fn room(&self, key: &Key) -> Room {
        let Some(entry) = self.entries.get(key) else { return Room::HostFull };
        let (count, dialing) = self.hosts.get(key.endpoint()).map_or((0, 0), |host| (host.count, host.dialing));
        if count >= entry.config.max_connections {
            Room::HostFull
        } else if self.total >= self.config.max_total_connections {
            Room::PoolFull
        } else if dialing >= self.config.max_handshakes_per_host {
            Room::Handshakes
        } else {
            Room::Yes
        }
    }

    fn start_dial(&mut self, key: &Key, now: Instant) {
        let dial = self.new_id();
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.dials += 1;
        entry.told_full = false;
        let target = entry.target.clone();
        if let Some(host) = self.hosts.get_mut(key.endpoint()) {
            host.count += 1;
            host.dialing += 1;
        }
        self.total += 1;
        self.dials.insert(dial, Dial { key: key.clone(), started: now });
        self.actions.push(Action::Dial { dial, key: key.clone(), target });
    }

    /// The handshake is over, one way or the other; its room now belongs to the connection or is given back.
    fn end_dial(&mut self, dial: DialId) -> Option<Dial> {
        let ended = self.dials.remove(&dial)?;
        if let Some(entry) = self.entries.get_mut(&ended.key) {
            entry.dials = entry.dials.saturating_sub(1);
        }
        if let Some(host) = self.hosts.get_mut(ended.key.endpoint()) {
            host.dialing = host.dialing.saturating_sub(1);
        }
        Some(ended)
    }

    fn starve(&mut self, key: &Key) {
        if let Some(entry) = self.entries.get_mut(key)
            && !entry.starved
        {
            entry.starved = true;
            self.starved.push_back(key.clone());
        }
    }

    /// Once for those who wait: as long as nothing changes it is no news.
    fn tell_full(&mut self, key: &Key) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if !std::mem::replace(&mut entry.told_full, true) {
            self.emit(EventKind::PoolFull, key, |event| event);
        }
    }

    /// The limits are reached. An idle connection of another key makes room; failing that, a key that nothing serves gets
    /// the least loaded connection of the others retired, so that nobody waits for ever behind a busy neighbour. Answers
    /// whether room is coming.
    fn make_room(&mut self, key: &Key, whole_pool: bool, now: Instant) -> bool {
        if self.any_in_scope(key, whole_pool, |state| matches!(state, SlotState::Closing(_))) {
            return true;
        }
        let candidate = |idle_only: bool| {
            self.scope(key, whole_pool)
                .filter(|other| *other != key)
                .filter_map(|other| self.entries.get(other).map(|entry| (other, entry)))
                .flat_map(|(other, entry)| entry.slots.iter().map(move |slot| (other, entry, slot)))
                .filter(
                    |(_, entry, slot)| {
                        if idle_only { slot.is_idle() && entry.queue.is_empty() } else { slot.is_ready() }
                    },
                )
                .min_by_key(|(_, _, slot)| (slot.active, slot.last_used))
                .map(|(other, _, slot)| (other.clone(), slot.id))
        };
        let evicting = |state| state == SlotState::Retiring(CloseReason::Evicted);
        let victim = candidate(true).or_else(|| {
            let served = self.entries.get(key).is_some_and(Entry::is_served);
            // One at a time: a connection retired for other reasons may be busy for hours, but this one is for us.
            if served || self.any_in_scope(key, whole_pool, evicting) { None } else { candidate(false) }
        });
        let Some((other, id)) = victim else { return false };
        self.retire(&other, id, CloseReason::Evicted, now);
        true
    }

    fn scope<'a>(&'a self, key: &Key, whole_pool: bool) -> Box<dyn Iterator<Item = &'a Key> + 'a> {
        if whole_pool {
            return Box::new(self.entries.keys());
        }
        Box::new(self.hosts.get(key.endpoint()).into_iter().flat_map(|host| host.keys.iter()))
    }

    fn any_in_scope(&self, key: &Key, whole_pool: bool, is: impl Fn(SlotState) -> bool) -> bool {
        self.scope(key, whole_pool)
            .filter_map(|other| self.entries.get(other))
            .any(|entry| entry.slots.iter().any(|slot| is(slot.state)))
    }
}
