//! Between a thread that may block and tasks that may not: pieces of bytes, a bounded number of them.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc;

/// What is handed over at a time.
const PIECE: usize = 256 * 1024;
/// Pieces that may wait. With those being filled and emptied, about a megabyte and a half for each transfer.
const WAITING: usize = 4;

pub enum Piece {
    Data(Bytes),
    /// All is said. A pipe that ends without it was cut short.
    End,
}

pub fn channel<T>() -> (mpsc::Sender<T>, mpsc::Receiver<T>) {
    mpsc::channel(WAITING)
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads any more")
}

/// The blocking thread's end of a pipe out of it.
pub struct PipeWriter<T> {
    sender: mpsc::Sender<T>,
    wrap: fn(Bytes) -> T,
    buffer: BytesMut,
}

impl<T> PipeWriter<T> {
    pub fn new(sender: mpsc::Sender<T>, wrap: fn(Bytes) -> T) -> Self {
        Self { sender, wrap, buffer: BytesMut::new() }
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = self.buffer.split().freeze();
        self.sender.blocking_send((self.wrap)(piece)).map_err(|_| gone())
    }
}

impl<T> Write for PipeWriter<T> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // Each piece is of this size, so that a reader never has to join small ones.
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(PIECE);
        }
        let room = PIECE.saturating_sub(self.buffer.len()).min(data.len());
        self.buffer.extend_from_slice(data.get(..room).unwrap_or_default());
        if self.buffer.len() >= PIECE {
            self.send()?;
        }
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.send() }
    }
}

/// The blocking thread's end of a pipe into it.
pub struct PipeReader {
    receiver: mpsc::Receiver<Piece>,
    current: Bytes,
    ended: bool,
    /// How many of the last bytes were zero: what an archive ends with.
    zeros: usize,
}

impl PipeReader {
    pub fn new(receiver: mpsc::Receiver<Piece>) -> Self {
        Self { receiver, current: Bytes::new(), ended: false, zeros: 0 }
    }

    pub fn trailing_zeros(&self) -> usize {
        self.zeros
    }

    fn next(&mut self) -> io::Result<()> {
        match self.receiver.blocking_recv() {
            Some(Piece::Data(data)) => {
                let zeros = data.iter().rev().take_while(|byte| **byte == 0).count();
                self.zeros = if zeros == data.len() { self.zeros.saturating_add(zeros) } else { zeros };
                self.current = data;
                Ok(())
            }
            Some(Piece::End) => {
                self.ended = true;
                Ok(())
            }
            None => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the stream was cut short")),
        }
    }
}

impl Read for PipeReader {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            self.next()?;
        }
        let length = room.len().min(self.current.len());
        if let (Some(room), Some(data)) = (room.get_mut(..length), self.current.get(..length)) {
            room.copy_from_slice(data);
        }
        self.current.advance(length);
        Ok(length)
    }
}
