use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::stop::{Cancel, stopped};
use crate::error::{Error, Reached};
use crate::pool::{Lease, Pool, Request};
use crate::transport::Transport;

/// Borrows a connection, until the caller gives up or `limit`, counted from `started`, is over. The place in the pool's queue is taken by the call.
pub fn borrow<T: Transport>(
    pool: Arc<Pool<T>>,
    request: Request<T>,
    (limit, started): (Option<Duration>, Instant),
    cancel: Cancel,
) -> impl Future<Output = Result<Lease<T>, Error>> + Send {
    let key = request.key.clone();
    let leasing = pool.lease(request);
    async move {
        let stop = stopped(cancel, Cancel::default(), limit, started);
        tokio::select! {
            biased;
            why = stop => Err(why.error(pool.waiting_phase(&key), Reached::No)),
            lease = leasing => lease,
        }
    }
}
