use std::sync::Arc;

use bytes::Bytes;

use super::channel::{SshChannel, SshWriter};
use super::connection::SshConnection;
#[cfg(unix)]
use super::mux::{PassengerConnection, Ride, RideWriter, SharedChannel, SharedConnection, SharedWriter};
use crate::command::Pty;
use crate::error::Error;
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Connection, OpenError, Signal};

/// A way to a server: a connection of our own, or one through a ControlMaster in another process, ours or OpenSSH's. To the
/// pool they are the same.
pub enum Link {
    Direct(Arc<SshConnection>),
    #[cfg(unix)]
    Shared(SharedConnection),
    #[cfg(unix)]
    Passenger(PassengerConnection),
}

pub enum LinkChannel {
    Direct(SshChannel),
    #[cfg(unix)]
    Shared(SharedChannel),
    #[cfg(unix)]
    Passenger(Ride),
}

#[derive(Clone)]
pub enum LinkWriter {
    Direct(SshWriter),
    #[cfg(unix)]
    Shared(SharedWriter),
    #[cfg(unix)]
    Passenger(RideWriter),
}

impl Link {
    /// The connection of our own, for what needs more than a master gives.
    pub fn direct(&self) -> Option<&Arc<SshConnection>> {
        match self {
            Self::Direct(connection) => Some(connection),
            #[cfg(unix)]
            Self::Shared(_) | Self::Passenger(_) => None,
        }
    }
}

impl LinkWriter {
    /// Asks for a subsystem; the answer comes as for a command.
    pub async fn subsystem(&self, name: &str) -> Result<(), Error> {
        match self {
            Self::Direct(writer) => writer.subsystem(name).await,
            #[cfg(unix)]
            Self::Passenger(writer) => writer.subsystem(name),
            #[cfg(unix)]
            Self::Shared(writer) => writer.subsystem(name),
        }
    }
}

/// The same call, whatever it is made on.
macro_rules! each {
    ($self:expr, $kind:ident, $inner:ident => $call:expr) => {
        match $self {
            $kind::Direct($inner) => $call,
            #[cfg(unix)]
            $kind::Shared($inner) => $call,
            #[cfg(unix)]
            $kind::Passenger($inner) => $call,
        }
    };
}

impl Connection for Link {
    type Channel = LinkChannel;

    async fn open(&self) -> Result<LinkChannel, OpenError> {
        match self {
            Self::Direct(connection) => connection.open().await.map(LinkChannel::Direct),
            #[cfg(unix)]
            Self::Shared(connection) => connection.open().await.map(LinkChannel::Shared),
            #[cfg(unix)]
            Self::Passenger(connection) => connection.open().await.map(LinkChannel::Passenger),
        }
    }

    async fn closed(&self) -> Option<Error> {
        each!(self, Self, link => link.closed().await)
    }

    async fn ping(&self) -> Result<(), Error> {
        each!(self, Self, link => link.ping().await)
    }

    fn is_closed(&self) -> bool {
        each!(self, Self, link => link.is_closed())
    }

    fn most_channels(&self) -> Option<usize> {
        each!(self, Self, link => link.most_channels())
    }

    fn is_single(&self) -> bool {
        each!(self, Self, link => link.is_single())
    }

    async fn close(&self) {
        each!(self, Self, link => link.close().await);
    }
}

impl Channel for LinkChannel {
    type Writer = LinkWriter;

    fn writer(&self) -> LinkWriter {
        match self {
            Self::Direct(channel) => LinkWriter::Direct(channel.writer()),
            #[cfg(unix)]
            Self::Shared(channel) => LinkWriter::Shared(channel.writer()),
            #[cfg(unix)]
            Self::Passenger(channel) => LinkWriter::Passenger(channel.writer()),
        }
    }

    async fn next(&mut self) -> Option<ChannelEvent> {
        each!(self, Self, channel => channel.next().await)
    }
}

impl ChannelWriter for LinkWriter {
    async fn pty(&self, pty: &Pty) -> Result<(), Error> {
        each!(self, Self, writer => writer.pty(pty).await)
    }

    async fn resize(&self, columns: u32, rows: u32) -> Result<(), Error> {
        each!(self, Self, writer => writer.resize(columns, rows).await)
    }

    async fn exec(&self, line: Vec<u8>) -> Result<(), Error> {
        each!(self, Self, writer => writer.exec(line).await)
    }

    async fn write(&self, data: Bytes) -> Result<(), Error> {
        each!(self, Self, writer => writer.write(data).await)
    }

    async fn eof(&self) -> Result<(), Error> {
        each!(self, Self, writer => writer.eof().await)
    }

    async fn signal(&self, signal: Signal) -> Result<(), Error> {
        each!(self, Self, writer => writer.signal(signal).await)
    }

    async fn close(&self) -> Result<(), Error> {
        each!(self, Self, writer => writer.close().await)
    }
}
