use std::sync::Arc;

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;
use xec_engine::command::Command;
use xec_engine::events::EventBuffer;
use xec_engine::pool::Pool;
use xec_engine::shell::Shells;
use xec_engine::transport::docker::{DockerTransport, call};

use crate::cancel::CancelToken;
use crate::docker_exchange::NativeExchange;
use crate::docker_options::{ApiSpec, NativeDockerTarget, PlaceSpec};
use crate::input::NativeInput;
use crate::options::{CommandSpec, PoolSettings};
use crate::origin::Origin;
use crate::pool_controls::NativePoolControls;
use crate::process::NativeProcess;
use crate::runtime;
use crate::uses::{self, token};

/// Connections to Docker daemons. When it is garbage-collected its idle connections close, and busy ones when they are done.
#[napi]
pub struct NativeDockerPool {
    pool: Arc<Pool<DockerTransport>>,
    shells: Shells<DockerTransport>,
}

#[napi]
impl NativeDockerPool {
    #[napi(constructor)]
    pub fn new(settings: PoolSettings) -> Result<Self> {
        let events = Arc::new(EventBuffer::default());
        let pool = Pool::new(DockerTransport, settings.pool()?, events, runtime::handle()?);
        Ok(Self { pool: Arc::new(pool), shells: Shells::default() })
    }

    /// Runs a command in a container. The promise resolves whatever happens; a failure is in the record.
    #[napi(ts_return_type = "Promise<ExecOutcome>")]
    pub fn exec<'env>(
        &self,
        env: &'env Env,
        target: &NativeDockerTarget,
        place: PlaceSpec,
        command: CommandSpec,
        cancel: Option<&CancelToken>,
        input: Option<&NativeInput>,
    ) -> Result<Object<'env>> {
        let request = target.request(command.priority.unwrap_or(0));
        let persistent = command.persistent.unwrap_or(false);
        uses::exec(env, (&self.pool, &self.shells), request, (in_place(place, command, input)?, persistent), cancel)
    }

    /// Starts a command whose output is read as it comes.
    #[napi]
    pub fn spawn(
        &self,
        target: &NativeDockerTarget,
        place: PlaceSpec,
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
        target: &NativeDockerTarget,
        place: PlaceSpec,
        first: CommandSpec,
        cancel: Option<&CancelToken>,
    ) -> Result<Object<'env>> {
        let request = target.request(first.priority.unwrap_or(0));
        uses::session(env, &self.pool, request, in_place(place, first, None)?, cancel)
    }

    /// One call of the Engine API, its answer collected. The promise resolves whatever happens.
    #[napi(ts_return_type = "Promise<ApiOutcome>")]
    pub fn request<'env>(
        &self,
        env: &'env Env,
        target: &NativeDockerTarget,
        api: ApiSpec,
        cancel: Option<&CancelToken>,
    ) -> Result<Object<'env>> {
        let (request, api) = (target.request(0), api.into_call()?);
        let origin = Origin::of(&request);
        uses::call(env, origin, call(Arc::clone(&self.pool), request, api.request, api.options.body, token(cancel)))
    }

    /// One call whose answer comes piece by piece.
    #[napi]
    pub fn exchange(&self, target: &NativeDockerTarget, api: ApiSpec) -> Result<NativeExchange> {
        Ok(NativeExchange::start(&self.pool, target.request(0), api.into_call()?))
    }

    /// Connects ahead of need.
    #[napi(ts_return_type = "Promise<WarmUpRecord>")]
    pub fn warm_up<'env>(
        &self,
        env: &'env Env,
        target: &NativeDockerTarget,
        cancel: Option<&CancelToken>,
    ) -> Result<Object<'env>> {
        uses::warm_up(env, &self.pool, target.request(0), 1, cancel)
    }

    /// Figures, events and closing.
    #[napi]
    pub fn controls(&self) -> NativePoolControls {
        NativePoolControls::of(&self.pool)
    }
}

fn in_place(place: PlaceSpec, command: CommandSpec, input: Option<&NativeInput>) -> Result<Command> {
    Ok(Command { place: Some(place.into_place()), ..command.into_command(input)? })
}
