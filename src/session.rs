use std::sync::Arc;

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;
use xec_engine::shell::Session;

use crate::cancel::CancelToken;
use crate::failure::FailureRecord;
use crate::input::NativeInput;
use crate::options::{CommandSpec, TargetSpec};
use crate::origin::Origin;
use crate::runtime;
use crate::ssh_pool::NativePool;
use crate::uses::{self, token};

/// A shell that keeps what its commands do to it. Closed when garbage-collected.
#[napi]
pub struct NativeSession {
    session: Arc<Session>,
    origin: Origin,
}

/// Exactly one of the two.
#[napi(object, object_from_js = false)]
pub struct SessionOutcome {
    pub session: Option<NativeSession>,
    pub failure: Option<FailureRecord>,
}

#[napi]
impl NativePool {
    /// Opens a session in `first`'s directory and with its variables. The promise resolves whatever happens.
    #[napi(ts_return_type = "Promise<SessionOutcome>")]
    pub fn session<'env>(
        &self,
        env: &'env Env,
        target: TargetSpec,
        first: CommandSpec,
        cancel: Option<&CancelToken>,
    ) -> Result<Object<'env>> {
        let request = self.request(target, first.priority.unwrap_or(0))?;
        uses::session(env, &self.pool, request, first.into_command(None)?, cancel)
    }
}

impl NativeSession {
    pub fn new(session: Session, origin: Origin) -> Self {
        Self { session: Arc::new(session), origin }
    }
}

#[napi]
impl NativeSession {
    /// Runs a command in the shell. The promise resolves whatever happens; a failure is in the record.
    #[napi(ts_return_type = "Promise<ExecOutcome>")]
    pub fn execute<'env>(
        &self,
        env: &'env Env,
        command: CommandSpec,
        cancel: Option<&CancelToken>,
        input: Option<&NativeInput>,
    ) -> Result<Object<'env>> {
        let running = self.session.execute(command.into_command(input)?, token(cancel));
        runtime::promise(env, self.origin.clone().outcome(running))
    }

    /// The shell's process id on the other side.
    #[napi(getter)]
    pub fn pid(&self) -> u32 {
        self.session.pid()
    }

    #[napi(getter)]
    pub fn closed(&self) -> bool {
        self.session.is_closed()
    }

    /// Ends the shell after what was asked of it already; resolves when it has ended.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        runtime::promise(env, self.session.close())
    }
}
