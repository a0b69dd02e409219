//! What to do about a visitor that does not keep up with its command. russh has one reader for a connection, so output that
//! is not taken off it holds up whatever else runs there.
//!
//! Up to 8 MiB wait in memory. Then the connection waits for a visitor that reads, if slowly, and after a while takes nothing
//! new. For one that reads nothing at all it does not wait while others run there: what comes goes into memory, until 64 MiB
//! are reached. Alone, a visitor may pause for as long as it likes.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

const ROOM: usize = 8 * 1024 * 1024;
const MOST: usize = 64 * 1024 * 1024;
/// How long a connection may be held up before it takes nothing new.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a visitor may read nothing before the others matter more.
const STALLED: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Take what comes.
    Read,
    /// Take nothing until the visitor has.
    Wait,
    /// Others suffer, and there is no more room.
    End,
}

pub struct Congestion {
    waiting: usize,
    taken: usize,
    /// When the visitor last took something.
    progress: Instant,
    /// Since when it has been lagging.
    since: Option<Instant>,
}

impl Congestion {
    pub fn new() -> Self {
        Self { waiting: 0, taken: 0, progress: Instant::now(), since: None }
    }

    /// So many bytes wait, and so many has the visitor taken so far.
    pub fn note(&mut self, waiting: usize, taken: usize) {
        let now = Instant::now();
        if taken != self.taken || waiting == 0 {
            self.progress = now;
        }
        (self.waiting, self.taken) = (waiting, taken);
        if waiting >= ROOM {
            self.since.get_or_insert(now);
        } else if waiting < ROOM / 2 {
            self.since = None;
        }
    }

    pub fn is_full(&self) -> bool {
        self.waiting >= ROOM
    }

    /// It has lagged for too long for anything new to come to its connection.
    pub fn lasts(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= PATIENCE)
    }

    /// `alone`: does nothing else run on the connection?
    pub fn verdict(&self, alone: impl FnOnce() -> bool) -> Verdict {
        if !self.is_full() {
            Verdict::Read
        } else if self.progress.elapsed() < STALLED || alone() {
            Verdict::Wait
        } else if self.waiting < MOST {
            Verdict::Read
        } else {
            Verdict::End
        }
    }

    /// Resolves when the judgement may be another one although nothing has happened. Cancel-safe.
    pub async fn look_again(&self) {
        let now = Instant::now();
        let lasts = self.since.map(|since| since + PATIENCE);
        let stalled = self.is_full().then(|| self.progress + STALLED);
        match [lasts, stalled].into_iter().flatten().filter(|at| *at > now).min() {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(waiting: usize) -> Congestion {
        let mut congestion = Congestion::new();
        congestion.note(waiting, 0);
        congestion
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_keeps_up_again_is_forgiven() {
        let mut congestion = full(ROOM);
        congestion.look_again().await;
        assert!(congestion.lasts());
        congestion.note(ROOM / 2 - 1, ROOM / 2 + 1);
        assert!(!congestion.lasts());
        assert_eq!(congestion.verdict(|| false), Verdict::Read);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_waited_for_however_long_it_takes() {
        let mut congestion = full(ROOM);
        for second in 1..100 {
            tokio::time::advance(STALLED - Duration::from_millis(1)).await;
            congestion.note(ROOM, second);
            assert_eq!(congestion.verdict(|| false), Verdict::Wait);
        }
        assert!(congestion.lasts(), "nothing new comes to its connection");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_reads_nothing_holds_up_nobody_for_long() {
        let mut congestion = full(ROOM);
        assert_eq!(congestion.verdict(|| false), Verdict::Wait);
        congestion.look_again().await;
        congestion.look_again().await;
        assert_eq!(congestion.verdict(|| false), Verdict::Read);
        assert_eq!(congestion.verdict(|| true), Verdict::Wait, "alone it may");
        congestion.note(MOST, 0);
        assert_eq!(congestion.verdict(|| false), Verdict::End);
        assert_eq!(congestion.verdict(|| true), Verdict::Wait);
    }
}
