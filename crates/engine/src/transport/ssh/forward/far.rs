use std::time::Duration;

use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::time::timeout;

#[cfg(unix)]
use super::pipes::{PassageReader, SocketReader, write_all};
#[cfg(unix)]
use crate::transport::ssh::mux::Passage;

/// For the server to close a channel that both sides have finished.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The server's end of one client connection.
pub enum Far {
    Channel(Channel<Msg>),
    /// By way of OpenSSH's master.
    #[cfg(unix)]
    Passage(Passage),
    /// Brought by it.
    #[cfg(unix)]
    Socket(tokio::net::UnixStream),
}

/// What comes from there.
pub enum Arrival {
    Data(Bytes),
    /// No more data; the other direction may go on.
    Eof,
    /// Nothing goes either way any more.
    End,
    /// The same, with the connection.
    Lost,
}

pub enum FarReader {
    Channel(ChannelReadHalf),
    #[cfg(unix)]
    Passage(PassageReader),
    #[cfg(unix)]
    Socket(SocketReader),
}

pub enum FarWriter {
    Channel(ChannelWriteHalf<Msg>),
    /// Absent once it has been closed, which is how a pipe says so.
    #[cfg(unix)]
    Passage(Option<tokio::net::unix::pipe::Sender>),
    #[cfg(unix)]
    Socket(tokio::net::unix::OwnedWriteHalf),
}

/// The connection is gone.
pub struct Gone;

impl Far {
    pub fn split(self) -> (FarReader, FarWriter) {
        match self {
            Self::Channel(channel) => {
                let (reader, writer) = channel.split();
                (FarReader::Channel(reader), FarWriter::Channel(writer))
            }
            #[cfg(unix)]
            Self::Passage(Passage { from_server, to_server, control }) => {
                let reader = PassageReader::new(from_server, control);
                (FarReader::Passage(reader), FarWriter::Passage(Some(to_server)))
            }
            #[cfg(unix)]
            Self::Socket(socket) => {
                let (reader, writer) = socket.into_split();
                (FarReader::Socket(SocketReader::new(reader)), FarWriter::Socket(writer))
            }
        }
    }
}

impl FarReader {
    /// Cancel-safe.
    pub async fn next(&mut self) -> Arrival {
        match self {
            Self::Channel(reader) => loop {
                match reader.wait().await {
                    Some(ChannelMsg::Data { data }) => return Arrival::Data(data),
                    Some(ChannelMsg::Eof) => return Arrival::Eof,
                    Some(ChannelMsg::Close) => return Arrival::End,
                    None => return Arrival::Lost,
                    Some(_) => {}
                }
            },
            #[cfg(unix)]
            Self::Passage(reader) => reader.next().await,
            #[cfg(unix)]
            Self::Socket(reader) => reader.next().await,
        }
    }

    /// Reads and discards until the server's CLOSE, or the end of the connection.
    pub async fn until_closed(&mut self) {
        while !matches!(self.next().await, Arrival::End | Arrival::Lost) {}
    }

    /// Both directions have finished. A channel's place is the server's to clear; where it does not in time, we do. A master
    /// does not read a pipe to its end when we hang up, so what we wrote must be on its way first; a socket delivers it by itself.
    pub async fn until_cleared(&mut self) {
        match self {
            Self::Channel(_) => {
                let _ = timeout(LAST_WORD, self.until_closed()).await;
            }
            #[cfg(unix)]
            Self::Passage(_) => self.until_closed().await,
            #[cfg(unix)]
            Self::Socket(_) => {}
        }
    }
}

impl FarWriter {
    /// Waits for room at the other side.
    pub async fn write(&mut self, data: Bytes) -> Result<(), Gone> {
        match self {
            Self::Channel(writer) => writer.data_bytes(data).await.map_err(|_| Gone),
            #[cfg(unix)]
            Self::Passage(Some(pipe)) => write_all(pipe, &data).await,
            #[cfg(unix)]
            Self::Passage(None) => Err(Gone),
            #[cfg(unix)]
            Self::Socket(socket) => write_all(socket, &data).await,
        }
    }

    /// No more data from here.
    pub async fn eof(&mut self) -> Result<(), Gone> {
        match self {
            Self::Channel(writer) => writer.eof().await.map_err(|_| Gone),
            #[cfg(unix)]
            Self::Passage(pipe) => {
                *pipe = None;
                Ok(())
            }
            #[cfg(unix)]
            Self::Socket(socket) => tokio::io::AsyncWriteExt::shutdown(socket).await.map_err(|_| Gone),
        }
    }

    /// Nothing more either way. A failing write means that the connection is gone, and its other end knows.
    pub async fn close(mut self) {
        if let Self::Channel(writer) = &self {
            let _ = writer.close().await;
        } else {
            let _ = self.eof().await;
        }
    }
}
