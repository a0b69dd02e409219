//! Calls of the API over a pool's connections: they take a permit as commands do, so limits, idle times, draining and
//! figures are one story.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::client::ApiResponse;
use super::connection::DockerTransport;
use super::request::ApiRequest;
use crate::error::{Error, Phase, Reached};
use crate::pool::{Permit, Pool, Request};
use crate::run::{Cancel, Why, stopped};
use crate::transport::Connection;

/// Connections found dead before the call was sent, after which it is given up.
const MAX_DEAD_CONNECTIONS: u32 = 3;

/// A call whose answer is collected, within `api.timeout` for its head.
pub async fn call(
    pool: Arc<Pool<DockerTransport>>,
    request: Request<DockerTransport>,
    api: ApiRequest,
    body: Bytes,
    cancel: Cancel,
) -> Result<ApiResponse, Error> {
    let stop = stopped(cancel, Cancel::default(), None, Instant::now());
    tokio::pin!(stop);
    let mut dead = 0;
    loop {
        let permit = permit(&pool, &request, &mut stop).await?;
        let client = Arc::clone(permit.connection().client());
        let answer = tokio::select! {
            biased;
            why = &mut stop => Err(why.error(Phase::Run, Reached::Unknown)),
            answer = client.send(&api, body.clone()) => answer,
        };
        match answer {
            Err(error) if gone(&permit, &error) => {
                permit.suspect();
                dead += 1;
                let again = error.reached() == Reached::No || api.is_idempotent();
                if !again || dead >= MAX_DEAD_CONNECTIONS {
                    return Err(error);
                }
            }
            answer => {
                permit.release();
                return answer;
            }
        }
    }
}

/// A permit, unless the caller gives up first.
pub async fn permit(
    pool: &Arc<Pool<DockerTransport>>,
    request: &Request<DockerTransport>,
    stop: &mut (impl Future<Output = Why> + Unpin),
) -> Result<Permit<DockerTransport>, Error> {
    tokio::select! {
        biased;
        why = stop => Err(why.error(pool.waiting_phase(&request.key), Reached::No)),
        permit = pool.acquire(request) => permit,
    }
}

/// Did the daemon go, and not only this line?
pub fn gone(permit: &Permit<DockerTransport>, error: &Error) -> bool {
    let of_line = matches!(error, Error::ConnectionLost { .. } | Error::Dial { .. });
    of_line
        && permit.close_reason().is_none()
        && (permit.connection().is_closed() || matches!(error, Error::Dial { .. }))
}
