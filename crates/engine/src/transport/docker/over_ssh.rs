use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use russh::ChannelStream;
use russh::client::Msg;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::dial_stdio::dial_stdio;
use super::endpoint::{Bridge, Dialing};
use super::wire::BoxedIo;
use crate::error::Error;
use crate::pool::{Permit, Pool, Request};
use crate::transport::Connection;
use crate::transport::ssh::forward::{Address, ForwardError};
use crate::transport::ssh::{SshConnection, SshTransport};

/// Lines to a daemon's socket behind an SSH server, each a channel of a pooled connection: to the socket itself, or to a program
/// that connects to it where the server forwards none.
pub struct OverSsh {
    pool: Arc<Pool<SshTransport>>,
    request: Request<SshTransport>,
    socket: Address,
}

impl OverSsh {
    /// `request`: of the kind that forwards use.
    pub fn new(pool: Arc<Pool<SshTransport>>, request: Request<SshTransport>, socket_path: String) -> Self {
        Self { pool, request, socket: Address::Unix(socket_path) }
    }
}

impl Bridge for OverSsh {
    fn dial(&self) -> Dialing {
        let acquiring = self.pool.acquire(&self.request);
        let socket = self.socket.clone();
        Box::pin(async move { line(acquiring.await?, &socket).await })
    }
}

async fn line(permit: Permit<SshTransport>, socket: &Address) -> Result<BoxedIo, Error> {
    let Some(connection) = permit.connection().direct().cloned() else {
        // Through somebody else's master, which carries commands only.
        let refusal = ForwardError::Denied { to: socket.to_string() };
        permit.release();
        return Err(Error::Forward(refusal));
    };
    let opened = match connection.open_towards(socket, None).await {
        Ok(channel) => Ok(channel.into_stream()),
        // OpenSSH says of sockets that it may not forward that they cannot be reached.
        Err(Error::Forward(refusal)) => by_program(&connection, socket, refusal).await,
        Err(error) => Err(error),
    };
    match opened {
        Ok(stream) => Ok(Box::new(Carried { stream, permit: Some(permit) })),
        Err(error) => {
            if permit.connection().is_closed() {
                permit.suspect()
            } else {
                permit.release()
            }
            Err(error)
        }
    }
}

async fn by_program(
    connection: &Arc<SshConnection>,
    socket: &Address,
    refusal: ForwardError,
) -> Result<ChannelStream<Msg>, Error> {
    let Address::Unix(path) = socket else { return Err(Error::Forward(refusal)) };
    // Where that cannot be had either, the first refusal says best what to change.
    dial_stdio(connection, path).await?.ok_or(Error::Forward(refusal))
}

/// A line, and its place on the SSH connection. Dropping it closes the channel and gives the place back.
struct Carried {
    stream: ChannelStream<Msg>,
    permit: Option<Permit<SshTransport>>,
}

impl Drop for Carried {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            if permit.connection().is_closed() { permit.suspect() } else { permit.release() }
        }
    }
}

impl AsyncRead for Carried {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Carried {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
