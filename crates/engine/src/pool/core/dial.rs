use std::collections::VecDeque;

use tokio::time::Instant;

use super::{Action, Core, Dial, DialId, Entry, Host, Mode};
use crate::error::{Error, Phase};
use crate::events::EventKind;
use crate::policy::{ChannelLimit, Health, attenuated};
use crate::pool::core::ConnectionId;
use crate::pool::key::Key;
use crate::pool::slot::{CloseReason, Fate, Slot, SlotState};

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

    /// What a dial has made is one of a kind, or not. Answers whether it is needless: there is one already, and the dial is
    /// over.
    pub fn note_single(&mut self, dial: DialId, single: bool, now: Instant) -> bool {
        let Some(key) = self.dials.get(&dial).map(|dial| dial.key.clone()) else { return false };
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        entry.single = single && entry.config.enabled;
        if !entry.single || !entry.is_served() {
            return false;
        }
        self.end_dial(dial);
        self.give_back_room(&key);
        self.feed_starved(now);
        self.dispatch(&key, now);
        true
    }

    /// `most`: the channels its server can stand at once, where that is known.
    pub fn dial_succeeded(
        &mut self,
        dial: DialId,
        connection: C,
        most: Option<usize>,
        now: Instant,
    ) -> Option<ConnectionId> {
        let Dial { key, started } = self.end_dial(dial)?;
        let id = self.new_id();
        self.note_connected(&key);
        let entry = self.entries.get_mut(&key)?;
        if let Some(most) = most {
            entry.learned = Some(entry.learned.map_or(most, |learned| learned.min(most)));
        }
        let ceiling = if entry.config.enabled { entry.config.channels_per_connection } else { 1 };
        let ceiling = ceiling.min(most.unwrap_or(ceiling));
        let pooling = entry.config.enabled;
        entry.slots.push(Slot {
            id,
            connection,
            state: SlotState::Ready,
            fate: Fate::default(),
            active: 0,
            staying: 0,
            limit: ChannelLimit::new(ceiling, entry.channels_each()),
            dialed_at: started,
            created: now,
            last_used: now,
            use_count: 0,
            errors: 0,
            cool_until: None,
            refusals_in_a_row: 0,
            lone_refusals: 0,
            health: entry.config.health.as_ref().map(|health| Health::new(health.interval, now)),
            checking: false,
            expires: entry.config.max_lifetime.map(|life| now + attenuated(life, id)),
        });
        let took = now.saturating_duration_since(started);
        self.counters.created += 1;
        self.counters.connect_time += took;
        self.metrics.connect.record(took);
        self.deadline_moved = true;
        self.emit(EventKind::ConnectionCreated, &key, |event| event.connection(id).duration(took));
        self.serve(&key, now);
        if self.mode == Mode::Shut {
            self.retire(&key, id, CloseReason::Removed, now);
        } else if !pooling && self.slot_mut(&key, id).is_some_and(|slot| slot.is_idle()) {
            // The caller it was made for has left.
            self.retire(&key, id, CloseReason::PoolingDisabled, now);
        }
        self.retire_if_draining(&key, id, now);
        self.feed_starved(now);
        self.dispatch(&key, now);
        Some(id)
    }

    pub fn dial_failed(&mut self, dial: DialId, error: Error, now: Instant) {
        let Some(Dial { key, started }) = self.end_dial(dial) else { return };
        self.give_back_room(&key);
        self.counters.failed += 1;
        let took = now.saturating_duration_since(started);
        self.emit(EventKind::ConnectionFailed, &key, |event| event.duration(took).error(error.clone()));
        self.after_failure(&key, error, now);
        self.feed_starved(now);
        self.dispatch(&key, now);
    }

    /// What a caller of this key that is still waiting is waiting for.
    pub fn waiting_phase(&self, key: &Key) -> Phase {
        match self.entries.get(key) {
            Some(entry) if !entry.is_served() && (entry.dials > 0 || entry.redial_at.is_some()) => Phase::Dial,
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
        let Some(entry) = self.entries.get(key).filter(|entry| !(entry.single && entry.is_served())) else { return 0 };
        if !entry.is_limited() {
            return 1;
        }
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
            .filter(|(_, entry)| entry.is_limited())
            .map(|(other, entry)| entry.slots.iter().filter(|slot| goes(other, slot)).count())
            .sum()
    }

    fn wants_dial(&self, key: &Key, now: Instant) -> bool {
        let Some(entry) = self.entries.get(key) else { return false };
        let in_future = |at: Option<Instant>| at.is_some_and(|at| at > now);
        // The pause after a failed addition is not for a key that nothing serves any more.
        let has_some = entry.is_served() || entry.dials > 0;
        if entry.single && has_some {
            return false;
        }
        if self.mode == Mode::Shut || in_future(entry.redial_at) || (has_some && in_future(entry.growth_paused_until)) {
            return false;
        }
        entry.dials < self.wanted_by_waiters(entry) || (self.mode == Mode::Open && wants_spare(entry))
    }

    fn wanted_by_waiters(&self, entry: &Entry<C, T>) -> usize {
        let waiting = entry.queue.len();
        if !entry.config.enabled {
            waiting
        } else if entry.is_served() || entry.dial_failures > 0 {
            // One at a time: callers are being served meanwhile, or there is trouble to be careful with.
            waiting.min(1)
        } else {
            waiting.div_ceil(entry.channels_each())
        }
    }

    fn room(&self, key: &Key) -> Room {
        let Some(entry) = self.entries.get(key) else { return Room::HostFull };
        if !entry.is_limited() {
            return Room::Yes;
        }
        let default = Host::default();
        let Host { count, dialing, handshakes, .. } = *self.hosts.get(key.endpoint()).unwrap_or(&default);
        let most = self.config.max_handshakes_per_host;
        let handshakes = if handshakes == 0 { most } else { handshakes.min(most) };
        if count >= entry.config.max_connections {
            Room::HostFull
        } else if self.total >= self.config.max_total_connections {
            Room::PoolFull
        } else if dialing >= handshakes {
            Room::Handshakes
        } else {
            Room::Yes
        }
    }

    fn start_dial(&mut self, key: &Key, now: Instant) {
        let dial = self.new_id();
        let Some(entry) = self.entries.get_mut(key) else { return };
        let Some(target) = entry.target.clone() else { return };
        entry.dials += 1;
        entry.breaker.on_attempt();
        let again = (entry.lost.is_some() || entry.dial_failures > 0) && !entry.is_served();
        let attempt = entry.dial_failures.saturating_add(1);
        entry.told_full = false;
        if entry.is_limited() {
            self.total += 1;
            if let Some(host) = self.hosts.get_mut(key.endpoint()) {
                host.count += 1;
                host.dialing += 1;
            }
        }
        self.dials.insert(dial, Dial { key: key.clone(), started: now });
        self.actions.push(Action::Dial { dial, key: key.clone(), target });
        if again {
            self.emit(EventKind::Reconnecting, key, |event| event.attempt(attempt));
        }
    }

    /// The handshake is over, one way or the other; its room now belongs to the connection or is given back.
    fn end_dial(&mut self, dial: DialId) -> Option<Dial> {
        let ended = self.dials.remove(&dial)?;
        if let Some(entry) = self.entries.get_mut(&ended.key) {
            entry.dials = entry.dials.saturating_sub(1);
        }
        self.end_handshake(&ended.key);
        Some(ended)
    }

    pub(super) fn end_handshake(&mut self, key: &Key) {
        if self.is_limited(key)
            && let Some(host) = self.hosts.get_mut(key.endpoint())
        {
            host.dialing = host.dialing.saturating_sub(1);
        }
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
                .filter(|(_, entry)| entry.is_limited())
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
            .filter(|entry| entry.is_limited())
            .any(|entry| entry.slots.iter().any(|slot| is(slot.state)))
    }
}

/// More connections are to be ready than there are and will be.
fn wants_spare<C, T>(entry: &Entry<C, T>) -> bool {
    let ready = entry.slots.iter().filter(|slot| slot.is_ready()).count();
    let idle = entry.slots.iter().filter(|slot| slot.is_idle()).count();
    let for_warm_up = ready + entry.dials < entry.warm;
    let for_idle = entry.proven && entry.config.enabled && idle + entry.dials < entry.config.min_idle;
    for_warm_up || for_idle
}
