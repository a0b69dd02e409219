//! Calls of an API over a pool's connections: they take a permit as commands do, so limits, idle times, draining and
//! figures are one story.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::answer::ApiResponse;
use super::request::ApiRequest;
use super::until;
use crate::error::{Error, Phase, Reached};
use crate::pool::{Permit, Pool, Request};
use crate::run::{Cancel, Why, stopped};
use crate::transport::{Connection, Transport};

/// Connections found dead before the call was sent, after which it is given up.
const MAX_DEAD_CONNECTIONS: u32 = 3;

/// A connection that stands for a server, over as many lines as are needed.
pub trait ApiConnection: Connection {
    /// One call, its answer collected. Cancel-safe.
    fn send(&self, api: &ApiRequest, body: Bytes) -> impl Future<Output = Result<ApiResponse, Error>> + Send;

    /// Becomes true, or closed, when everything over this connection must end.
    fn cut(&self) -> watch::Receiver<bool>;

    /// Hears of what failed, which may say that the server has gone.
    fn note(&self, error: &Error);
}

/// A call whose answer is collected, within `api.timeout` for its head.
pub async fn call<T>(
    pool: Arc<Pool<T>>,
    request: Request<T>,
    api: ApiRequest,
    body: Bytes,
    cancel: Cancel,
) -> Result<ApiResponse, Error>
where
    T: Transport<Connection: ApiConnection>,
{
    let stop = stopped(cancel, Cancel::default(), None, Instant::now());
    tokio::pin!(stop);
    let mut failed = 0;
    loop {
        let permit = permit(&pool, &request, &mut stop).await?;
        let answer = tokio::select! {
            biased;
            why = &mut stop => Err(why.error(Phase::Run, Reached::Unknown)),
            answer = permit.connection().send(&api, body.clone()) => answer,
        };
        let again = match &answer {
            Ok(_) => false,
            Err(error) => may_repeat(&api, error) && permit.close_reason().is_none(),
        };
        give_back(permit, answer.as_ref().err());
        failed += 1;
        if !again || failed >= MAX_DEAD_CONNECTIONS {
            return answer;
        }
    }
}

/// Does `work` on a connection, until it has ended, the caller gives up, or the connection is closed.
pub async fn on_connection<T, F>(
    pool: Arc<Pool<T>>,
    request: Request<T>,
    cancel: Cancel,
    work: impl FnOnce(&T::Connection) -> F,
) -> Result<(), Error>
where
    T: Transport<Connection: ApiConnection>,
    F: Future<Output = Result<(), Error>>,
{
    let stop = stopped(cancel, Cancel::default(), None, Instant::now());
    tokio::pin!(stop);
    let permit = permit(&pool, &request, &mut stop).await?;
    let mut cut = permit.connection().cut();
    let outcome = tokio::select! {
        biased;
        why = &mut stop => Err(why.error(Phase::Run, Reached::Unknown)),
        () = until(&mut cut, |cut| *cut) => Err(Error::PoolClosed { phase: Phase::Run, reached: Reached::Unknown }),
        outcome = work(permit.connection()) => outcome,
    };
    give_back(permit, outcome.as_ref().err());
    outcome
}

/// A server that went may be back, and a kept line that turned out to be dead says nothing about it.
fn may_repeat(api: &ApiRequest, error: &Error) -> bool {
    let of_line = matches!(error, Error::ConnectionLost { .. } | Error::Dial { .. });
    of_line && (error.reached() == Reached::No || api.is_idempotent())
}

/// A permit, unless the caller gives up first.
async fn permit<T: Transport>(
    pool: &Arc<Pool<T>>,
    request: &Request<T>,
    stop: &mut (impl Future<Output = Why> + Unpin),
) -> Result<Permit<T>, Error> {
    tokio::select! {
        biased;
        why = stop => Err(why.error(pool.waiting_phase(&request.key), Reached::No)),
        permit = pool.acquire(request) => permit,
    }
}

/// To a connection that goes on, or to one whose server is gone.
fn give_back<T>(permit: Permit<T>, failure: Option<&Error>)
where
    T: Transport<Connection: ApiConnection>,
{
    if let Some(error) = failure {
        permit.connection().note(error);
    }
    let unreachable = matches!(failure, Some(Error::Dial { .. }));
    if permit.close_reason().is_none() && (unreachable || permit.connection().is_closed()) {
        permit.suspect();
    } else {
        permit.release();
    }
}
