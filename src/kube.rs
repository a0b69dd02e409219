use std::sync::Arc;

use napi::bindgen_prelude::{Function, Object};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Result};
use napi_derive::napi;
use xec_engine::command::{Command, Pod};
use xec_engine::events::EventBuffer;
use xec_engine::pool::Pool;
use xec_engine::run::{Cancel, exec, warm_up};
use xec_engine::shell::{Session, Shells};
use xec_engine::transport::kube::{KubeTransport, call, exchange, tunnel};

use crate::cancel::CancelToken;
use crate::docker_exchange::NativeExchange;
use crate::docker_options::{ApiOutcome, ApiSpec};
use crate::events::EventRecord;
use crate::failure::FailureRecord;
use crate::input::NativeInput;
use crate::kube_options::{NativeKubeTarget, PodPlaceSpec};
use crate::options::{CommandSpec, PoolSettings, duration};
use crate::output::{WarmUpRecord, outcome_record};
use crate::process::NativeProcess;
use crate::runtime;
use crate::session::{NativeSession, SessionOutcome};
use crate::ssh_pool::token;
use crate::stats::{ConnectionSnapshot, MetricsSnapshot, StatsSnapshot};

/// Connections to Kubernetes clusters. When it is garbage-collected its idle connections close, and busy ones when they are done.
#[napi]
pub struct NativeKubePool {
    pool: Arc<Pool<KubeTransport>>,
    shells: Shells<KubeTransport>,
}

#[napi]
impl NativeKubePool {
    #[napi(constructor)]
    pub fn new(settings: PoolSettings) -> Result<Self> {
        let events = Arc::new(EventBuffer::default());
        let pool = Pool::new(KubeTransport, settings.pool()?, events, runtime::handle()?);
        Ok(Self { pool: Arc::new(pool), shells: Shells::default() })
    }

    /// Runs a command in a pod. The promise resolves whatever happens; a failure is in the record.
    #[napi(ts_return_type = "Promise<ExecOutcome>")]
    pub fn exec<'env>(
        &self,
        env: &'env Env,
        target: &NativeKubeTarget,
        place: PodPlaceSpec,
        command: CommandSpec,
        cancel: Option<&CancelToken>,
        input: Option<&NativeInput>,
    ) -> Result<Object<'env>> {
        let request = target.request(command.priority.unwrap_or(0));
        let (host, port) = (request.key.host().to_owned(), request.key.port());
        let (pool, cancel, persistent) = (Arc::clone(&self.pool), token(cancel), command.persistent.unwrap_or(false));
        let command = in_place(place, command, input)?;
        if persistent {
            let running = self.shells.exec(pool, request, command, cancel);
            return runtime::promise(env, async move { outcome_record(running.await, &host, port) });
        }
        // No shell is ever in the way of another: a pod has no limit on execs.
        let running = exec(pool, request, command, cancel);
        runtime::promise(env, async move { outcome_record(running.await, &host, port) })
    }

    /// Starts a command whose output is read as it comes.
    #[napi]
    pub fn spawn(
        &self,
        target: &NativeKubeTarget,
        place: PodPlaceSpec,
        command: CommandSpec,
        cancel: Option<&CancelToken>,
    ) -> Result<NativeProcess> {
        let request = target.request(command.priority.unwrap_or(0));
        NativeProcess::start(Arc::clone(&self.pool), request, in_place(place, command, None)?, token(cancel))
    }

    /// Opens a shell in `first`'s directory and with its variables. The promise resolves whatever happens.
    #[napi(ts_return_type = "Promise<SessionOutcome>")]
    pub fn session<'env>(
        &self,
        env: &'env Env,
        target: &NativeKubeTarget,
        place: PodPlaceSpec,
        first: CommandSpec,
        cancel: Option<&CancelToken>,
    ) -> Result<Object<'env>> {
        let request = target.request(first.priority.unwrap_or(0));
        let (host, port) = (request.key.host().to_owned(), request.key.port());
        let opening = Session::open(Arc::clone(&self.pool), request, in_place(place, first, None)?, token(cancel));
        runtime::promise(env, async move {
            match opening.await {
                Ok(session) => SessionOutcome { session: Some(NativeSession::new(session, host, port)), failure: None },
                Err(error) => SessionOutcome { session: None, failure: Some(FailureRecord::new(&error, &host, port)) },
            }
        })
    }

    /// One call of the Kubernetes API, its answer collected. The promise resolves whatever happens.
    #[napi(ts_return_type = "Promise<ApiOutcome>")]
    pub fn request<'env>(
        &self,
        env: &'env Env,
        target: &NativeKubeTarget,
        api: ApiSpec,
        cancel: Option<&CancelToken>,
    ) -> Result<Object<'env>> {
        let request = target.request(0);
        let (host, port) = (request.key.host().to_owned(), request.key.port());
        let api = api.into_call()?;
        let calling = call(Arc::clone(&self.pool), request, api.request, api.options.body, token(cancel));
        runtime::promise(env, async move {
            match calling.await {
                Ok(response) => ApiOutcome { response: Some(response.into()), failure: None },
                Err(error) => ApiOutcome { response: None, failure: Some(FailureRecord::new(&error, &host, port)) },
            }
        })
    }

    /// One call whose answer comes piece by piece.
    #[napi]
    pub fn exchange(&self, target: &NativeKubeTarget, api: ApiSpec) -> Result<NativeExchange> {
        let request = target.request(0);
        let (host, port) = (request.key.host().to_owned(), request.key.port());
        let (api, cancel, runtime) = (api.into_call()?, Cancel::default(), self.pool.runtime().clone());
        let started = exchange(Arc::clone(&self.pool), request, api.request, api.options.body, cancel.clone());
        Ok(NativeExchange::around(&runtime, started, cancel, host, port))
    }

    /// One connection to a port of a pod, read and written as an exchange whose line was taken over.
    #[napi]
    pub fn tunnel(
        &self,
        target: &NativeKubeTarget,
        namespace: String,
        pod: String,
        port: u32,
    ) -> Result<NativeExchange> {
        let request = target.request(0);
        let (host, at) = (request.key.host().to_owned(), request.key.port());
        let (cancel, runtime) = (Cancel::default(), self.pool.runtime().clone());
        let pod = Pod { namespace, name: pod };
        let started = tunnel(Arc::clone(&self.pool), request, pod, crate::options::port(port)?, cancel.clone());
        Ok(NativeExchange::around(&runtime, started, cancel, host, at))
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

    /// Shells that wait for a command of `shell: 'persistent'`.
    #[napi]
    pub fn idle_shells(&self) -> u32 {
        self.shells.idle() as u32
    }

    /// Connects ahead of need.
    #[napi(ts_return_type = "Promise<WarmUpRecord>")]
    pub fn warm_up<'env>(
        &self,
        env: &'env Env,
        target: &NativeKubeTarget,
        cancel: Option<&CancelToken>,
    ) -> Result<Object<'env>> {
        let request = target.request(0);
        let (pool, cancel) = (Arc::clone(&self.pool), token(cancel));
        runtime::promise(env, async move {
            let (ready, error) = warm_up(&pool, &request, 1, cancel).await;
            let failure = error.map(|error| FailureRecord::new(&error, request.key.host(), request.key.port()));
            WarmUpRecord { ready: ready as u32, failure }
        })
    }

    /// Retires the connections to one cluster; busy ones finish what they do. Answers how many.
    #[napi]
    pub fn remove(&self, target: &NativeKubeTarget) -> u32 {
        self.pool.remove(target.key()) as u32
    }

    /// Lets commands finish and nobody new in; after `limit` milliseconds cuts what is left. Resolves to whether nothing
    /// had to be cut. The pool can be used again.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn drain<'env>(&self, env: &'env Env, limit: Option<f64>) -> Result<Object<'env>> {
        let limit = limit.map(|limit| duration("timeout", limit)).transpose()?;
        runtime::promise(env, self.pool.drain(limit))
    }

    /// Closes connections that nothing uses; resolves to how many.
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

fn in_place(place: PodPlaceSpec, command: CommandSpec, input: Option<&NativeInput>) -> Result<Command> {
    Ok(Command { place: Some(place.into_place()), ..command.into_command(input)? })
}
