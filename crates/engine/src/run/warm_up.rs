use super::stop::{Cancel, Why};
use crate::error::{Error, Phase, Reached};
use crate::pool::{Pool, Request};
use crate::transport::Transport;

/// Makes connections ahead of need, until the caller gives up; then what is being dialed is given up as well. Answers how
/// many are ready (0 when given up), and why not more.
pub async fn warm_up<T: Transport>(
    pool: &Pool<T>,
    request: &Request<T>,
    count: usize,
    cancel: Cancel,
) -> (usize, Option<Error>) {
    tokio::select! {
        biased;
        () = cancel.cancelled() => (0, Some(Why::Aborted.error(Phase::Dial, Reached::No))),
        outcome = pool.warm_up(request, count) => outcome,
    }
}
