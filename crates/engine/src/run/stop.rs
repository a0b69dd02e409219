use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::error::{Error, Phase, Reached};

/// A caller's way to end its command early. Clones share one state; cancelling twice is once.
#[derive(Clone, Default)]
pub struct Cancel(Arc<CancelState>);

#[derive(Default)]
struct CancelState {
    cancelled: AtomicBool,
    changed: Notify,
}

impl Cancel {
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        self.0.changed.notify_waiters();
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Resolves once cancelled. Cancel-safe.
    pub async fn cancelled(&self) {
        let changed = self.0.changed.notified();
        if !self.is_cancelled() {
            changed.await;
        }
    }
}

/// Cancels when dropped: whoever waited for the command is gone.
#[derive(Default)]
pub(crate) struct CancelOnDrop(pub Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Why a command must end before it ends by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Why {
    Aborted,
    TimedOut(Duration),
}

impl Why {
    pub fn error(self, phase: Phase, reached: Reached) -> Error {
        match self {
            Self::Aborted => Error::Aborted { phase, reached },
            Self::TimedOut(limit) => Error::Timeout { phase, limit, reached, source: None },
        }
    }
}

/// What has to be found out before a call can ask for a connection, unless the call is aborted or its time is over before.
/// Of the limit, a part may be spent.
pub async fn unless_stopped<R>(
    work: impl Future<Output = R>,
    cancel: Cancel,
    limit: Option<(Duration, Duration)>,
) -> Result<R, Error> {
    let left = async {
        match limit {
            Some((limit, spent)) => {
                tokio::time::sleep(limit.saturating_sub(spent)).await;
                Why::TimedOut(limit)
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Why::Aborted.error(Phase::Dial, Reached::No)),
        why = left => Err(why.error(Phase::Dial, Reached::No)),
        done = work => Ok(done),
    }
}

/// Resolves when the command must end: the caller's abort, the caller's end, or its timeout, whichever comes first.
pub(crate) async fn stopped(cancel: Cancel, gone: Cancel, timeout: Option<Duration>, started: Instant) -> Why {
    let time_is_over = async {
        match timeout {
            Some(limit) => {
                tokio::time::sleep_until(started + limit).await;
                Why::TimedOut(limit)
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Why::Aborted,
        () = gone.cancelled() => Why::Aborted,
        why = time_is_over => why,
    }
}
