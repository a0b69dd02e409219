use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};

#[cfg(unix)]
use super::pipes::{PassageReader, SocketReader, write_all};
#[cfg(unix)]
use crate::transport::ssh::mux::Passage;

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
                    Some(ChannelMsg::Close) | None => return Arrival::End,
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
        while !matches!(self.next().await, Arrival::End) {}
    }

    /// Both directions have finished: waits until what we wrote is on its way whatever we do. A master does not read a pipe to
    /// its end when we hang up; a channel and a socket deliver what was written before.
    pub async fn until_delivered(&mut self) {
        match self {
            Self::Channel(_) => {}
            #[cfg(unix)]
            Self::Socket(_) => {}
            #[cfg(unix)]
            Self::Passage(_) => self.until_closed().await,
        }
    }

    /// After our CLOSE: what still comes must be taken, or it would hold up the channel's siblings. Other ends are simply
    /// dropped.
    pub async fn farewell(mut self) {
        match &self {
            Self::Channel(_) => self.until_closed().await,
            #[cfg(unix)]
            Self::Passage(_) | Self::Socket(_) => {}
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
    pub async fn close(self) {
        match self {
            Self::Channel(writer) => {
                let _ = writer.close().await;
            }
            // That they are dropped says it.
            #[cfg(unix)]
            Self::Passage(_) | Self::Socket(_) => {}
        }
    }
}
