use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{Function, Object};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Result};
use napi_derive::napi;
use xec_engine::command::Command;
use xec_engine::events::EventBuffer;
use xec_engine::pool::{HostConfig, Pool, Request};
use xec_engine::run::{Cancel, borrow, warm_up};
use xec_engine::shell::Shells;
use xec_engine::transport::ssh::{Jump, Route, SshTarget, SshTransport, Traffic};

use crate::cancel::CancelToken;
use crate::events::EventRecord;
use crate::failure::FailureRecord;
use crate::input::NativeInput;
use crate::lease::{LeaseOutcome, NativeLease};
use crate::options::{CommandSpec, ConnectSettings, PoolSettings, TargetSpec, duration};
use crate::output::{WarmUpRecord, outcome_record};
use crate::process::NativeProcess;
use crate::runtime;
use crate::stats::{ConnectionSnapshot, MetricsSnapshot, StatsSnapshot};

/// The connections of commands, and of those behind a hop.
const COMMANDS: [Traffic; 2] = [Traffic::Commands, Traffic::Hop];
/// Those of streams, files and forwards.
const BULK: [Traffic; 3] = [Traffic::Bulk, Traffic::BulkHop, Traffic::Forwards];

/// A pool of SSH connections. When it is garbage-collected its idle connections close, and busy ones when they are done.
#[napi]
pub struct NativePool {
    pub(crate) pool: Arc<Pool<SshTransport>>,
    shells: Shells<SshTransport>,
    limits: Arc<HostConfig>,
    connect: ConnectSettings,
}

#[napi]
impl NativePool {
    #[napi(constructor)]
    pub fn new(settings: PoolSettings) -> Result<Self> {
        let events = Arc::new(EventBuffer::default());
        Ok(Self {
            pool: Arc::new(Pool::new(SshTransport, settings.pool()?, events, runtime::handle()?)),
            shells: Shells::default(),
            limits: settings.host.limits()?,
            connect: settings.host.connect()?,
        })
    }

    /// Runs a command. The promise resolves whatever happens; a failure is in the record.
    #[napi(ts_return_type = "Promise<ExecOutcome>")]
    pub fn exec<'env>(
        &self,
        env: &'env Env,
        target: TargetSpec,
        command: CommandSpec,
        cancel: Option<&CancelToken>,
        input: Option<&NativeInput>,
    ) -> Result<Object<'env>> {
        let request = self.request(target, command.priority.unwrap_or(0))?;
        let persistent = command.persistent.unwrap_or(false);
        run(env, (&self.pool, &self.shells), request, (command.into_command(input)?, persistent), cancel)
    }

    /// Starts a command whose output is read as it comes.
    #[napi]
    pub fn spawn(
        &self,
        target: TargetSpec,
        command: CommandSpec,
        cancel: Option<&CancelToken>,
    ) -> Result<NativeProcess> {
        let request = self.bulk_request(target, command.priority.unwrap_or(0))?;
        NativeProcess::start(Arc::clone(&self.pool), request, command.into_command(None)?, token(cancel))
    }

    /// Borrows a connection. The promise resolves whatever happens; a failure is in the record.
    #[napi(ts_return_type = "Promise<LeaseOutcome>")]
    pub fn lease<'env>(
        &self,
        env: &'env Env,
        target: TargetSpec,
        priority: i32,
        cancel: Option<&CancelToken>,
        timeout: Option<f64>,
        spent: Option<f64>,
    ) -> Result<Object<'env>> {
        let request = self.request(target, priority)?;
        let (host, port) = (request.key.host().to_owned(), request.key.port());
        let limit = timeout.map(|timeout| duration("timeout", timeout)).transpose()?;
        let spent = spent.map_or(Ok(Duration::ZERO), |spent| duration("spent", spent))?;
        let started = Command { spent, ..Command::default() }.started();
        let (pool, shells) = (Arc::clone(&self.pool), self.shells.clone());
        let leasing = borrow(Arc::clone(&pool), request, (limit, started), token(cancel));
        runtime::promise(env, async move {
            match leasing.await {
                Ok(lease) => LeaseOutcome { lease: Some(NativeLease::new(pool, shells, lease)), failure: None },
                Err(error) => LeaseOutcome { lease: None, failure: Some(FailureRecord::new(&error, &host, port)) },
            }
        })
    }

    #[napi]
    pub fn stats(&self) -> StatsSnapshot {
        StatsSnapshot::new(&self.pool.stats(), self.pool.events().dropped())
    }

    #[napi]
    pub fn metrics(&self) -> MetricsSnapshot {
        MetricsSnapshot::from(&**self.pool.metrics())
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

    /// Makes connections ahead of need until `count` are ready.
    #[napi(ts_return_type = "Promise<WarmUpRecord>")]
    pub fn warm_up<'env>(
        &self,
        env: &'env Env,
        target: TargetSpec,
        count: u32,
        cancel: Option<&CancelToken>,
    ) -> Result<Object<'env>> {
        let request = self.request(target, 0)?;
        let (pool, cancel) = (Arc::clone(&self.pool), token(cancel));
        runtime::promise(env, async move {
            let (ready, error) = warm_up(&pool, &request, count as usize, cancel).await;
            let failure = error.map(|error| FailureRecord::new(&error, request.key.host(), request.key.port()));
            WarmUpRecord { ready: ready as u32, failure }
        })
    }

    /// Retires the connections of one target, also as a hop; busy ones finish what they do. Answers how many. `bulk`: those
    /// of streams, files and forwards.
    #[napi]
    pub fn remove(&self, target: TargetSpec, bulk: bool) -> Result<u32> {
        let (first, kinds) = if bulk { (Traffic::Bulk, &BULK[..]) } else { (Traffic::Commands, &COMMANDS[..]) };
        let (target, _) = self.resolve(target, first)?;
        Ok(kinds.iter().map(|&kind| self.pool.remove(&target.key_for(kind)) as u32).sum())
    }

    /// Lets commands finish and nobody new in; after `limit` milliseconds cuts what is left. Resolves to whether nothing
    /// had to be cut. The pool can be used again.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn drain<'env>(&self, env: &'env Env, limit: Option<f64>) -> Result<Object<'env>> {
        let limit = limit.map(|limit| duration("timeout", limit)).transpose()?;
        runtime::promise(env, self.pool.drain(limit))
    }

    /// Closes connections that no command uses; resolves to how many.
    #[napi(ts_return_type = "Promise<number>")]
    pub fn close_idle<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let pool = Arc::clone(&self.pool);
        runtime::promise(env, async move { pool.close_idle().await as u32 })
    }

    /// Cuts every connection. The pool can be used again.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close_all<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let pool = Arc::clone(&self.pool);
        runtime::promise(env, async move { pool.close_all().await })
    }

    /// Cuts every connection, for good: later commands fail with EPOOLCLOSED.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn dispose<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let pool = Arc::clone(&self.pool);
        runtime::promise(env, async move { pool.shut_down().await })
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

/// Runs a command; the promise resolves whatever happens.
pub(crate) fn run<'env>(
    env: &'env Env,
    (pool, shells): (&Arc<Pool<SshTransport>>, &Shells<SshTransport>),
    request: Request<SshTransport>,
    (command, persistent): (Command, bool),
    cancel: Option<&CancelToken>,
) -> Result<Object<'env>> {
    let (host, port) = (request.key.host().to_owned(), request.key.port());
    let (pool, cancel) = (Arc::clone(pool), token(cancel));
    if persistent {
        let running = shells.exec(pool, request, command, cancel);
        return runtime::promise(env, async move { outcome_record(running.await, &host, port) });
    }
    let running = shells.exec_beside(pool, request, command, cancel);
    runtime::promise(env, async move { outcome_record(running.await, &host, port) })
}

pub(crate) fn token(cancel: Option<&CancelToken>) -> Cancel {
    cancel.map_or_else(Cancel::default, |token| token.cancel.clone())
}

impl NativePool {
    pub(crate) fn request(&self, target: TargetSpec, priority: i32) -> Result<Request<SshTransport>> {
        let (target, config) = self.resolve(target, Traffic::Commands)?;
        Ok(Request { priority, ..Request::new(target.key(), Arc::new(target), config) })
    }

    /// As [`request`](Self::request), for streams and files: one channel on each connection, so that who is slow to read
    /// holds up nobody else.
    pub(crate) fn bulk_request(&self, target: TargetSpec, priority: i32) -> Result<Request<SshTransport>> {
        let (target, config) = self.resolve(target, Traffic::Bulk)?;
        let config = HostConfig { channels_per_connection: 1, min_idle: 0, ..(*config).clone() };
        Ok(Request { priority, ..Request::new(target.key(), Arc::new(target), Arc::new(config)) })
    }

    /// For a forward, whose permit stands for any number of channels: they take no session's place at the server.
    pub(crate) fn forward_request(&self, target: TargetSpec) -> Result<Request<SshTransport>> {
        let (target, config) = self.resolve(target, Traffic::Forwards)?;
        let config = HostConfig { min_idle: 0, ..(*config).clone() };
        Ok(Request::new(target.key(), Arc::new(target), Arc::new(config)))
    }

    pub(crate) fn shared_pool(&self) -> Arc<Pool<SshTransport>> {
        Arc::clone(&self.pool)
    }

    /// The target behind its hops: each of them is the route of the next one.
    fn resolve(&self, mut target: TargetSpec, traffic: Traffic) -> Result<(SshTarget, Arc<HostConfig>)> {
        let mut route = Route::Direct;
        for hop in target.jumps.take().unwrap_or_default() {
            let (hop, limits) = self.resolve_one(hop, traffic.of_hop(), route)?;
            route = Route::Jump(Jump::new(hop, &limits));
        }
        self.resolve_one(target, traffic, route)
    }

    fn resolve_one(
        &self,
        mut spec: TargetSpec,
        traffic: Traffic,
        route: Route,
    ) -> Result<(SshTarget, Arc<HostConfig>)> {
        let (limits, connect) = match &spec.settings {
            Some(settings) => (settings.limits()?, settings.connect()?),
            None => (Arc::clone(&self.limits), self.connect),
        };
        let route = match spec.proxy.take() {
            Some(proxy) => proxy.route(&spec)?,
            None => route,
        };
        Ok((spec.into_target(connect, traffic, route)?, limits))
    }
}
