use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::core::ConnectionId;
use super::driver::{Inner, Pool, Request};
use super::permit::Permit;
use crate::error::{Error, Phase, Reached};
use crate::transport::{Connection, Transport};

/// A borrowed connection: one permit that stays with its holder, so that its commands need not wait for a turn.
///
/// It counts as one channel in use for as long as it is held. A second command beside the first takes its turn in the pool
/// like any other. A lease whose connection was lost gets another one with its next command. Dropping it gives the permit
/// back, once no command uses it.
pub struct Lease<T: Transport> {
    home: Arc<Home<T>>,
    pings: Mutex<Option<Pings>>,
}

/// Where a lease's permit is while no command uses it.
pub struct Home<T: Transport> {
    inner: Arc<Inner<T>>,
    request: Request<T>,
    state: Mutex<State<T>>,
}

struct State<T: Transport> {
    permit: Option<Permit<T>>,
    /// What the permit is on, also while a command has it.
    connection: Weak<T::Connection>,
    released: bool,
}

impl<T: Transport> Pool<T> {
    /// Borrows a connection; waits for it as a command does. Cancel-safe.
    pub fn lease(&self, request: Request<T>) -> impl Future<Output = Result<Lease<T>, Error>> + Send + use<T> {
        let acquiring = self.acquire(&request);
        let inner = self.inner_handle();
        async move {
            let permit = acquiring.await?;
            let state = Mutex::new(State { permit: None, connection: Weak::new(), released: false });
            let home = Arc::new(Home { inner: Arc::clone(&inner), request, state });
            inner.remember_lease(Arc::downgrade(&home));
            home.put(permit);
            Ok(Lease { home, pings: Mutex::default() })
        }
    }
}

impl<T: Transport> Lease<T> {
    /// To run something on its connection.
    pub fn request(&self, priority: i32) -> Request<T> {
        Request { priority, lease: Some(Arc::downgrade(&self.home)), ..self.home.request.clone() }
    }

    /// The connection it is on now; `None` while a command uses it, or after it was lost.
    pub fn connection_id(&self) -> Option<ConnectionId> {
        self.home.state.lock().permit.as_ref().map(Permit::connection_id)
    }

    /// Asks the server for a sign of life, over whatever connection the lease is on now. `false`: there is none, or it did
    /// not answer within `limit`.
    pub async fn is_healthy(&self, limit: Duration) -> bool {
        self.home.ping(limit).await
    }

    /// Leaves its connection, which is closed when nobody else uses it, and takes a new one.
    pub async fn reconnect(&self) -> Result<(), Error> {
        if self.home.state.lock().released {
            return Err(Error::PoolClosed { phase: Phase::Queue, reached: Reached::No });
        }
        if let Some(permit) = self.home.take() {
            permit.dismiss();
        }
        let permit = self.home.inner.acquire(&self.home.request).await?;
        self.home.put(permit);
        Ok(())
    }

    /// Pings every `every` from now on, besides what the target says about keepalive; after `count_max` unanswered ones the
    /// connection counts as dead. `None` ends that.
    pub fn keep_alive(&self, every: Option<Duration>, count_max: u32) {
        let pings = every.map(|every| Pings::start(&self.home, every, count_max));
        *self.pings.lock() = pings;
    }

    /// Gives the permit back; a command that uses it does so when it ends. Doing so twice is once.
    pub fn release(&self) {
        self.pings.lock().take();
        self.home.release();
    }
}

impl<T: Transport> Drop for Lease<T> {
    fn drop(&mut self) {
        self.release();
    }
}

impl<T: Transport> Home<T> {
    /// The permit, for a command; `None`: another one has it.
    pub(super) fn take(&self) -> Option<Permit<T>> {
        let permit = self.state.lock().permit.take()?;
        // Its connection has ended meanwhile: dropping it tells the pool that nobody needs the channel.
        let ended = permit.close_reason().is_some() || permit.connection().is_closed();
        if ended { None } else { Some(permit) }
    }

    /// A permit that a command is done with. One that the lease cannot keep goes back to the pool.
    pub(super) fn put(self: &Arc<Self>, permit: Permit<T>) {
        let keep = self.inner.keeps(permit.key(), permit.connection_id());
        let mut state = self.state.lock();
        let surplus = if keep && !state.released && state.permit.is_none() {
            state.connection = Arc::downgrade(&permit.connection_handle());
            state.permit.replace(permit.at_home())
        } else {
            Some(permit.at_home())
        };
        drop(state);
        // Not under the lock: giving it back may grant it to somebody.
        drop(surplus);
    }

    /// Gives up a permit whose connection is to go: nobody uses it at the moment.
    pub(super) fn recall(&self) {
        let mut state = self.state.lock();
        let goes = state.permit.take_if(|permit| !self.inner.keeps(permit.key(), permit.connection_id()));
        drop(state);
        drop(goes);
    }

    fn release(&self) {
        let mut state = self.state.lock();
        state.released = true;
        let permit = state.permit.take();
        drop(state);
        drop(permit);
    }

    async fn ping(&self, limit: Duration) -> bool {
        let connection = self.state.lock().connection.upgrade();
        match connection {
            Some(connection) if !connection.is_closed() => {
                matches!(timeout(limit, connection.ping()).await, Ok(Ok(())))
            }
            _ => false,
        }
    }
}

/// A lease's own keepalive; ends when dropped.
struct Pings(AbortHandle);

impl Pings {
    fn start<T: Transport>(home: &Arc<Home<T>>, every: Duration, count_max: u32) -> Self {
        let runtime = home.inner.runtime().clone();
        Self(runtime.spawn(ping(Arc::downgrade(home), every, count_max.max(1))).abort_handle())
    }
}

impl Drop for Pings {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn ping<T: Transport>(home: Weak<Home<T>>, every: Duration, count_max: u32) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    loop {
        ticks.tick().await;
        let Some(home) = home.upgrade() else { return };
        // A command that uses the connection is a sign of life of its own, or will find out.
        if home.state.lock().permit.is_none() {
            continue;
        }
        unanswered = if home.ping(every).await { 0 } else { unanswered + 1 };
        if unanswered >= count_max
            && let Some(permit) = home.take()
        {
            unanswered = 0;
            permit.suspect();
        }
    }
}
