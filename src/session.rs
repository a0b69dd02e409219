use std::sync::Arc;

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;
use xec_engine::shell::Session;

use crate::cancel::CancelToken;
use crate::failure::FailureRecord;
use crate::input::NativeInput;
use crate::options::{CommandSpec, TargetSpec};
use crate::output::outcome_record;
use crate::runtime;
use crate::ssh_pool::{NativePool, token};

/// A shell that keeps what its commands do to it. Closed when garbage-collected.
#[napi]
pub struct NativeSession {
    session: Arc<Session>,
    host: String,
    port: u16,
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
        let (host, port) = (request.key.host().to_owned(), request.key.port());
        let opening = Session::open(Arc::clone(&self.pool), request, first.into_command(None)?, token(cancel));
        runtime::promise(env, async move {
            match opening.await {
                Ok(session) => SessionOutcome { session: Some(NativeSession::new(session, host, port)), failure: None },
                Err(error) => SessionOutcome { session: None, failure: Some(FailureRecord::new(&error, &host, port)) },
            }
        })
    }
}

impl NativeSession {
    pub fn new(session: Session, host: String, port: u16) -> Self {
        Self { session: Arc::new(session), host, port }
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
        let (host, port) = (self.host.clone(), self.port);
        runtime::promise(env, async move { outcome_record(running.await, &host, port) })
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
