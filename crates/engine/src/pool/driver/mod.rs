//! The pool that callers hold: the core in a mutex, and the tasks that perform its actions.
//!
//! The lock is never held across an await or while calling out. Dials, closings, connection watchers and the sweeper are
//! tasks on the pool's runtime. Watchers hold no strong reference to the pool, the others end in bounded time, so a
//! dropped pool is freed.
//!
//! - [`request`]: what is asked for; [`waiting`]: a caller in the queue; [`warming`]: a warm-up under way
//! - [`tasks`]: what runs beside the callers

mod request;
mod tasks;
mod waiting;
mod warming;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::error::{Error, Phase};
use crate::events::EventBuffer;
use crate::metrics::Metrics;
use crate::pool::config::PoolConfig;
use crate::pool::core::{
    Acquired, Action, ConnectionId, ConnectionInfo, Core, DialId, Grant, PoolStats, Refusal, Ticket, WarmUp,
};
use crate::pool::key::Key;
use crate::pool::lease::Home;
use crate::pool::lender::Lender;
use crate::pool::permit::Permit;
use crate::transport::Transport;

pub use self::request::Request;
use self::tasks::{check_task, close_task, dial_task, sweep_task};
use self::waiting::{Asked, Waiting, grant_to_waiter};
use self::warming::WarmingUp;

pub(in crate::pool) type ConnectionOf<T> = Arc<<T as Transport>::Connection>;
type CoreOf<T> = Core<ConnectionOf<T>, Arc<<T as Transport>::Target>>;
type Answer<T> = Result<Grant<ConnectionOf<T>>, Error>;

/// A pool of connections. Dropping it refuses new callers, closes idle connections at once and busy ones when they are
/// done.
pub struct Pool<T: Transport> {
    inner: Arc<Inner<T>>,
}

pub(in crate::pool) struct Inner<T: Transport> {
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

    pub(in crate::pool) fn inner_handle(&self) -> Arc<Inner<T>> {
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
        self.inner.drains()
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
    /// See [`Pool::drains`].
    pub(in crate::pool) fn drains(&self) -> watch::Receiver<u64> {
        self.drains.subscribe()
    }

    /// See [`Pool::acquire`].
    pub(in crate::pool) fn acquire(
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
    pub(in crate::pool) async fn acquire_again(
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
    pub(in crate::pool) async fn acquire_instead(
        self: &Arc<Self>,
        permit: Permit<T>,
        request: &Request<T>,
    ) -> Result<Permit<T>, Error> {
        let waiting = Waiting::new(self, request, permit.place());
        permit.replaced(request);
        waiting.outcome(request.config.acquire_timeout).await
    }

    pub(in crate::pool) fn runtime(&self) -> &Handle {
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
    pub(in crate::pool) fn keeps(&self, key: &Key, id: ConnectionId) -> bool {
        self.state.lock().core.keeps(key, id)
    }

    pub(in crate::pool) fn is_alone(&self, key: &Key, id: ConnectionId) -> bool {
        self.state.lock().core.is_alone(key, id)
    }

    pub(in crate::pool) fn remember_lease(&self, home: Weak<Home<T>>) {
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
    pub(in crate::pool) fn update<R>(self: &Arc<Self>, change: impl FnOnce(&mut CoreOf<T>, Instant) -> R) -> R {
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
