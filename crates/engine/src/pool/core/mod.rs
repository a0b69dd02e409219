//! The pool's rules as a state machine.
//!
//! No clock, no lock, no await: every method takes `now` and leaves [`Action`]s for the driver, which performs them and
//! reports back (`dial_succeeded`, `closed`, `lost`, ...). So each rule can be tested step by step.
//!
//! - [`acquire`]: granting permits and queueing callers
//! - [`dial`]: when to open a connection, and finding room for it
//! - [`reconnect`]: what follows a failed attempt: another one, a pause, or an error for everybody
//! - [`health`]: judging idle connections
//! - [`drain`]: emptying the pool without cutting anything; filling it ahead of need
//! - [`release`]: permits coming back, refusals, connections ending
//! - [`sweep`]: idle and old connections, closing on request
//! - [`stay`]: what lives on a connection without being a command
//! - [`stats`]: counters and snapshots

mod acquire;
mod dial;
mod drain;
mod health;
#[cfg(test)]
mod model_test;
mod reconnect;
mod release;
mod stats;
mod stay;
mod sweep;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use acquire::Acquired;
pub use drain::WarmUp;
pub use release::Refusal;
pub use stats::{ConnectionInfo, PoolStats};

use super::config::{HealthConfig, HostConfig, PoolConfig};
use super::key::{Endpoint, Key};
use super::queue::{Place, WaitQueue};
use super::slot::{CloseReason, Fate, Slot, SlotState};
use crate::error::Error;
use crate::events::{Event, EventBuffer, EventKind};
use crate::metrics::Metrics;
use crate::policy::{Breaker, Random};
use stats::Counters;

/// A caller, in order of arrival.
pub type Ticket = u64;
/// A connection, in order of creation; never reused.
pub type ConnectionId = u64;
/// A connection being made.
pub type DialId = u64;

/// The right to open one channel on `connection`.
#[derive(Debug)]
pub struct Grant<C> {
    pub connection: C,
    pub id: ConnectionId,
    pub place: Place,
    /// How long the caller waited for this very connection to be made.
    pub connect: Duration,
    /// Learns why the pool closed the connection, if it does.
    pub fate: Fate,
}

/// What the driver has to do.
#[derive(Debug)]
pub enum Action<C, T> {
    Dial {
        dial: DialId,
        key: Key,
        target: T,
    },
    /// Stop this dial; its outcome no longer matters.
    AbandonDial {
        dial: DialId,
    },
    Grant {
        key: Key,
        grant: Grant<C>,
    },
    Reject {
        ticket: Ticket,
        error: Error,
    },
    /// Ask it whether it is well, then report `checked`.
    Check {
        key: Key,
        id: ConnectionId,
        connection: C,
        health: HealthConfig,
    },
    /// Close it, then report `closed`.
    Close {
        key: Key,
        id: ConnectionId,
        connection: C,
    },
}

/// Everything about one key.
struct Entry<C, T> {
    /// What is needed to connect, secrets included: gone when nothing is left that may need it.
    target: Option<T>,
    config: Arc<HostConfig>,
    slots: Vec<Slot<C>>,
    dials: usize,
    queue: WaitQueue<Waiter>,
    /// The channel limit that this key's connections have learned, if the server has shown one.
    learned: Option<usize>,
    /// Dials that failed in a row.
    dial_failures: u32,
    /// How many of those were hung up on by a server that has enough newcomers.
    throttled: u32,
    /// Its connections are one of a kind: a second one reaches the server no better.
    single: bool,
    /// A connection has succeeded before: its server is there, as a rule.
    proven: bool,
    /// When the last connection ended by itself; `None` once another one has been made.
    lost: Option<Instant>,
    breaker: Breaker,
    /// Connections a warm-up wants.
    warm: usize,
    /// Warm-ups that wait for them.
    warm_ups: usize,
    /// Nothing serves the key, and the next attempt is at this time.
    redial_at: Option<Instant>,
    /// Something serves the key; no attempt to add to it before this time.
    growth_paused_until: Option<Instant>,
    last_dial_error: Option<Error>,
    /// Already in the list of keys that wait for room.
    starved: bool,
    /// Its waiters have been told that the pool is full.
    told_full: bool,
}

impl<C, T> Entry<C, T> {
    /// Channels to expect of a new connection.
    fn channels_each(&self) -> usize {
        let ceiling = if self.config.enabled { self.config.channels_per_connection } else { 1 };
        self.learned.map_or(ceiling, |learned| learned.min(ceiling)).max(1)
    }

    fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.dials == 0 && self.queue.is_empty()
    }

    /// Something hands out permits, if not at this moment.
    fn is_served(&self) -> bool {
        self.slots.iter().any(Slot::is_ready)
    }

    /// It counts against the limits on connections.
    fn is_limited(&self) -> bool {
        !self.config.is_hop
    }

    /// Connections are wanted although nobody waits.
    fn keeps_trying(&self) -> bool {
        self.warm > 0 || (self.proven && self.config.enabled && self.config.min_idle > 0)
    }
}

struct Waiter {
    since: Instant,
}

struct Dial {
    key: Key,
    started: Instant,
}

#[derive(Default)]
struct Host {
    /// Connections and dials.
    count: usize,
    dialing: usize,
    /// Handshakes at once, lowered while the server hangs up on newcomers; 0 = as configured.
    handshakes: usize,
    keys: Vec<Key>,
}

/// How long a lost connection makes the next caller patient.
const REMEMBER_LOST: Duration = Duration::from_secs(300);

/// Who may still ask for permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    /// Nobody new; who is already waiting is served.
    Draining,
    /// Nobody, for good.
    Shut,
}

/// The state machine. `C` is a cheap handle to a connection, `T` what is needed to make one.
pub struct Core<C, T> {
    config: PoolConfig,
    entries: HashMap<Key, Entry<C, T>>,
    hosts: HashMap<Endpoint, Host>,
    dials: HashMap<DialId, Dial>,
    /// Keys with waiters that found no room to dial, in the order they asked.
    starved: VecDeque<Key>,
    /// Connections and dials over all hosts.
    total: usize,
    next_id: u64,
    mode: Mode,
    random: Random,
    actions: Vec<Action<C, T>>,
    events: Arc<EventBuffer>,
    metrics: Arc<Metrics>,
    counters: Counters,
    /// A deadline appeared that may be earlier than the driver's next sweep.
    deadline_moved: bool,
    /// When the driver sweeps next, as far as it was told.
    next_look: Option<Instant>,
}

impl<C: Clone, T: Clone> Core<C, T> {
    /// `seed` makes the jitter of one pool differ from another's, and repeatable in tests.
    pub fn new(config: PoolConfig, events: Arc<EventBuffer>, seed: u64) -> Self {
        Self {
            config,
            entries: HashMap::new(),
            hosts: HashMap::new(),
            dials: HashMap::new(),
            starved: VecDeque::new(),
            total: 0,
            next_id: 1,
            mode: Mode::Open,
            random: Random::new(seed),
            actions: Vec::new(),
            events,
            metrics: Arc::default(),
            counters: Counters::default(),
            deadline_moved: false,
            next_look: None,
        }
    }

    /// What the driver must do now, in order.
    pub fn take_actions(&mut self) -> Vec<Action<C, T>> {
        std::mem::take(&mut self.actions)
    }

    /// True once after a deadline may have moved closer.
    pub fn take_deadline_moved(&mut self) -> bool {
        std::mem::take(&mut self.deadline_moved)
    }

    /// Where durations are recorded.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The limits that a key's last caller brought along.
    pub fn config_of(&self, key: &Key) -> Option<Arc<HostConfig>> {
        self.entries.get(key).map(|entry| Arc::clone(&entry.config))
    }

    /// Something is due at `at`. A sweep walks all keys, so the driver is told only when it would come too late.
    fn note_deadline(&mut self, at: Instant) {
        self.deadline_moved |= self.next_look.is_none_or(|next| at < next);
    }

    fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    fn emit(&self, kind: EventKind, key: &Key, finish: impl FnOnce(Event) -> Event) {
        self.events.emit(kind, || finish(Event::new(kind, Some(key))));
    }

    fn slot_mut(&mut self, key: &Key, id: ConnectionId) -> Option<&mut Slot<C>> {
        self.entries.get_mut(key)?.slots.iter_mut().find(|slot| slot.id == id)
    }

    /// Forgets a key that has nothing left: first the target and its secrets, then, when its failures are old, the rest.
    fn forget_if_empty(&mut self, key: &Key, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if !entry.is_empty() || entry.keeps_trying() {
            return;
        }
        entry.target = None;
        // For a while it matters that there was a connection: its server is worth waiting for.
        let recently_lost = entry.lost.is_some_and(|at| at + REMEMBER_LOST > now);
        if recently_lost || !entry.breaker.is_pristine(now) {
            return;
        }
        self.entries.remove(key);
        // Lets the sweeper end when this was the last one.
        self.deadline_moved |= self.entries.is_empty();
        self.starved.retain(|starved| starved != key);
        if let Some(host) = self.hosts.get_mut(key.endpoint()) {
            host.keys.retain(|other| other != key);
            if host.keys.is_empty() {
                self.hosts.remove(key.endpoint());
            }
        }
    }

    fn is_limited(&self, key: &Key) -> bool {
        self.entries.get(key).is_none_or(Entry::is_limited)
    }

    /// A connection or a dial is gone.
    fn give_back_room(&mut self, key: &Key) {
        if !self.is_limited(key) {
            return;
        }
        self.total = self.total.saturating_sub(1);
        if let Some(host) = self.hosts.get_mut(key.endpoint()) {
            host.count = host.count.saturating_sub(1);
        }
    }

    /// Starts closing a slot that has no permits out.
    fn close_slot(&mut self, key: &Key, id: ConnectionId, reason: CloseReason, now: Instant) {
        let Some(slot) = self.slot_mut(key, id) else { return };
        if matches!(slot.state, SlotState::Closing(_)) {
            return;
        }
        slot.state = SlotState::Closing(reason);
        // Set once: the first reason is the true one.
        let _ = slot.fate.set(reason);
        let connection = slot.connection.clone();
        let idle = slot.idle_for(now);
        self.actions.push(Action::Close { key: key.clone(), id, connection });
        if !idle.is_zero() {
            self.emit(EventKind::ConnectionIdle, key, |event| event.connection(id).duration(idle));
        }
    }

    /// No new permits; closes at once when idle, else when its last channel ends.
    fn retire(&mut self, key: &Key, id: ConnectionId, reason: CloseReason, now: Instant) {
        let Some(slot) = self.slot_mut(key, id) else { return };
        if !slot.is_ready() {
            return;
        }
        slot.state = SlotState::Retiring(reason);
        let active = slot.active;
        // Those who wait for this key may need another connection: the next sweep sees to it.
        self.deadline_moved |= self.entries.get(key).is_some_and(|entry| !entry.queue.is_empty());
        self.emit(EventKind::Retire, key, |event| event.connection(id).reason(reason));
        if active == 0 {
            self.close_slot(key, id, reason, now);
        }
    }
}
