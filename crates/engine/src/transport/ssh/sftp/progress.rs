use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::{Error, Phase, Reached};
use crate::run::Cancel;

/// The time between two calls of a listener.
const PACE: Duration = Duration::from_millis(100);

/// How far a transfer is. `total` grows while a tree is being walked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes, those that were there before a resumed transfer included.
    pub transferred: u64,
    pub total: u64,
    /// Files that are done, and those that failed.
    pub files: u64,
    pub failed: u64,
}

type Listener = Box<dyn Fn() + Send + Sync>;

/// Counts what a transfer has done, and tells a listener about ten times a second that there is news.
#[derive(Default)]
pub struct Progress {
    transferred: AtomicU64,
    total: AtomicU64,
    files: AtomicU64,
    failed: AtomicU64,
    ear: Mutex<Option<Ear>>,
}

struct Ear {
    listener: Listener,
    told: Option<Instant>,
}

impl Progress {
    pub fn new(listener: Option<Listener>) -> Self {
        Self { ear: Mutex::new(listener.map(|listener| Ear { listener, told: None })), ..Self::default() }
    }

    /// Lets the listener go: nobody listens any more.
    pub fn silence(&self) {
        drop(self.ear.lock().take());
    }

    pub fn figures(&self) -> Figures {
        Figures {
            transferred: self.transferred.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
            files: self.files.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    pub(super) fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn add(&self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        self.transferred.fetch_add(bytes, Ordering::Relaxed);
        self.tell();
    }

    pub(super) fn file_done(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.tell();
    }

    pub(super) fn file_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.tell();
    }

    fn tell(&self) {
        let mut ear = self.ear.lock();
        let Some(Ear { listener, told }) = &mut *ear else { return };
        let now = Instant::now();
        if told.is_none_or(|told| now.duration_since(told) >= PACE) {
            *told = Some(now);
            // It only wakes somebody.
            listener();
        }
    }
}

/// A transfer's line to its caller: to end it early, and to see how far it is.
#[derive(Clone, Default)]
pub struct Watch {
    pub cancel: Cancel,
    pub progress: std::sync::Arc<Progress>,
}

impl Watch {
    /// The outcome of `work`, or the end of the caller's patience.
    pub(super) async fn unless_cancelled<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(aborted()),
            outcome = work => outcome,
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() { Err(aborted()) } else { Ok(()) }
    }
}

fn aborted() -> Error {
    Error::Aborted { phase: Phase::Transfer, reached: Reached::Unknown }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_listener_is_told_ten_times_a_second_whatever_happens() {
        let told = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&told);
        let progress = Progress::new(Some(Box::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        })));
        for _ in 0..1000 {
            progress.add(1);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(told.load(Ordering::SeqCst), 10);
        assert_eq!(progress.figures().transferred, 1000);
        assert_eq!(Arc::strong_count(&told), 2);
        progress.silence();
        assert_eq!(Arc::strong_count(&told), 1, "the listener is gone");
        progress.add(1);
    }
}
