//! What a passenger of OpenSSH's master can have besides sessions: connections to somewhere behind the server, and listeners
//! there.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, Join, ReadBuf, join};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{Receiver, Sender, pipe};
use tokio::time::timeout;

use super::client;
use super::descriptor::send_descriptor;
use super::packet::{ForwardRequest, Reply, Request};
use super::passenger::PassengerConnection;
use super::wire::{malformed, read_packet};
use crate::error::{Error, Phase, Reached};

/// One connection from the server to somewhere. It ends when it is dropped.
pub struct Passage {
    pub from_server: Receiver,
    pub to_server: Sender,
    /// The master hangs up when the connection is over at the other side.
    pub control: UnixStream,
}

/// The same as one stream.
pub struct PassageStream {
    io: Join<Receiver, Sender>,
    /// Its end is the master's word that all is over, which the pipes say as well; ours is our word.
    _control: UnixStream,
}

impl Passage {
    pub fn into_stream(self) -> PassageStream {
        let Self { from_server, to_server, control } = self;
        PassageStream { io: join(from_server, to_server), _control: control }
    }
}

impl AsyncRead for PassageStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for PassageStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Why there is none.
#[derive(Debug)]
pub enum NoPassage {
    /// In the master's words, which never say why.
    Refused(String),
    Failed(Error),
}

impl PassengerConnection {
    /// A connection from the server to `host` and `port`. Dropping the future leaves nothing open: the master looks at the
    /// control socket when the server has answered.
    pub async fn passage(&self, host: &str, port: u16) -> Result<Passage, NoPassage> {
        let request = Request::StdioForward { id: 0, host: Bytes::copy_from_slice(host.as_bytes()), port: port.into() };
        self.bounded(async {
            let (theirs_in, from_server, to_server, theirs_out) = pipes()?;
            let mut control = client::greeted(self.path(), self.open_timeout()).await?.0;
            control.write_all(&request.encode()).await?;
            for descriptor in [theirs_in.into_blocking_fd()?, theirs_out.into_blocking_fd()?] {
                send_descriptor(&control, &descriptor).await?;
            }
            Ok(match answer(&mut control).await? {
                Reply::SessionOpened { id: 0, .. } => Ok(Passage { from_server, to_server, control }),
                other => Err(refusal(other)?),
            })
        })
        .await
    }

    /// Has the server listen, by way of the master, which goes on after we have left. Answers the port the server has chosen,
    /// if it was to choose one.
    pub async fn have_listen(&self, forward: ForwardRequest) -> Result<Option<u32>, NoPassage> {
        self.order(Request::OpenForward { id: 0, forward }).await
    }

    /// Undoes [`have_listen`](Self::have_listen).
    pub async fn have_closed(&self, forward: ForwardRequest) -> Result<(), NoPassage> {
        self.order(Request::CloseForward { id: 0, forward }).await.map(drop)
    }

    async fn order(&self, request: Request) -> Result<Option<u32>, NoPassage> {
        self.bounded(async {
            let mut control = client::greeted(self.path(), self.open_timeout()).await?.0;
            control.write_all(&request.encode()).await?;
            Ok(match answer(&mut control).await? {
                Reply::Ok { id: 0 } => Ok(None),
                Reply::RemotePort { id: 0, port } => Ok(Some(port)),
                other => Err(refusal(other)?),
            })
        })
        .await
    }

    /// Within the time there is for opening a channel. What breaks meanwhile is the master.
    async fn bounded<T>(&self, asking: impl Future<Output = io::Result<Result<T, String>>>) -> Result<T, NoPassage> {
        let limit = self.open_timeout();
        match timeout(limit, asking).await {
            Ok(Ok(answered)) => answered.map_err(NoPassage::Refused),
            Ok(Err(error)) => Err(NoPassage::Failed(self.lost(Phase::OpenChannel, Some(Arc::new(error))))),
            Err(_) => Err(NoPassage::Failed(Error::Timeout {
                phase: Phase::OpenChannel,
                limit,
                reached: Reached::No,
                source: None,
            })),
        }
    }
}

/// What the master reads from, what we read from, what we write to, what the master writes to.
fn pipes() -> io::Result<(Receiver, Receiver, Sender, Sender)> {
    let (to_server, theirs_in) = pipe()?;
    let (theirs_out, from_server) = pipe()?;
    Ok((theirs_in, from_server, to_server, theirs_out))
}

async fn answer(control: &mut UnixStream) -> io::Result<Reply> {
    let packet = read_packet(control).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Reply::decode(packet).ok_or_else(|| malformed("an unknown message"))
}

fn refusal(reply: Reply) -> io::Result<String> {
    match reply {
        Reply::Failure { reason, .. } | Reply::PermissionDenied { reason, .. } => Ok(reason),
        _ => Err(malformed("something else than an answer")),
    }
}
