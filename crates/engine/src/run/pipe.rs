use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// What a reader may leave unread before the command has to wait.
const LIMIT: usize = 1024 * 1024;
/// The most one read yields: enough to be worth a crossing into JavaScript.
const BATCH: usize = 256 * 1024;

/// The least that counts as part of a flood: a packet of the usual size.
const GOOD: usize = 32 * 1024;
/// How soon after one piece the next one has to come for that, and how long is waited for more.
const SOON: Duration = Duration::from_millis(1);

/// One output stream on its way to its reader, who may be slow.
#[derive(Debug, Default)]
pub struct Pipe {
    state: Mutex<State>,
    /// Something to read, or the end.
    readable: Notify,
    /// A whole batch to read, or the end.
    plenty: Notify,
    /// Room again.
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    ended: bool,
    /// When the reader last took a good piece: the next one that comes soon makes it a flood.
    flood_since: Option<Instant>,
    /// Nobody will read any more: what comes is dropped.
    unread: bool,
}

impl Pipe {
    /// Takes what arrived, whether there is room or not: see [`has_room`](Self::has_room).
    pub(crate) fn push(&self, data: Bytes) {
        let mut state = self.state.lock();
        if state.unread || data.is_empty() {
            return;
        }
        state.bytes += data.len();
        state.pieces.push_back(data);
        let plenty = state.bytes >= BATCH;
        drop(state);
        self.readable.notify_one();
        if plenty {
            self.plenty.notify_one();
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.state.lock().bytes < LIMIT
    }

    /// Resolves when there is room. Cancel-safe.
    pub(crate) async fn until_room(&self) {
        while !self.has_room() {
            self.room.notified().await;
        }
    }

    /// Nothing more will come.
    pub(crate) fn end(&self) {
        self.state.lock().ended = true;
        self.readable.notify_one();
        self.plenty.notify_one();
    }

    /// What has arrived, up to a batch; waits for something; `None` at the end. For one reader at a time. Cancel-safe.
    pub async fn read(&self) -> Option<Bytes> {
        loop {
            if let Some(data) = self.take() {
                self.room.notify_one();
                return Some(data);
            }
            if self.state.lock().ended {
                return None;
            }
            self.readable.notified().await;
            self.gather().await;
        }
    }

    /// In a flood, the next pieces are let in first: a crossing into JavaScript costs more than all of them. The first piece
    /// after a pause is handed on at once.
    async fn gather(&self) {
        let waits = {
            let state = self.state.lock();
            !state.ended && state.bytes < BATCH && state.flood_since.is_some_and(|since| since.elapsed() < SOON)
        };
        if waits {
            // Whichever it is, what is there is read then.
            let _ = timeout(SOON, self.plenty.notified()).await;
        }
    }

    /// The reader wants no more: the command must not wait for it.
    pub fn discard(&self) {
        *self.state.lock() = State { unread: true, ended: true, ..State::default() };
        self.room.notify_one();
        self.readable.notify_one();
        self.plenty.notify_one();
    }

    fn take(&self) -> Option<Bytes> {
        let mut state = self.state.lock();
        let first = state.pieces.pop_front()?;
        state.flood_since = (state.bytes >= GOOD).then(Instant::now);
        state.bytes -= first.len();
        if state.pieces.is_empty() || first.len() >= BATCH {
            return Some(first);
        }
        let mut batch = BytesMut::from(first);
        while let Some(next) = state.pieces.pop_front_if(|next| batch.len() + next.len() <= BATCH) {
            state.bytes -= next.len();
            batch.extend_from_slice(&next);
        }
        Some(batch.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_pieces_are_read_together_in_order() {
        let pipe = Pipe::default();
        for piece in ["a", "b", "c"] {
            pipe.push(Bytes::from_static(piece.as_bytes()));
        }
        pipe.end();
        assert_eq!(pipe.read().await.unwrap(), "abc");
        assert!(pipe.read().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_read_in_batches_and_its_end_at_once() {
        let pipe = std::sync::Arc::new(Pipe::default());
        let good = || Bytes::from(vec![0; GOOD]);
        pipe.push(good());
        assert_eq!(pipe.read().await.unwrap().len(), GOOD);
        let reader = std::sync::Arc::clone(&pipe);
        let reading = tokio::spawn(async move { (reader.read().await, reader.read().await) });
        tokio::task::yield_now().await;
        for _ in 0..BATCH / GOOD {
            pipe.push(good());
            tokio::task::yield_now().await;
        }
        pipe.push(Bytes::from_static(b"last"));
        pipe.end();
        let (first, second) = reading.await.unwrap();
        assert_eq!((first.unwrap().len(), second.unwrap().len()), (BATCH, 4));
        assert!(pipe.read().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_after_a_pause_is_read_at_once() {
        let pipe = Pipe::default();
        pipe.push(Bytes::from(vec![0; GOOD]));
        pipe.read().await.unwrap();
        tokio::time::sleep(SOON).await;
        let begun = Instant::now();
        let (read, ()) = tokio::join!(pipe.read(), async { pipe.push(Bytes::from_static(b"x")) });
        assert_eq!((read.unwrap(), begun.elapsed()), (Bytes::from_static(b"x"), std::time::Duration::ZERO));
    }

    #[tokio::test]
    async fn a_full_pipe_has_room_again_when_it_was_read() {
        let pipe = Pipe::default();
        pipe.push(Bytes::from(vec![0; LIMIT]));
        assert!(!pipe.has_room());
        assert_eq!(pipe.read().await.unwrap().len(), LIMIT);
        pipe.until_room().await;
    }

    #[tokio::test]
    async fn what_nobody_reads_is_dropped() {
        let pipe = Pipe::default();
        pipe.push(Bytes::from(vec![0; LIMIT]));
        pipe.discard();
        pipe.push(Bytes::from(vec![0; LIMIT]));
        assert!(pipe.has_room());
        assert!(pipe.read().await.is_none());
    }
}
