use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// How many commands of one client may be starting at the same moment. A node's runtime starts them one after the other, and
/// some stall for tens of seconds under many at once (the shim of containerd 1.6 does, for every client).
const AT_ONCE: usize = 8;
/// What has said nothing by then is taken to run.
const SILENT: Duration = Duration::from_secs(2);

/// Lets commands begin, in the order of their coming.
pub struct Starts(Arc<Semaphore>);

/// The right to begin, until the command has said a word or is over.
pub struct Turn {
    place: Option<OwnedSemaphorePermit>,
    until: Instant,
}

impl Default for Starts {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Starts {
    /// Cancel-safe.
    pub async fn turn(&self) -> Turn {
        // Nobody closes it.
        let place = Arc::clone(&self.0).acquire_owned().await.ok();
        Turn { place, until: Instant::now() + SILENT }
    }
}

impl Turn {
    pub fn end(&mut self) {
        self.place = None;
    }

    /// Resolves when it has lasted long enough; at most once. Cancel-safe.
    pub async fn outlasted(&mut self) {
        match self.place {
            Some(_) => sleep_until(self.until).await,
            None => std::future::pending().await,
        }
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_ninth_begins_when_one_of_the_others_runs() {
        let starts = Starts::default();
        let mut turns = Vec::new();
        for _ in 0..AT_ONCE {
            turns.push(starts.turn().await);
        }
        assert!(tokio::time::timeout(Duration::from_secs(1), starts.turn()).await.is_err());
        turns[3].end();
        starts.turn().await.end();
        drop(turns.remove(0));
        starts.turn().await.end();
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_is_in_nobodys_way_for_long() {
        let starts = Starts::default();
        let mut silent = starts.turn().await;
        let began = Instant::now();
        silent.outlasted().await;
        assert_eq!(began.elapsed(), SILENT);
        assert_eq!(starts.0.available_permits(), AT_ONCE);
        assert!(tokio::time::timeout(Duration::from_secs(60), silent.outlasted()).await.is_err(), "only once");
    }
}
