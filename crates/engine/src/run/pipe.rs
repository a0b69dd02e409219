use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// What a reader may leave unread before the command has to wait.
const LIMIT: usize = 1024 * 1024;
/// The most one read yields: enough to be worth a crossing into JavaScript.
const BATCH: usize = 256 * 1024;

/// One output stream on its way to its reader, who may be slow.
#[derive(Debug, Default)]
pub struct Pipe {
    state: Mutex<State>,
    /// Something to read, or the end.
    readable: Notify,
    /// Room again.
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    ended: bool,
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
        drop(state);
        self.readable.notify_one();
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
        }
    }

    /// The reader wants no more: the command must not wait for it.
    pub fn discard(&self) {
        *self.state.lock() = State { unread: true, ended: true, ..State::default() };
        self.room.notify_one();
        self.readable.notify_one();
    }

    fn take(&self) -> Option<Bytes> {
        let mut state = self.state.lock();
        let first = state.pieces.pop_front()?;
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
