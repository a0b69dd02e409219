//! The pool that callers hold: the core in a mutex, and the tasks that perform its actions.
//!
//! The lock is never held across an await or while calling out. Dials, closings, connection watchers and the sweeper are
//! tasks on the pool's runtime. Watchers hold no strong reference to the pool, the others end in bounded time, so a
//! dropped pool is freed.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::config::{HealthConfig, HostConfig, PoolConfig};
use super::core::{
    Acquired, Action, ConnectionId, ConnectionInfo, Core, DialId, Grant, PoolStats, Refusal, Ticket, WarmUp,
};
use super::hold::Hops;
use super::key::Key;
use super::lease::Home;
use super::lender::Lender;
use super::permit::Permit;
use super::queue::Place;
use crate::error::{Cause, Error, Phase, Reached};
use crate::events::EventBuffer;
use crate::metrics::Metrics;
use crate::run::{Left, probe};
use crate::transport::{Connection, Transport};

pub(super) type ConnectionOf<T> = Arc<<T as Transport>::Connection>;
type CoreOf<T> = Core<ConnectionOf<T>, Arc<<T as Transport>::Target>>;
type Answer<T> = Result<Grant<ConnectionOf<T>>, Error>;

/// Where to, and under which limits.
pub struct Request<T: Transport> {
    pub key: Key,
    pub target: Arc<T::Target>,
    pub config: Arc<HostConfig>,
    pub priority: i32,
    /// The lease on whose behalf: its permit is used first, and what is acquired goes back to it.
    pub lease: Option<Weak<Home<T>>>,
}

impl<T: Transport> Clone for Request<T> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            target: Arc::clone(&self.target),
            config: Arc::clone(&self.config),
            priority: self.priority,
            lease: self.lease.clone(),
        }
    }
}

impl<T: Transport> Request<T> {
    /// With the usual priority, for nobody in particular.
    pub fn new(key: Key, target: Arc<T::Target>, config: Arc<HostConfig>) -> Self {
        Self { key, target, config, priority: 0, lease: None }
    }
}

/// A pool of connections. Dropping it refuses new callers, closes idle connections at once and busy ones when they are
/// done.
pub struct Pool<T: Transport> {
    inner: Arc<Inner<T>>,
}

pub(super) struct Inner<T: Transport> {
    transport: T,
    runtime: Handle,
    state: Mutex<State<T>>,
    events: Arc<EventBuffer>,
    metrics: Arc<Metrics>,
    /// A deadline moved closer: the sweeper should look again.
    deadline: Notify,
    /// A dial ended or a connection closed.
    changed: Notify,
    /// Counts drains, for what holds a permit for good and must give it back then.
    drains: watch::Sender<u64>,
    leases: Mutex<Vec<Weak<Home<T>>>>,
}

struct State<T: Transport> {
    core: CoreOf<T>,
    waiters: HashMap<Ticket, oneshot::Sender<Answer<T>>>,
    dials: HashMap<DialId, AbortHandle>,
    sweeping: bool,
}

impl<T: Transport> Pool<T> {
    /// A pool whose tasks run on `runtime`.
    pub fn new(transport: T, config: PoolConfig, events: Arc<EventBuffer>, runtime: Handle) -> Self {
        let core = Core::new(config, Arc::clone(&events), RandomState::new().hash_one(0));
        let metrics = Arc::clone(core.metrics());
        let state = State { core, waiters: HashMap::new(), dials: HashMap::new(), sweeping: false };
        Self {
            inner: Arc::new(Inner {
                transport,
                runtime,
                state: Mutex::new(state),
                events,
                metrics,
                deadline: Notify::new(),
                changed: Notify::new(),
                drains: watch::channel(0).0,
                leases: Mutex::default(),
            }),
        }
    }

    /// A permit, now or after waiting in the queue. The place in the queue is taken by the call, not by the first poll, so
    /// callers are served in the order in which they called. Cancel-safe: a dropped future leaves the queue, or gives back
    /// what it had just been granted.
    pub fn acquire(&self, request: &Request<T>) -> impl Future<Output = Result<Permit<T>, Error>> + Send + use<T> {
        self.inner.acquire(request)
    }

    pub(super) fn inner_handle(&self) -> Arc<Inner<T>> {
        Arc::clone(&self.inner)
    }

    /// Gives a permit whose channel the server refused back, and waits for the next one at the front of the queue.
    /// `None`: this server opens no channels at all.
    pub async fn acquire_again(&self, permit: Permit<T>, request: &Request<T>) -> Option<Result<Permit<T>, Error>> {
        self.inner.acquire_again(permit, request).await
    }

    /// As [`acquire_again`](Self::acquire_again), for a connection that turned out to be dead before the channel was open.
    pub async fn acquire_instead(&self, permit: Permit<T>, request: &Request<T>) -> Result<Permit<T>, Error> {
        self.inner.acquire_instead(permit, request).await
    }

    /// What a caller that is still waiting for a permit of `key` is waiting for.
    pub fn waiting_phase(&self, key: &Key) -> Phase {
        self.inner.state.lock().core.waiting_phase(key)
    }

    pub fn stats(&self) -> PoolStats {
        self.inner.state.lock().core.stats()
    }

    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.inner.state.lock().core.connections(Instant::now())
    }

    pub fn events(&self) -> &Arc<EventBuffer> {
        &self.inner.events
    }

    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.inner.metrics
    }

    pub fn runtime(&self) -> &Handle {
        self.inner.runtime()
    }

    /// Closes the connections that carry no channel; resolves to how many when they are closed.
    pub async fn close_idle(&self) -> usize {
        let mut closing = self.inner.update(Core::close_idle);
        self.inner.until_closed().await;
        // What they ran through is idle now, hop by hop.
        loop {
            let hops = self.inner.update(Core::close_idle_hops);
            if hops == 0 {
                return closing;
            }
            closing += hops;
            self.inner.until_closed().await;
        }
    }

    /// Cuts every connection, busy or not; resolves when they are closed. The pool can be used again.
    pub async fn close_all(&self) {
        self.inner.update(Core::close_all);
        self.inner.until_closed().await;
    }

    /// Lets nobody new in, serves who is waiting, waits for what runs, and closes everything; after `limit` it cuts what
    /// is left. The pool can be used again afterwards. Answers whether nothing had to be cut.
    ///
    /// It begins with the call: a command that is started after it is refused.
    pub fn drain(self: &Arc<Self>, limit: Option<Duration>) -> impl Future<Output = bool> + Send + use<T> {
        self.inner.update(Core::begin_drain);
        self.inner.recall_leases();
        self.inner.drains.send_modify(|count| *count += 1);
        let pool = Arc::clone(self);
        async move { pool.finish_drain(limit).await }
    }

    /// Changes with each drain that begins from now on.
    pub fn drains(&self) -> watch::Receiver<u64> {
        self.inner.drains.subscribe()
    }

    async fn finish_drain(&self, limit: Option<Duration>) -> bool {
        let drained = self.inner.until(Core::is_drained);
        let complete = match limit {
            None => {
                drained.await;
                true
            }
            Some(limit) => tokio::time::timeout(limit, drained).await.is_ok(),
        };
        if !complete {
            self.close_all().await;
        }
        self.inner.update(Core::end_drain);
        complete
    }

    /// Retires the connections of one key; busy ones finish what they do. Answers how many.
    pub fn remove(&self, key: &Key) -> usize {
        let removed = self.inner.update(|core, now| core.remove(key, now));
        self.inner.recall_leases();
        removed
    }

    /// Makes connections ahead of need until `count` are ready or no more can be had. Answers how many are ready, and why
    /// not more. Dropping the future gives up what is being dialed for it.
    pub async fn warm_up(&self, request: &Request<T>, count: usize) -> (usize, Option<Error>) {
        let Request { key, target, config, .. } = request;
        if let Err(error) = self.inner.update(|core, now| core.warm_up(key, target, config, count, now)) {
            return (0, Some(error));
        }
        let unfinished = WarmingUp { inner: &self.inner, key: Some(key) };
        self.inner.until(|core| !matches!(core.warm_up_progress(key, count), WarmUp::Going(_))).await;
        let progress = self.inner.state.lock().core.warm_up_progress(key, count);
        unfinished.end();
        match progress {
            WarmUp::Going(ready) | WarmUp::Ready(ready) | WarmUp::Full(ready) => (ready, None),
            WarmUp::Failed(ready, error) => (ready, Some(error)),
        }
    }

    /// As [`close_all`](Self::close_all), for good: acquiring afterwards is refused.
    pub async fn shut_down(&self) {
        self.inner.update(Core::shut_down);
        self.inner.until_closed().await;
    }
}

impl<T: Transport> Drop for Pool<T> {
    fn drop(&mut self) {
        self.inner.update(Core::shut_down_gently);
    }
}

impl<T: Transport> Inner<T> {
    /// See [`Pool::acquire`].
    pub(super) fn acquire(
        self: &Arc<Self>,
        request: &Request<T>,
    ) -> impl Future<Output = Result<Permit<T>, Error>> + Send + use<T> {
        let lent = request.lease.as_ref().and_then(Weak::upgrade).and_then(|home| home.take());
        let asked = match lent {
            Some(permit) => Ok(Asked::Granted(permit.lent_by(request.lease.as_ref()))),
            None => self.ask(request),
        };
        let limit = request.config.acquire_timeout;
        async move {
            match asked? {
                Asked::Granted(permit) => Ok(permit),
                Asked::Waiting(waiting) => waiting.outcome(limit).await,
            }
        }
    }

    /// See [`Pool::acquire_again`].
    pub(super) async fn acquire_again(
        self: &Arc<Self>,
        permit: Permit<T>,
        request: &Request<T>,
    ) -> Option<Result<Permit<T>, Error>> {
        // Listening before the refusal is told, so that an answer given at once is not lost.
        let waiting = Waiting::new(self, request, permit.place());
        match permit.refused(request) {
            Refusal::Requeued => Some(waiting.outcome(request.config.acquire_timeout).await),
            Refusal::GiveUp => None,
        }
    }

    /// See [`Pool::acquire_instead`].
    pub(super) async fn acquire_instead(
        self: &Arc<Self>,
        permit: Permit<T>,
        request: &Request<T>,
    ) -> Result<Permit<T>, Error> {
        let waiting = Waiting::new(self, request, permit.place());
        permit.replaced(request);
        waiting.outcome(request.config.acquire_timeout).await
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Lets the transport use a connection for others.
    fn offer(self: &Arc<Self>, key: &Key, target: &Arc<T::Target>, connection: &ConnectionOf<T>) {
        let config = self.state.lock().core.config_of(key);
        if let Some(config) = config {
            let request = Request::new(key.clone(), Arc::clone(target), config);
            self.transport.pooled(connection, Lender::new(self, request));
        }
    }

    /// See [`Core::keeps`].
    pub(super) fn keeps(&self, key: &Key, id: ConnectionId) -> bool {
        self.state.lock().core.keeps(key, id)
    }

    pub(super) fn is_alone(&self, key: &Key, id: ConnectionId) -> bool {
        self.state.lock().core.is_alone(key, id)
    }

    pub(super) fn remember_lease(&self, home: Weak<Home<T>>) {
        let mut leases = self.leases.lock();
        leases.retain(|lease| lease.strong_count() > 0);
        leases.push(home);
    }

    /// Leases give up what they keep on connections that are to go.
    fn recall_leases(&self) {
        let leases: Vec<_> = self.leases.lock().iter().filter_map(Weak::upgrade).collect();
        leases.iter().for_each(|home| home.recall());
    }

    /// Changes the core under the lock, then performs what it asks for.
    pub(super) fn update<R>(self: &Arc<Self>, change: impl FnOnce(&mut CoreOf<T>, Instant) -> R) -> R {
        let mut state = self.state.lock();
        let result = change(&mut state.core, Instant::now());
        self.perform(&mut state);
        drop(state);
        self.events.wake();
        result
    }

    /// Answers waiters and starts tasks until the core asks for nothing more. Nothing here waits.
    fn perform(self: &Arc<Self>, state: &mut State<T>) {
        loop {
            let actions = state.core.take_actions();
            if actions.is_empty() {
                break;
            }
            for action in actions {
                match action {
                    Action::Dial { dial, key, target } => {
                        let task = self.runtime.spawn(dial_task(Arc::clone(self), dial, key, target));
                        state.dials.insert(dial, task.abort_handle());
                    }
                    Action::AbandonDial { dial } => {
                        if let Some(task) = state.dials.remove(&dial) {
                            task.abort();
                        }
                    }
                    Action::Grant { key, grant } => grant_to_waiter(state, &key, grant),
                    Action::Reject { ticket, error } => {
                        if let Some(waiter) = state.waiters.remove(&ticket) {
                            // A caller that has just left needs no answer.
                            let _ = waiter.send(Err(error));
                        }
                    }
                    Action::Check { key, id, connection, health } => {
                        self.runtime.spawn(check_task(Arc::clone(self), key, id, connection, health));
                    }
                    Action::Close { key, id, connection } => {
                        self.runtime.spawn(close_task(Arc::clone(self), key, id, connection));
                    }
                }
            }
        }
        if state.core.take_deadline_moved() {
            self.sweep_soon(state);
        }
    }

    fn sweep_soon(self: &Arc<Self>, state: &mut State<T>) {
        if state.sweeping {
            self.deadline.notify_one();
        } else {
            state.sweeping = true;
            self.runtime.spawn(sweep_task(Arc::clone(self)));
        }
    }

    /// Asks the core for a permit and, before anybody else can take the lock, prepares to hear its answer.
    fn ask(self: &Arc<Self>, request: &Request<T>) -> Result<Asked<T>, Error> {
        let Request { key, target, config, priority, lease } = request;
        let mut state = self.state.lock();
        let asked = match state.core.acquire(key, target, config, *priority, Instant::now()) {
            Err(error) => Err(error),
            Ok(Acquired::Now(grant)) => {
                let permit = Permit::new(Arc::clone(self), key.clone(), grant);
                Ok(Asked::Granted(permit.lent_by(lease.as_ref())))
            }
            Ok(Acquired::Queued(place)) => Ok(Asked::Waiting(Waiting::registered(self, request, place, &mut state))),
        };
        self.perform(&mut state);
        drop(state);
        self.events.wake();
        asked
    }

    async fn until_closed(&self) {
        self.until(|core| !core.is_closing()).await;
    }

    /// Waits for the core to be in some state. It is looked at after each change that somebody might wait for.
    async fn until(&self, reached: impl Fn(&CoreOf<T>) -> bool) {
        loop {
            let changed = self.changed.notified();
            if reached(&self.state.lock().core) {
                return;
            }
            changed.await;
        }
    }
}

/// A warm-up that is given up when dropped.
struct WarmingUp<'a, T: Transport> {
    inner: &'a Arc<Inner<T>>,
    key: Option<&'a Key>,
}

impl<T: Transport> WarmingUp<'_, T> {
    fn end(mut self) {
        if let Some(key) = self.key.take() {
            self.inner.update(|core, now| core.end_warm_up(key, now));
        }
    }
}

impl<T: Transport> Drop for WarmingUp<'_, T> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.inner.update(|core, now| core.cancel_warm_up(key, now));
        }
    }
}

fn grant_to_waiter<T: Transport>(state: &mut State<T>, key: &Key, grant: Grant<ConnectionOf<T>>) {
    let id = grant.id;
    let undelivered = match state.waiters.remove(&grant.place.ticket()) {
        Some(waiter) => waiter.send(Ok(grant)).is_err(),
        None => true,
    };
    if undelivered {
        // The caller left between its grant and now; the next one in line gets it.
        state.core.release_unused(key, id, Instant::now());
    }
}

enum Asked<T: Transport> {
    Granted(Permit<T>),
    Waiting(Waiting<T>),
}

/// A caller in the queue. Leaves it when dropped.
struct Waiting<T: Transport> {
    inner: Arc<Inner<T>>,
    key: Key,
    place: Place,
    lease: Option<Weak<Home<T>>>,
    answer: oneshot::Receiver<Answer<T>>,
}

impl<T: Transport> Waiting<T> {
    fn new(inner: &Arc<Inner<T>>, request: &Request<T>, place: Place) -> Self {
        Self::registered(inner, request, place, &mut inner.state.lock())
    }

    fn registered(inner: &Arc<Inner<T>>, request: &Request<T>, place: Place, state: &mut State<T>) -> Self {
        let (sender, answer) = oneshot::channel();
        state.waiters.insert(place.ticket(), sender);
        let (key, lease) = (request.key.clone(), request.lease.clone());
        Self { inner: Arc::clone(inner), key, place, lease, answer }
    }

    async fn outcome(mut self, limit: Option<Duration>) -> Result<Permit<T>, Error> {
        let answered = match limit {
            None => Some((&mut self.answer).await),
            Some(limit) => tokio::time::timeout(limit, &mut self.answer).await.ok(),
        };
        match answered {
            Some(Ok(Ok(grant))) => {
                let permit = Permit::new(Arc::clone(&self.inner), self.key.clone(), grant);
                Ok(permit.lent_by(self.lease.as_ref()))
            }
            Some(Ok(Err(error))) => Err(error),
            // The sender lives in the pool's state, which outlives every waiter.
            Some(Err(_)) => Err(Error::Internal { what: "the pool's queue" }),
            None => Err(self.timed_out(limit.unwrap_or_default())),
        }
    }

    /// The error of a caller whose wait ran out; it carries what the last failed dial said, if there was one.
    fn timed_out(&self, limit: Duration) -> Error {
        let (phase, source) = self.inner.update(|core, _| {
            core.count_acquire_timeout();
            let source = core.last_dial_error(&self.key).map(|error| Arc::new(error) as Cause);
            (core.waiting_phase(&self.key), source)
        });
        Error::Timeout { phase, limit, reached: Reached::No, source }
    }
}

impl<T: Transport> Drop for Waiting<T> {
    fn drop(&mut self) {
        self.answer.close();
        // A grant that was sent and not picked up goes to the next in line.
        let undelivered = self.answer.try_recv();
        let (inner, key, place) = (Arc::clone(&self.inner), &self.key, self.place);
        let mut state = inner.state.lock();
        if state.waiters.remove(&place.ticket()).is_some() {
            state.core.cancel(key, place, Instant::now());
        }
        if let Ok(Ok(grant)) = undelivered {
            state.core.release_unused(key, grant.id, Instant::now());
        }
        inner.perform(&mut state);
        drop(state);
        inner.events.wake();
    }
}

async fn dial_task<T: Transport>(inner: Arc<Inner<T>>, dial: DialId, key: Key, target: Arc<T::Target>) {
    let unfinished = UnfinishedDial { inner: Arc::clone(&inner), dial };
    match inner.transport.connect(&target, &Hops::new(&inner)).await {
        Err(error) => inner.update(|core, now| core.dial_failed(dial, error, now)),
        Ok(connection) => {
            let connection = Arc::new(connection);
            let (single, most) = (connection.is_single(), connection.most_channels());
            let id = inner.update(|core, now| match core.note_single(dial, single, now) {
                true => None,
                false => core.dial_succeeded(dial, Arc::clone(&connection), most, now),
            });
            drop(unfinished);
            match id {
                Some(id) => {
                    inner.offer(&key, &target, &connection);
                    watch(&inner, key, id, connection);
                }
                // Needless, or abandoned in the very moment it succeeded.
                None => connection.close().await,
            }
        }
    }
}

/// Ends the pool's account of a dial whatever becomes of its task: a panic must not leave callers waiting.
struct UnfinishedDial<T: Transport> {
    inner: Arc<Inner<T>>,
    dial: DialId,
}

impl<T: Transport> Drop for UnfinishedDial<T> {
    fn drop(&mut self) {
        self.inner.state.lock().dials.remove(&self.dial);
        // A dial that has been answered or abandoned is no longer known to the core, and this changes nothing.
        self.inner.update(|core, now| core.dial_failed(self.dial, Error::Internal { what: "a dial" }, now));
        self.inner.changed.notify_waiters();
    }
}

/// Tells the pool when the connection ends by itself.
fn watch<T: Transport>(inner: &Arc<Inner<T>>, key: Key, id: ConnectionId, connection: ConnectionOf<T>) {
    let pool: Weak<Inner<T>> = Arc::downgrade(inner);
    inner.runtime.spawn(async move {
        let error = connection.closed().await;
        drop(connection);
        if let Some(inner) = pool.upgrade() {
            inner.update(|core, now| core.lost(&key, id, error, now));
            inner.changed.notify_waiters();
        }
    });
}

async fn close_task<T: Transport>(inner: Arc<Inner<T>>, key: Key, id: ConnectionId, connection: ConnectionOf<T>) {
    connection.close().await;
    drop(connection);
    inner.update(|core, now| core.closed(&key, id, now));
    inner.changed.notify_waiters();
}

async fn check_task<T: Transport>(
    inner: Arc<Inner<T>>,
    key: Key,
    id: ConnectionId,
    connection: ConnectionOf<T>,
    health: HealthConfig,
) {
    let limit = health.timeout;
    let judge = |outcome| inner.update(|core, now| core.checked(&key, id, outcome, now));
    let left = match &health.command {
        Some(command) => probe(&*connection, command, limit, judge).await,
        None => {
            judge(match tokio::time::timeout(limit, connection.ping()).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Error::Timeout { phase: Phase::Run, limit, reached: Reached::Unknown, source: None }),
            });
            Left::Free
        }
    };
    drop(connection);
    inner.update(|core, now| core.check_over(&key, id, left, now));
}

/// Looks after idle and old connections; ends when there is nothing to look after.
async fn sweep_task<T: Transport>(inner: Arc<Inner<T>>) {
    let pool = Arc::downgrade(&inner);
    drop(inner);
    while let Some(inner) = pool.upgrade() {
        let next = {
            let mut state = inner.state.lock();
            let next = state.core.sweep(Instant::now());
            inner.perform(&mut state);
            state.sweeping = next.is_some();
            next
        };
        inner.events.wake();
        inner.recall_leases();
        let Some(next) = next else { return };
        // Holding the pool here keeps it alive no longer than its own connections do.
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = inner.deadline.notified() => {}
        }
    }
}
