use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;
use xec_engine::command::Command;
use xec_engine::events::EventBuffer;
use xec_engine::pool::{HostConfig, Key, Pool, Request};
use xec_engine::run::borrow;
use xec_engine::shell::Shells;
use xec_engine::transport::ssh::{Jump, Route, SshTarget, SshTransport, Traffic};

use crate::cancel::CancelToken;
use crate::input::NativeInput;
use crate::lease::{LeaseOutcome, NativeLease};
use crate::options::{CommandSpec, ConnectSettings, PoolSettings, TargetSpec, duration};
use crate::origin::Origin;
use crate::pool_controls::NativePoolControls;
use crate::process::NativeProcess;
use crate::runtime;
use crate::uses::{self, token};

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

/// A target of commands: its key, and the pool's settings for it.
#[napi]
pub struct NativeTarget {
    key: Key,
    target: Arc<SshTarget>,
    limits: Arc<HostConfig>,
}

impl NativeTarget {
    fn request(&self, priority: i32) -> Request<SshTransport> {
        let request = Request::new(self.key.clone(), Arc::clone(&self.target), Arc::clone(&self.limits));
        Request { priority, ..request }
    }
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

    /// What commands to a target need to know of it, to be used for as many as one likes.
    #[napi]
    pub fn prepare(&self, target: TargetSpec) -> Result<NativeTarget> {
        let (target, limits) = self.resolve(target, Traffic::Commands)?;
        Ok(NativeTarget { key: target.key(), target: Arc::new(target), limits })
    }

    /// Runs a command. The promise resolves whatever happens; a failure is in the record.
    #[napi(ts_return_type = "Promise<ExecOutcome>")]
    pub fn exec<'env>(
        &self,
        env: &'env Env,
        target: &NativeTarget,
        command: CommandSpec,
        cancel: Option<&CancelToken>,
        input: Option<&NativeInput>,
    ) -> Result<Object<'env>> {
        let request = target.request(command.priority.unwrap_or(0));
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
        let origin = Origin::of(&request);
        let limit = timeout.map(|timeout| duration("timeout", timeout)).transpose()?;
        let spent = spent.map_or(Ok(Duration::ZERO), |spent| duration("spent", spent))?;
        let started = Command { spent, ..Command::default() }.started();
        let (pool, shells) = (Arc::clone(&self.pool), self.shells.clone());
        let leasing = borrow(Arc::clone(&pool), request, (limit, started), token(cancel));
        runtime::promise(env, async move {
            match leasing.await {
                Ok(lease) => LeaseOutcome { lease: Some(NativeLease::new(pool, shells, lease)), failure: None },
                Err(error) => LeaseOutcome { lease: None, failure: Some(origin.failure(&error)) },
            }
        })
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
        uses::warm_up(env, &self.pool, self.request(target, 0)?, count, cancel)
    }

    /// Retires the connections of one target, also as a hop; busy ones finish what they do. Answers how many. `bulk`: those
    /// of streams, files and forwards.
    #[napi]
    pub fn remove(&self, target: TargetSpec, bulk: bool) -> Result<u32> {
        let (first, kinds) = if bulk { (Traffic::Bulk, &BULK[..]) } else { (Traffic::Commands, &COMMANDS[..]) };
        let (target, _) = self.resolve(target, first)?;
        Ok(kinds.iter().map(|&kind| self.pool.remove(&target.key_for(kind)) as u32).sum())
    }

    /// Figures, events and closing.
    #[napi]
    pub fn controls(&self) -> NativePoolControls {
        NativePoolControls::of(&self.pool)
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
    let (origin, pool, cancel) = (Origin::of(&request), Arc::clone(pool), token(cancel));
    if persistent {
        return runtime::promise(env, origin.outcome(shells.exec(pool, request, command, cancel)));
    }
    runtime::promise(env, origin.outcome(shells.exec_beside(pool, request, command, cancel)))
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
