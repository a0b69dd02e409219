//! The input of one command, between the connection's reader and the process.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// How much unread input one command may pile up before its connection has to wait.
const BACKLOG: usize = 64 << 20;

enum Piece {
    Data(Bytes, OwnedSemaphorePermit),
    End,
}

/// Where the connection puts what arrives for a command.
#[derive(Clone)]
pub(super) struct StdinQueue {
    pieces: mpsc::UnboundedSender<Piece>,
    room: Arc<Semaphore>,
}

/// Where the command takes its input from. Dropping it lets further input fall on the floor.
pub(super) struct StdinSource {
    pieces: mpsc::UnboundedReceiver<Piece>,
    room: Arc<Semaphore>,
}

pub(super) fn queue() -> (StdinQueue, StdinSource) {
    let room = Arc::new(Semaphore::new(BACKLOG));
    let (sender, receiver) = mpsc::unbounded_channel();
    let queue = StdinQueue { pieces: sender, room: Arc::clone(&room) };
    (queue, StdinSource { pieces: receiver, room })
}

impl StdinQueue {
    /// Waits only when the backlog is full. What arrives after the command has ended is dropped, as a server must.
    pub(super) async fn push(&self, data: &[u8]) {
        let Ok(size) = u32::try_from(data.len()) else {
            return;
        };
        if let Ok(permit) = Arc::clone(&self.room).acquire_many_owned(size).await {
            self.send(Piece::Data(Bytes::copy_from_slice(data), permit));
        }
    }

    pub(super) fn end(&self) {
        self.send(Piece::End);
    }

    fn send(&self, piece: Piece) {
        if self.pieces.send(piece).is_err() {
            tracing::trace!("input for a command that has ended");
        }
    }
}

impl StdinSource {
    /// Writes the input to the process until its end; closing the pipe is the process's end of file.
    pub(super) async fn feed(mut self, mut pipe: ChildStdin) {
        while let Some(Piece::Data(data, _permit)) = self.pieces.recv().await {
            if let Err(error) = pipe.write_all(&data).await {
                tracing::trace!(%error, "the command reads no more input");
                return;
            }
        }
    }
}

impl Drop for StdinSource {
    fn drop(&mut self) {
        self.room.close();
    }
}
