//! What a pool is asked for in the same way whatever it connects to. The promises resolve whatever happens: a failure is in
//! the record.

use std::future::Future;
use std::sync::Arc;

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use xec_engine::command::Command;
use xec_engine::error::Error;
use xec_engine::pool::{Pool, Request};
use xec_engine::run::{self, Cancel};
use xec_engine::shell::{self, Shells};
use xec_engine::transport::Transport;
use xec_engine::transport::docker::ApiResponse;

use crate::cancel::CancelToken;
use crate::docker_options::ApiOutcome;
use crate::origin::Origin;
use crate::output::WarmUpRecord;
use crate::runtime;
use crate::session::{NativeSession, SessionOutcome};

/// Who has no token is never cancelled.
pub fn token(cancel: Option<&CancelToken>) -> Cancel {
    cancel.map_or_else(Cancel::default, |token| token.cancel.clone())
}

/// Runs a command where no shell is in the way of another: in containers, which have no limit on execs.
pub fn exec<'env, T: Transport>(
    env: &'env Env,
    (pool, shells): (&Arc<Pool<T>>, &Shells<T>),
    request: Request<T>,
    (command, persistent): (Command, bool),
    cancel: Option<&CancelToken>,
) -> Result<Object<'env>> {
    let (origin, pool, cancel) = (Origin::of(&request), Arc::clone(pool), token(cancel));
    if persistent {
        return runtime::promise(env, origin.outcome(shells.exec(pool, request, command, cancel)));
    }
    runtime::promise(env, origin.outcome(run::exec(pool, request, command, cancel)))
}

/// Opens a shell in `first`'s directory and with its variables.
pub fn session<'env, T: Transport>(
    env: &'env Env,
    pool: &Arc<Pool<T>>,
    request: Request<T>,
    first: Command,
    cancel: Option<&CancelToken>,
) -> Result<Object<'env>> {
    let origin = Origin::of(&request);
    let opening = shell::Session::open(Arc::clone(pool), request, first, token(cancel));
    runtime::promise(env, async move {
        match opening.await {
            Ok(session) => SessionOutcome { session: Some(NativeSession::new(session, origin)), failure: None },
            Err(error) => SessionOutcome { session: None, failure: Some(origin.failure(&error)) },
        }
    })
}

/// Connects ahead of need until `count` connections are ready.
pub fn warm_up<'env, T: Transport>(
    env: &'env Env,
    pool: &Arc<Pool<T>>,
    request: Request<T>,
    count: u32,
    cancel: Option<&CancelToken>,
) -> Result<Object<'env>> {
    let (pool, cancel) = (Arc::clone(pool), token(cancel));
    runtime::promise(env, async move {
        let (ready, error) = run::warm_up(&pool, &request, count as usize, cancel).await;
        let failure = error.map(|error| Origin::of(&request).failure(&error));
        WarmUpRecord { ready: ready as u32, failure }
    })
}

/// One call of an HTTP API, its answer collected.
pub fn call<'env>(
    env: &'env Env,
    origin: Origin,
    calling: impl Future<Output = std::result::Result<ApiResponse, Error>> + Send + 'static,
) -> Result<Object<'env>> {
    runtime::promise(env, async move {
        match calling.await {
            Ok(response) => ApiOutcome { response: Some(response.into()), failure: None },
            Err(error) => ApiOutcome { response: None, failure: Some(origin.failure(&error)) },
        }
    })
}
