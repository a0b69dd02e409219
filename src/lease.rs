use std::sync::Arc;

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;
use xec_engine::pool::{Lease, Pool};
use xec_engine::shell::Shells;
use xec_engine::transport::ssh::SshTransport;

use crate::cancel::CancelToken;
use crate::failure::FailureRecord;
use crate::input::NativeInput;
use crate::options::{CommandSpec, duration};
use crate::origin::Origin;
use crate::runtime;
use crate::ssh_pool::run;

/// A borrowed connection. Given back when released or garbage-collected, whichever comes first.
#[napi]
pub struct NativeLease {
    pool: Arc<Pool<SshTransport>>,
    shells: Shells<SshTransport>,
    lease: Arc<Lease<SshTransport>>,
    origin: Origin,
}

/// Exactly one of the two.
#[napi(object, object_from_js = false)]
pub struct LeaseOutcome {
    pub lease: Option<NativeLease>,
    pub failure: Option<FailureRecord>,
}

impl NativeLease {
    pub fn new(pool: Arc<Pool<SshTransport>>, shells: Shells<SshTransport>, lease: Lease<SshTransport>) -> Self {
        let origin = Origin::of(&lease.request(0));
        Self { pool, shells, lease: Arc::new(lease), origin }
    }
}

#[napi]
impl NativeLease {
    /// Runs a command on the lease's connection. The promise resolves whatever happens; a failure is in the record.
    #[napi(ts_return_type = "Promise<ExecOutcome>")]
    pub fn exec<'env>(
        &self,
        env: &'env Env,
        command: CommandSpec,
        cancel: Option<&CancelToken>,
        input: Option<&NativeInput>,
    ) -> Result<Object<'env>> {
        let request = self.lease.request(command.priority.unwrap_or(0));
        let persistent = command.persistent.unwrap_or(false);
        run(env, (&self.pool, &self.shells), request, (command.into_command(input)?, persistent), cancel)
    }

    /// The id of its connection as in `connections()`; absent while a command uses it, or after it was lost.
    #[napi(getter)]
    pub fn connection(&self) -> Option<f64> {
        self.lease.connection_id().map(|id| id as f64)
    }

    /// Does the server answer within `limit` milliseconds?
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn is_healthy<'env>(&self, env: &'env Env, limit: f64) -> Result<Object<'env>> {
        let (lease, limit) = (Arc::clone(&self.lease), duration("timeout", limit)?);
        runtime::promise(env, async move { lease.is_healthy(limit).await })
    }

    /// Takes a new connection in place of the present one; resolves to why not, if so.
    #[napi(ts_return_type = "Promise<FailureRecord | null>")]
    pub fn reconnect<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (lease, origin) = (Arc::clone(&self.lease), self.origin.clone());
        runtime::promise(env, async move { lease.reconnect().await.err().map(|error| origin.failure(&error)) })
    }

    /// Pings every `interval` milliseconds; absent = no longer.
    #[napi]
    pub fn keep_alive(&self, interval: Option<f64>, count_max: u32) -> Result<()> {
        let every = interval.map(|interval| duration("interval", interval)).transpose()?;
        let pool = runtime::handle()?;
        let _runtime = pool.enter();
        self.lease.keep_alive(every, count_max);
        Ok(())
    }

    #[napi]
    pub fn release(&self) {
        self.lease.release();
    }
}
