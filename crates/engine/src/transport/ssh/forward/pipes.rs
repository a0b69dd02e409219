//! The server's ends of connections that somebody else's master carries.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, pipe::Receiver};

use super::far::{Arrival, Gone};

const PIECE: usize = 64 * 1024;

pub async fn write_all(to: &mut (impl AsyncWrite + Unpin), data: &[u8]) -> Result<(), Gone> {
    to.write_all(data).await.map_err(|_| Gone)
}

/// Data comes by the pipe; that all is over, by the end of the control socket.
pub struct PassageReader {
    pipe: Receiver,
    control: UnixStream,
    buffer: BytesMut,
    finished: bool,
}

impl PassageReader {
    pub fn new(pipe: Receiver, control: UnixStream) -> Self {
        Self { pipe, control, buffer: BytesMut::new(), finished: false }
    }

    pub async fn next(&mut self) -> Arrival {
        if self.finished {
            crate::transport::ssh::mux::until_gone(&self.control).await;
            return Arrival::End;
        }
        self.buffer.reserve(PIECE);
        match data(self.pipe.read_buf(&mut self.buffer).await, &mut self.buffer) {
            Some(data) => Arrival::Data(data),
            None => {
                self.finished = true;
                Arrival::Eof
            }
        }
    }
}

/// A socket has one end for both directions: after the data it tells nothing more, and a write that fails tells the rest.
pub struct SocketReader {
    socket: OwnedReadHalf,
    buffer: BytesMut,
    finished: bool,
}

impl SocketReader {
    pub fn new(socket: OwnedReadHalf) -> Self {
        Self { socket, buffer: BytesMut::new(), finished: false }
    }

    pub async fn next(&mut self) -> Arrival {
        if self.finished {
            return std::future::pending().await;
        }
        self.buffer.reserve(PIECE);
        match data(self.socket.read_buf(&mut self.buffer).await, &mut self.buffer) {
            Some(data) => Arrival::Data(data),
            None => {
                self.finished = true;
                Arrival::Eof
            }
        }
    }
}

/// `None` at the end, whichever way it came.
fn data(read: io::Result<usize>, buffer: &mut BytesMut) -> Option<Bytes> {
    matches!(read, Ok(1..)).then(|| buffer.split().freeze())
}
