//! Calls of the API over a pool's connections: they take a permit as commands do, so limits, idle times, draining and
//! figures are one story.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::connection::KubeTransport;
use crate::error::{Error, Phase, Reached};
use crate::pool::{Permit, Pool, Request};
use crate::run::{Cancel, Why, stopped};
use crate::transport::Connection;
use crate::transport::docker::{ApiRequest, ApiResponse};

/// Connections found dead before the call was sent, after which it is given up.
const MAX_DEAD_CONNECTIONS: u32 = 3;

/// A call whose answer is collected, within `api.timeout` for its head.
pub async fn call(
    pool: Arc<Pool<KubeTransport>>,
    request: Request<KubeTransport>,
    api: ApiRequest,
    body: Bytes,
    cancel: Cancel,
) -> Result<ApiResponse, Error> {
    let stop = stopped(cancel, Cancel::default(), None, Instant::now());
    tokio::pin!(stop);
    let mut failed = 0;
    loop {
        let permit = permit(&pool, &request, &mut stop).await?;
        let cluster = Arc::clone(permit.connection().cluster());
        let answer = tokio::select! {
            biased;
            why = &mut stop => Err(why.error(Phase::Run, Reached::Unknown)),
            answer = cluster.client.send(&api, body.clone()) => answer,
        };
        match answer {
            Err(error) => {
                cluster.note(&error);
                let again = may_repeat(&api, &error) && permit.close_reason().is_none();
                give_back(permit);
                failed += 1;
                if !again || failed >= MAX_DEAD_CONNECTIONS {
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

/// A server that went may be back, and a kept line that turned out to be dead says nothing about it.
fn may_repeat(api: &ApiRequest, error: &Error) -> bool {
    let of_line = matches!(error, Error::ConnectionLost { .. } | Error::Dial { .. });
    of_line && (error.reached() == Reached::No || api.is_idempotent())
}

/// A permit, unless the caller gives up first.
pub async fn permit(
    pool: &Arc<Pool<KubeTransport>>,
    request: &Request<KubeTransport>,
    stop: &mut (impl Future<Output = Why> + Unpin),
) -> Result<Permit<KubeTransport>, Error> {
    tokio::select! {
        biased;
        why = stop => Err(why.error(pool.waiting_phase(&request.key), Reached::No)),
        permit = pool.acquire(request) => permit,
    }
}

/// To a connection that is gone, or to one that goes on.
pub fn give_back(permit: Permit<KubeTransport>) {
    if permit.close_reason().is_none() && permit.connection().is_closed() {
        permit.suspect();
    } else {
        permit.release();
    }
}
