//! A simple driver with its servers, and what must hold for them after every step.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::*;
use super::step::{KEYS, Setup, Step};
use crate::pool::config::WhenExhausted;
use crate::run::Left;

type TestCore = Core<DialId, ()>;

#[derive(Debug, Clone)]
struct Held {
    key: Key,
    id: ConnectionId,
    place: Place,
}

/// What a driver would know.
pub struct Model {
    core: TestCore,
    now: Instant,
    keys: Vec<Key>,
    configs: HashMap<Key, Arc<HostConfig>>,
    limits: PoolConfig,
    queued: HashMap<Key, BTreeSet<Place>>,
    answered: HashSet<Ticket>,
    permits: Vec<Held>,
    /// What lives on a connection without a permit.
    stays: Vec<(ConnectionId, Key)>,
    /// Health checks under way.
    checks: Vec<(ConnectionId, Key)>,
    draining: bool,
    dials: Vec<(DialId, Key)>,
    /// Connections that exist and that nobody was told to close.
    live: Vec<(ConnectionId, Key)>,
    closing: Vec<(ConnectionId, Key)>,
    next_look: Option<Instant>,
}

impl Model {
    pub fn new(setup: Setup) -> Self {
        let key = |n: usize| Key::new(if n == 0 { "other" } else { "host" }, 22, &format!("user{n}"), [0; 32]);
        let keys: Vec<Key> = (0..KEYS).map(key).collect();
        let configs = keys.iter().cloned().zip(setup.hosts.into_iter().map(Arc::new)).collect();
        Self {
            core: Core::new(setup.limits.clone(), Arc::new(EventBuffer::default()), 7),
            now: Instant::now(),
            keys,
            configs,
            limits: setup.limits,
            queued: HashMap::new(),
            answered: HashSet::new(),
            permits: Vec::new(),
            stays: Vec::new(),
            checks: Vec::new(),
            draining: false,
            dials: Vec::new(),
            live: Vec::new(),
            closing: Vec::new(),
            next_look: None,
        }
    }

    pub fn take(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Acquire { key, priority } => self.acquire(self.keys[key].clone(), priority),
            Step::Cancel(n) => {
                let waiting: Vec<_> = self.waiting().collect();
                if let Some((key, place)) = pick(&waiting, n).cloned() {
                    assert!(self.core.cancel(&key, place, now), "a waiter was not in its queue");
                    self.answer(&key, place);
                }
            }
            Step::Release(n) => self.give_back(n, |core, held| core.release(&held.key, held.id, now)),
            Step::ReleaseUnused(n) => self.give_back(n, |core, held| core.release_unused(&held.key, held.id, now)),
            Step::Abandon(n) => self.give_back(n, |core, held| core.abandon(&held.key, held.id, now)),
            Step::Suspect(n) => self.give_back(n, |core, held| core.suspect(&held.key, held.id, now)),
            Step::Refuse(n) => {
                let Some(held) = pick_out(&mut self.permits, n) else { return };
                let config = Arc::clone(&self.configs[&held.key]);
                match self.core.refused(&held.key, held.id, held.place, (&(), &config), now) {
                    Refusal::Requeued => self.wait_again(held),
                    Refusal::GiveUp => {}
                }
            }
            Step::Replace(n) => {
                let Some(held) = pick_out(&mut self.permits, n) else { return };
                let config = Arc::clone(&self.configs[&held.key]);
                self.core.replace(&held.key, held.id, held.place, (&(), &config), now);
                self.wait_again(held);
            }
            Step::Stay(n) => {
                let Some((id, key)) = pick(&self.live, n).cloned() else { return };
                let handle =
                    self.core.entries[&key].slots.iter().find(|slot| slot.id == id).map(|slot| slot.connection);
                let stays = self.core.stay(&key, |connection| Some(*connection) == handle, now);
                assert_eq!(stays, (!self.draining).then_some(id), "an open connection has room for what takes none");
                self.stays.extend(stays.map(|id| (id, key)));
            }
            Step::Leave(n) => {
                let Some((id, key)) = pick_out(&mut self.stays, n) else { return };
                self.core.leave(&key, id, now);
            }
            Step::DialOk(n) => {
                let Some((dial, key)) = pick_out(&mut self.dials, n) else { return };
                let id = self.core.dial_succeeded(dial, dial, None, now).expect("a dial under way is known");
                self.live.push((id, key));
            }
            Step::DialFail(n, fault) => {
                let Some((dial, _)) = pick_out(&mut self.dials, n) else { return };
                self.core.dial_failed(dial, fault.error(), now);
                assert!(self.core.dial_succeeded(dial, dial, None, now).is_none(), "a dial ends once");
            }
            Step::Lose(n) => {
                let Some((id, key)) = pick_out(&mut self.live, n) else { return };
                self.core.lost(&key, id, Some(Error::ExecRefused), now);
                self.core.lost(&key, id, Some(Error::ExecRefused), now);
            }
            Step::FinishClose(n) => {
                let Some((id, key)) = pick_out(&mut self.closing, n) else { return };
                self.core.closed(&key, id, now);
                // The watcher says so as well.
                self.core.lost(&key, id, None, now);
            }
            Step::Pass(millis) => return self.pass(Duration::from_millis(millis)),
            Step::CloseIdle => drop(self.core.close_idle(now)),
            Step::CloseAll => self.core.close_all(now),
            Step::CheckPasses(n) => self.end_check(n, Ok(())),
            Step::CheckFails(n) => self.end_check(n, Err(Error::HealthCheckFailed)),
            Step::WarmUp { key, count } => {
                let key = self.keys[key].clone();
                let config = Arc::clone(&self.configs[&key]);
                match self.core.warm_up(&key, &(), &config, count, now) {
                    Ok(()) | Err(Error::BreakerOpen { .. }) => {}
                    Err(Error::PoolClosed { .. }) => assert!(self.draining),
                    Err(other) => panic!("{other}"),
                }
            }
            Step::CancelWarmUp(key) => self.core.cancel_warm_up(&self.keys[key].clone(), now),
            Step::Remove(key) => drop(self.core.remove(&self.keys[key].clone(), now)),
            Step::BeginDrain => {
                self.draining = true;
                self.core.begin_drain(now);
            }
            Step::EndDrain => self.end_drain(),
        }
        self.perform();
    }

    fn acquire(&mut self, key: Key, priority: i32) {
        let config = Arc::clone(&self.configs[&key]);
        let queue = self.queued.get(&key).map_or(0, BTreeSet::len);
        match self.core.acquire(&key, &(), &config, priority, self.now) {
            Ok(Acquired::Now(grant)) => {
                assert_eq!(queue, 0, "a newcomer overtook the queue");
                self.permits.push(Held { key, id: grant.id, place: grant.place });
            }
            Ok(Acquired::Queued(place)) => {
                self.queued.entry(key).or_default().insert(place);
            }
            Err(Error::PoolClosed { .. }) => assert!(self.draining),
            Err(Error::BreakerOpen { .. }) => {
                assert!(!self.dials.iter().any(|(_, other)| *other == key), "refused although a dial is under way");
                assert_eq!(queue, 0, "refused although others wait");
            }
            Err(Error::QueueFull { .. }) => assert_eq!(queue, config.max_queue),
            Err(Error::PoolExhausted { .. }) => {
                assert_eq!(config.when_exhausted, WhenExhausted::Fail);
                let idle = |info: ConnectionInfo| info.state == "idle" && info.key == key;
                let cooling = self.core.entries.get(&key).is_some_and(|entry| {
                    entry.slots.iter().any(|slot| slot.cool_until.is_some_and(|until| until > self.now))
                });
                let free = self.core.connections(self.now).into_iter().any(idle);
                assert!(!free || cooling || queue > 0, "refused although a connection is free");
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn end_check(&mut self, n: usize, outcome: Result<(), Error>) {
        if let Some((id, key)) = pick_out(&mut self.checks, n) {
            self.core.checked(&key, id, outcome, self.now);
            self.core.check_over(&key, id, Left::Free, self.now);
        }
    }

    fn end_drain(&mut self) {
        if std::mem::take(&mut self.draining) {
            self.core.end_drain(self.now);
        }
    }

    fn give_back(&mut self, n: usize, how: impl FnOnce(&mut TestCore, &Held)) {
        if let Some(held) = pick_out(&mut self.permits, n) {
            how(&mut self.core, &held);
        }
    }

    /// A caller that was already answered asks for its answer again.
    fn wait_again(&mut self, held: Held) {
        self.answered.remove(&held.place.ticket());
        self.queued.entry(held.key).or_default().insert(held.place);
    }

    fn waiting(&self) -> impl Iterator<Item = (Key, Place)> {
        // In a stable order, so that a failing case fails again.
        self.keys
            .iter()
            .filter_map(|key| Some((key, self.queued.get(key)?)))
            .flat_map(|(key, places)| places.iter().map(move |place| (key.clone(), *place)))
    }

    fn answer(&mut self, key: &Key, place: Place) {
        let queue = self.queued.get_mut(key).expect("nobody waits for this key");
        assert!(queue.remove(&place), "answered somebody who does not wait");
        assert!(self.answered.insert(place.ticket()), "answered twice");
    }

    fn perform(&mut self) {
        loop {
            let actions = self.core.take_actions();
            if actions.is_empty() {
                break;
            }
            actions.into_iter().for_each(|action| self.act(action));
        }
        if self.core.take_deadline_moved() {
            self.next_look = self.core.sweep(self.now);
            return self.perform();
        }
        self.check();
    }

    fn act(&mut self, action: Action<DialId, ()>) {
        match action {
            Action::Dial { dial, key, .. } => self.dials.push((dial, key)),
            Action::AbandonDial { dial } => {
                let index =
                    self.dials.iter().position(|(other, _)| *other == dial).expect("abandoned what is not there");
                self.dials.swap_remove(index);
            }
            Action::Grant { key, grant } => {
                let first = self.queued.get(&key).and_then(BTreeSet::first).copied();
                assert_eq!(first, Some(grant.place), "served out of order");
                self.answer(&key, grant.place);
                self.permits.push(Held { key, id: grant.id, place: grant.place });
            }
            Action::Reject { ticket, .. } => {
                let (key, place) = self.waiting().find(|(_, place)| place.ticket() == ticket).expect("rejected nobody");
                self.answer(&key, place);
            }
            Action::Check { key, id, .. } => self.checks.push((id, key)),
            Action::Close { id, .. } => {
                let index = self.live.iter().position(|(other, _)| *other == id).expect("closed what is not open");
                let closing = self.live.swap_remove(index);
                self.closing.push(closing);
            }
        }
    }

    /// Time passes, and the sweeper looks when it said it would.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.next_look.filter(|at| *at <= until) {
            assert!(at > self.now, "the sweeper spins");
            self.now = at;
            self.next_look = self.core.sweep(at);
            self.perform();
        }
        self.now = until;
    }

    fn check(&self) {
        self.check_limits();
        self.check_counts();
        self.keys.iter().for_each(|key| self.check_progress(key));
    }

    fn check_limits(&self) {
        assert!(self.live.len() + self.closing.len() + self.dials.len() <= self.limits.max_total_connections);
        for host in ["host", "other"] {
            let here = |key: &Key| key.host() == host;
            let dials = self.dials.iter().filter(|(_, key)| here(key)).count();
            let connections = self.live.iter().chain(&self.closing).filter(|(_, key)| here(key)).count();
            let config = self.keys.iter().find(|key| here(key)).map(|key| &self.configs[key]).unwrap();
            assert!(dials + connections <= config.max_connections, "host limit");
            assert!(dials <= self.limits.max_handshakes_per_host, "handshake limit");
        }
        for (id, key) in &self.live {
            let config = &self.configs[key];
            let limit = if config.enabled { config.channels_per_connection } else { 1 };
            assert!(self.permits_on(*id) <= limit, "channel limit");
        }
    }

    fn permits_on(&self, id: ConnectionId) -> usize {
        self.permits.iter().filter(|held| held.id == id).count()
    }

    fn check_counts(&self) {
        let stats = self.core.stats();
        assert_eq!(stats.queued, self.waiting().count(), "queued");
        assert_eq!(stats.connecting, self.dials.len(), "connecting");
        assert_eq!(stats.total, self.live.len() + self.closing.len(), "connections");
        let checks_on = |id: ConnectionId| self.checks.iter().filter(|(other, _)| *other == id).count();
        let stays_on = |id: ConnectionId| self.stays.iter().filter(|(other, _)| *other == id).count();
        let in_use = |id: ConnectionId| self.permits_on(id) + checks_on(id) + stays_on(id);
        let out: usize = self.live.iter().chain(&self.closing).map(|(id, _)| in_use(*id)).sum();
        assert_eq!(stats.channels, out, "permits");
        assert_eq!(self.core.total, stats.total + stats.connecting, "room");
        for (endpoint, host) in &self.core.hosts {
            let here = |key: &&Key| key.endpoint() == endpoint;
            let all = self.live.iter().chain(&self.closing).chain(&self.dials).map(|(_, key)| key);
            assert_eq!(host.count, all.filter(here).count(), "room of the host");
            assert_eq!(host.dialing, self.dials.iter().map(|(_, key)| key).filter(here).count(), "handshakes");
        }
        for (key, entry) in &self.core.entries {
            assert_eq!(entry.starved, self.core.starved.contains(key), "the list of those who need room");
        }
    }

    /// Whoever waits does so for a reason, and will hear when it is gone.
    fn check_progress(&self, key: &Key) {
        if self.queued.get(key).is_none_or(BTreeSet::is_empty) {
            return;
        }
        let entry = &self.core.entries[key];
        assert!(!entry.slots.iter().any(|slot| slot.has_permit(self.now)), "a waiter and a free permit");
        if entry.dials > 0 {
            return;
        }
        let growth = entry.growth_paused_until.filter(|_| entry.slots.iter().any(Slot::is_ready));
        let pause = [entry.redial_at, growth].into_iter().flatten().filter(|at| *at > self.now).min();
        assert!(pause.is_some() || entry.starved, "nobody looks after a waiter");
        if let Some(pause) = pause {
            assert!(self.next_look.is_some_and(|at| at <= pause), "a pause that nobody ends");
        }
    }

    /// From now on every dial succeeds, every command ends, every connection closes. All who wait must be served.
    pub fn settle(&mut self) {
        for _ in 0..2_000 {
            while !self.closing.is_empty() {
                self.take(Step::FinishClose(0));
            }
            while !self.dials.is_empty() {
                self.take(Step::DialOk(0));
            }
            if self.waiting().next().is_none() && self.permits.is_empty() {
                return;
            }
            for _ in 0..self.permits.len() {
                self.take(Step::Release(0));
            }
            while !self.checks.is_empty() {
                self.take(Step::CheckPasses(0));
            }
            while !self.stays.is_empty() {
                self.take(Step::Leave(0));
            }
            self.pass(Duration::from_millis(50));
        }
        panic!("somebody waits for ever: {:?}", self.waiting().collect::<Vec<_>>());
    }

    pub fn end(&mut self, shut: bool) {
        let now = self.now;
        if shut {
            self.core.shut_down(now)
        } else {
            self.core.close_all(now)
        }
        self.perform();
        assert!(self.live.is_empty() && self.dials.is_empty() && self.waiting().next().is_none());
        while !self.closing.is_empty() {
            self.take(Step::FinishClose(0));
        }
        while !self.permits.is_empty() {
            self.take(Step::Release(0));
        }
        while !self.checks.is_empty() {
            self.take(Step::CheckFails(0));
        }
        while !self.stays.is_empty() {
            self.take(Step::Leave(0));
        }
        assert!(self.core.entries.values().all(|entry| entry.target.is_none()), "secrets are kept");
        // What is remembered of failures and losses is forgotten in time.
        for _ in 0..20 {
            self.pass(Duration::from_secs(60));
        }
        assert!(self.core.entries.is_empty() && self.core.hosts.is_empty() && self.core.dials.is_empty());
        assert!(self.core.starved.is_empty());
        assert_eq!(self.core.total, 0);
        assert_eq!(self.core.sweep(self.now), None, "the sweeper has nothing left to do");
    }
}

fn pick<T>(of: &[T], n: usize) -> Option<&T> {
    of.get(n.checked_rem(of.len())?)
}

fn pick_out<T>(of: &mut Vec<T>, n: usize) -> Option<T> {
    let index = n.checked_rem(of.len())?;
    Some(of.swap_remove(index))
}
