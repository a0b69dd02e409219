//! What is the same for every pool, whatever it connects to: figures, events and closing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{Function, Object};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Result};
use napi_derive::napi;
use xec_engine::events::EventBuffer;
use xec_engine::metrics::Metrics;
use xec_engine::pool::{ConnectionInfo, Pool, PoolStats};
use xec_engine::transport::Transport;

use crate::events::EventRecord;
use crate::options::duration;
use crate::runtime;
use crate::stats::{ConnectionSnapshot, MetricsSnapshot, StatsSnapshot};

type Closing<R> = Pin<Box<dyn Future<Output = R> + Send>>;

/// A pool whose transport does not matter: classes of JavaScript cannot be generic.
trait Controlled: Send + Sync {
    fn stats(&self) -> PoolStats;
    fn metrics(&self) -> &Metrics;
    fn connections(&self) -> Vec<ConnectionInfo>;
    fn events(&self) -> &EventBuffer;
    fn drain(self: Arc<Self>, limit: Option<Duration>) -> Closing<bool>;
    fn close_idle(self: Arc<Self>) -> Closing<usize>;
    fn close_all(self: Arc<Self>) -> Closing<()>;
    fn shut_down(self: Arc<Self>) -> Closing<()>;
}

impl<T: Transport> Controlled for Pool<T> {
    fn stats(&self) -> PoolStats {
        Pool::stats(self)
    }

    fn metrics(&self) -> &Metrics {
        Pool::metrics(self)
    }

    fn connections(&self) -> Vec<ConnectionInfo> {
        Pool::connections(self)
    }

    fn events(&self) -> &EventBuffer {
        Pool::events(self)
    }

    fn drain(self: Arc<Self>, limit: Option<Duration>) -> Closing<bool> {
        Box::pin(Pool::drain(&self, limit))
    }

    fn close_idle(self: Arc<Self>) -> Closing<usize> {
        Box::pin(async move { Pool::close_idle(&self).await })
    }

    fn close_all(self: Arc<Self>) -> Closing<()> {
        Box::pin(async move { Pool::close_all(&self).await })
    }

    fn shut_down(self: Arc<Self>) -> Closing<()> {
        Box::pin(async move { Pool::shut_down(&self).await })
    }
}

/// Looks after a pool. It keeps the pool alive, as the pool's own class does.
#[napi]
pub struct NativePoolControls {
    pool: Arc<dyn Controlled>,
}

impl NativePoolControls {
    pub fn of<T: Transport>(pool: &Arc<Pool<T>>) -> Self {
        Self { pool: Arc::clone(pool) as Arc<dyn Controlled> }
    }
}

#[napi]
impl NativePoolControls {
    #[napi]
    pub fn stats(&self) -> StatsSnapshot {
        StatsSnapshot::new(&self.pool.stats(), self.pool.events().dropped())
    }

    #[napi]
    pub fn metrics(&self) -> MetricsSnapshot {
        MetricsSnapshot::from(self.pool.metrics())
    }

    /// Forgets all durations recorded so far.
    #[napi]
    pub fn reset_metrics(&self) {
        self.pool.metrics().reset();
    }

    #[napi]
    pub fn connections(&self) -> Vec<ConnectionSnapshot> {
        self.pool.connections().into_iter().map(Into::into).collect()
    }

    /// Lets commands finish and nobody new in; after `limit` milliseconds cuts what is left. Resolves to whether nothing
    /// had to be cut. The pool can be used again.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn drain<'env>(&self, env: &'env Env, limit: Option<f64>) -> Result<Object<'env>> {
        let limit = limit.map(|limit| duration("timeout", limit)).transpose()?;
        runtime::promise(env, Arc::clone(&self.pool).drain(limit))
    }

    /// Closes connections that nothing uses; resolves to how many.
    #[napi(ts_return_type = "Promise<number>")]
    pub fn close_idle<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let closing = Arc::clone(&self.pool).close_idle();
        runtime::promise(env, async move { closing.await as u32 })
    }

    /// Cuts every connection. The pool can be used again.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close_all<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        runtime::promise(env, Arc::clone(&self.pool).close_all())
    }

    /// Cuts every connection, for good: later commands fail with EPOOLCLOSED.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn dispose<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        runtime::promise(env, Arc::clone(&self.pool).shut_down())
    }

    /// `wake` is called once per burst of events, to have them drained. It keeps no process alive.
    #[napi]
    pub fn watch_events(&self, wake: Function<(), ()>) -> Result<()> {
        // One call in the queue is enough: whoever drains takes everything.
        let wake =
            wake.build_threadsafe_function().callee_handled::<false>().weak::<true>().max_queue_size::<1>().build()?;
        self.pool.events().set_wake(Some(Box::new(move || {
            // A full queue means a wake-up is already on its way; a closing one that nobody listens any more.
            let _ = wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        })));
        Ok(())
    }

    /// One bit for each kind of event that somebody listens to; none at first.
    #[napi]
    pub fn set_event_mask(&self, mask: u32) {
        self.pool.events().set_mask(mask);
    }

    /// Takes all waiting events, oldest first.
    #[napi]
    pub fn drain_events(&self) -> Vec<EventRecord> {
        self.pool.events().drain().into_iter().map(Into::into).collect()
    }
}
