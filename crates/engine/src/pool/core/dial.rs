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

impl<C: Clone, T: Clone> Core<C, T> {
    /// Opens connections as far as the waiting callers need and the limits allow.
    ///
    /// With no live connection: as many as the queue would fill. With one: a single dial at a time, because the callers
    /// are being served meanwhile and a short burst must not become a handshake storm (HikariCP's spike rule).
    pub(super) fn plan_dials(&mut self, key: &Key, now: Instant) {
        while self.wants_dial(key, now) {
            match self.room(key) {
                Room::Yes => self.start_dial(key, now),
                Room::Handshakes => return self.starve(key),
                full => {
                    self.make_room(key, full == Room::PoolFull, now);
                    return self.starve(key);
                }
            }
        }
    }

    pub fn dial_succeeded(&mut self, dial: DialId, connection: C, now: Instant) -> Option<ConnectionId> {
        let Dial { key, started } = self.end_dial(dial)?;
        let id = self.new_id();
        self.note_connected(&key);
        let entry = self.entries.get_mut(&key)?;
        let ceiling = if entry.config.enabled { entry.config.channels_per_connection } else { 1 };
        entry.slots.push(Slot {
            id,
            connection,
            state: SlotState::Ready,
            fate: Fate::default(),
            active: 0,
            limit: ChannelLimit::new(ceiling, entry.learned),
            dialed_at: started,
            created: now,
            last_used: now,
            use_count: 0,
            errors: 0,
            cool_until: None,
            refusals_in_a_row: 0,
            health: entry.config.health.as_ref().map(|health| Health::new(health.interval, now)),
            checking: false,
            expires: entry.config.max_lifetime.map(|life| now + attenuated(life, id)),
        });
        let took = now.saturating_duration_since(started);
        self.counters.created += 1;
        self.counters.connect_time += took;
        self.deadline_moved = true;
        self.emit(EventKind::ConnectionCreated, &key, |event| event.connection(id).duration(took));
        self.dispatch(&key, now);
        self.retire_if_draining(&key, id, now);
        self.feed_starved(now);
        Some(id)
    }

    pub fn dial_failed(&mut self, dial: DialId, error: Error, now: Instant) {
        let Some(Dial { key, started }) = self.end_dial(dial) else { return };
        self.give_back_room(&key);
        self.counters.failed += 1;
        let took = now.saturating_duration_since(started);
        self.emit(EventKind::ConnectionFailed, &key, |event| event.duration(took).error(error.clone()));
        self.after_failure(&key, error, now);
        self.dispatch(&key, now);
        self.feed_starved(now);
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
        for _ in 0..self.starved.len() {
            let Some(key) = self.starved.pop_front() else { return };
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.starved = false;
            }
            self.plan_dials(&key, now);
        }
    }

    /// Connections that the limits would still allow for this key.
    pub(super) fn room_left(&self, key: &Key) -> usize {
        let Some(entry) = self.entries.get(key) else { return 0 };
        let on_host = self.hosts.get(key.endpoint()).map_or(0, |host| host.count);
        let for_host = entry.config.max_connections.saturating_sub(on_host);
        for_host.min(self.config.max_total_connections.saturating_sub(self.total))
    }

    fn wants_dial(&self, key: &Key, now: Instant) -> bool {
        let Some(entry) = self.entries.get(key) else { return false };
        if self.mode == Mode::Shut || entry.redial_at.is_some_and(|at| at > now) {
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
            waiting.div_ceil(entry.learned.max(1))
        }
    }

    fn room(&self, key: &Key) -> Room {
        let Some(entry) = self.entries.get(key) else { return Room::HostFull };
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
        let again = (entry.lost || entry.dial_failures > 0) && !entry.is_served();
        let attempt = entry.dial_failures.saturating_add(1);
        if let Some(host) = self.hosts.get_mut(key.endpoint()) {
            host.count += 1;
            host.dialing += 1;
        }
        self.total += 1;
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

    /// The limits are reached. An idle connection of another key makes room; failing that, a key that has none of its own
    /// gets the least loaded connection of the others retired, so that nobody waits for ever behind a busy neighbour.
    fn make_room(&mut self, key: &Key, whole_pool: bool, now: Instant) {
        let has_own = self.entries.get(key).is_some_and(|entry| entry.dials > 0 || !entry.slots.is_empty());
        if !self.scope(key, whole_pool).any(|other| other != key && self.has_slots(other)) {
            // All of the room is this key's own: the ordinary "full".
            self.emit(EventKind::PoolFull, key, |event| event);
            return;
        }
        if self.room_is_coming(key, whole_pool) {
            return;
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
        let victim = candidate(true).or_else(|| if has_own { None } else { candidate(false) });
        match victim {
            Some((other, id)) => self.retire(&other, id, CloseReason::Evicted, now),
            None => self.emit(EventKind::PoolFull, key, |event| event),
        }
    }

    fn scope<'a>(&'a self, key: &Key, whole_pool: bool) -> Box<dyn Iterator<Item = &'a Key> + 'a> {
        if whole_pool {
            return Box::new(self.entries.keys());
        }
        Box::new(self.hosts.get(key.endpoint()).into_iter().flat_map(|host| host.keys.iter()))
    }

    fn has_slots(&self, key: &Key) -> bool {
        self.entries.get(key).is_some_and(|entry| !entry.slots.is_empty())
    }

    /// Something in this scope is already on its way out.
    fn room_is_coming(&self, key: &Key, whole_pool: bool) -> bool {
        self.scope(key, whole_pool)
            .filter_map(|other| self.entries.get(other))
            .any(|entry| entry.slots.iter().any(|slot| !slot.is_ready()))
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
