//! What waits for clients that do not read. russh has one reader for a connection, and grants a channel more window as soon
//! as its data has arrived, so data that is not taken off the connection holds up everybody's. So it is taken off, and waits
//! here; and when there is no more room for it, the client that reads nothing is cut off.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What may wait for any client.
const ROOM: usize = 2 * 1024 * 1024;
/// What may wait for all clients of a connection together.
const MOST: usize = 64 * 1024 * 1024;
/// From then on, new clients are better off elsewhere.
const CROWDED: usize = 16 * 1024 * 1024;
/// How long a client may read nothing before the others matter more.
const STALLED: Duration = Duration::from_secs(2);

/// The clients of one connection, and what waits for them.
#[derive(Default)]
pub struct Parking {
    bytes: AtomicUsize,
    users: AtomicUsize,
    /// Told when somebody comes or goes, and when one of the limits is passed.
    changes: watch::Sender<()>,
}

impl Parking {
    /// Somebody needs the connection, until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> User {
        self.users.fetch_add(1, Ordering::AcqRel);
        self.changes.send_replace(());
        User(Arc::clone(self))
    }

    fn is_alone(&self) -> bool {
        self.users.load(Ordering::Acquire) <= 1
    }

    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    fn park(&self, bytes: usize) {
        let before = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        if before < CROWDED && before + bytes >= CROWDED {
            self.changes.send_replace(());
        }
    }

    fn unpark(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if before >= MOST && before - bytes < MOST {
            self.changes.send_replace(());
        }
    }

    pub fn is_crowded(&self) -> bool {
        self.bytes() >= CROWDED
    }

    /// Cancel-safe.
    pub async fn until_crowded(&self) {
        // The sender is our own field.
        let _ = self.changes.subscribe().wait_for(|()| self.is_crowded()).await;
    }
}

/// Somebody who needs a connection.
pub struct User(Arc<Parking>);

impl Drop for User {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::AcqRel);
        self.0.changes.send_replace(());
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Take what comes.
    Read,
    /// Take nothing until the client has.
    Wait,
    /// Others suffer, and there is no more room.
    End,
}

/// What waits for one client.
pub struct Backlog<'a> {
    parking: &'a Parking,
    pieces: VecDeque<Bytes>,
    waiting: usize,
    /// When the client last took something, or had nothing to take.
    progress: Instant,
    changes: watch::Receiver<()>,
}

impl<'a> Backlog<'a> {
    pub fn new(parking: &'a Parking) -> Self {
        let changes = parking.changes.subscribe();
        Self { parking, pieces: VecDeque::new(), waiting: 0, progress: Instant::now(), changes }
    }

    pub fn push(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        if self.pieces.is_empty() {
            self.progress = Instant::now();
        }
        self.waiting += data.len();
        self.parking.park(data.len());
        self.pieces.push_back(data);
    }

    /// What is to be written next.
    pub fn front(&self) -> Option<&Bytes> {
        self.pieces.front()
    }

    /// The client has taken so much of it.
    pub fn taken(&mut self, bytes: usize) {
        let Some(front) = self.pieces.front_mut() else { return };
        let bytes = bytes.min(front.len());
        front.advance(bytes);
        if front.is_empty() {
            self.pieces.pop_front();
        }
        self.waiting -= bytes;
        self.parking.unpark(bytes);
        self.progress = Instant::now();
    }

    pub fn verdict(&self) -> Verdict {
        if self.waiting < ROOM {
            Verdict::Read
        } else if self.parking.is_alone() {
            Verdict::Wait
        } else if self.parking.bytes() < MOST {
            Verdict::Read
        } else if self.progress.elapsed() < STALLED {
            Verdict::Wait
        } else {
            Verdict::End
        }
    }

    /// Resolves when the verdict may be another one although nothing has happened here. Cancel-safe.
    pub async fn look_again(&mut self) {
        let patience = self.progress + STALLED;
        tokio::select! {
            // The sender lives as long as the parking, which we borrow.
            _ = self.changes.changed() => {}
            () = sleep_until(patience), if patience > Instant::now() => {}
        }
    }
}

impl Drop for Backlog<'_> {
    fn drop(&mut self) {
        self.parking.unpark(self.waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(length: usize) -> Bytes {
        Bytes::from(vec![0; length])
    }

    #[tokio::test(start_paused = true)]
    async fn alone_a_client_may_pause_for_as_long_as_it_likes() {
        let parking = Arc::<Parking>::default();
        let _user = parking.enter();
        let mut backlog = Backlog::new(&parking);
        backlog.push(piece(ROOM - 1));
        assert_eq!(backlog.verdict(), Verdict::Read);
        backlog.push(piece(1));
        tokio::time::advance(STALLED * 100).await;
        assert_eq!(backlog.verdict(), Verdict::Wait);
        backlog.taken(ROOM - 2);
        assert_eq!((backlog.verdict(), parking.bytes(), backlog.front()), (Verdict::Read, 2, Some(&piece(1))));
        // No more than there is of a piece.
        backlog.taken(ROOM);
        backlog.taken(ROOM);
        backlog.taken(ROOM);
        assert_eq!((parking.bytes(), backlog.front()), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_is_noticed_and_held_up_by_nobody() {
        let parking = Arc::<Parking>::default();
        let _user = parking.enter();
        let mut backlog = Backlog::new(&parking);
        backlog.push(piece(ROOM));
        tokio::time::advance(STALLED).await;
        let waits = tokio::time::timeout(STALLED, backlog.look_again()).await;
        assert!(waits.is_err(), "nothing has changed");
        let other = parking.enter();
        backlog.look_again().await;
        assert_eq!(backlog.verdict(), Verdict::Read);
        drop(other);
        backlog.look_again().await;
        assert_eq!(backlog.verdict(), Verdict::Wait);
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_limit_a_slow_client_is_waited_for_and_one_that_reads_nothing_is_cut_off() {
        let parking = Arc::<Parking>::default();
        let (_one, _other) = (parking.enter(), parking.enter());
        let (mut slow, mut stalled) = (Backlog::new(&parking), Backlog::new(&parking));
        slow.push(piece(ROOM));
        slow.push(piece(1));
        stalled.push(piece(MOST));
        assert_eq!((slow.verdict(), stalled.verdict()), (Verdict::Wait, Verdict::Wait));
        tokio::time::advance(STALLED).await;
        slow.taken(1);
        assert_eq!((slow.verdict(), stalled.verdict()), (Verdict::Wait, Verdict::End));
        drop(stalled);
        slow.look_again().await;
        assert_eq!((slow.verdict(), parking.bytes()), (Verdict::Read, ROOM));
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_is_told_of_once_it_is_one() {
        let parking = Arc::<Parking>::default();
        let mut backlog = Backlog::new(&parking);
        backlog.push(piece(CROWDED - 1));
        let told = tokio::time::timeout(STALLED, parking.until_crowded()).await;
        assert!(told.is_err());
        backlog.push(piece(1));
        parking.until_crowded().await;
        drop(backlog);
        assert!(!parking.is_crowded());
    }
}
