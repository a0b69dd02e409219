//! The line to a server, whatever it runs over, and what can be said about it when it breaks.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use russh::ChannelOpenFailure;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::connection::{SshConnection, SshTransport};
use super::dial::{Cutter, dial};
use super::link::Link;
#[cfg(unix)]
use super::mux::NoPassage;
use super::proxy::{self, ProxyCommand, Report};
use super::quick_ack::QuickAck;
use super::route::{Jump, Route, address};
use super::target::{KeepAlive, SshTarget};
use crate::error::{Cause, Error, Kind, Phase, Reached};
use crate::pool::{Hold, Hops};
#[cfg(unix)]
use crate::transport::Connection;

/// Connections to a hop that were found dead, after which we give up.
const MAX_DEAD_HOPS: u32 = 3;
/// For the reason of a break to become known after the break itself: a process has to be reaped and its last words read,
const COMMAND_HINDSIGHT: Duration = Duration::from_millis(400);
/// while a hop that is gone knows it before its channels do. One that is alive costs this much time.
const HOP_HINDSIGHT: Duration = Duration::from_millis(50);

/// What russh reads and writes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub struct Wire {
    pub stream: Box<dyn Stream>,
    pub cut: Cut,
    pub carrier: Carrier,
}

/// Ends the traffic when dropped, whatever russh is doing.
#[expect(dead_code, reason = "dropping them is what counts")]
pub enum Cut {
    Socket(Cutter),
    Other(oneshot::Sender<()>),
}

/// What our line runs through.
pub enum Carrier {
    Network,
    Command(Arc<Report>),
    Hop {
        name: String,
        hold: Hold<SshTransport>,
    },
    /// It has been let go; what was to blame, if anything was.
    Gone(Option<Cause>),
}

/// Opens the line that the target's route asks for.
pub async fn open(target: &SshTarget, hops: &Hops<SshTransport>) -> Result<Wire, Error> {
    let (host, port) = (target.host.as_str(), target.port);
    match &target.route {
        Route::Direct => socket(dial(host, port).await?, target),
        Route::Proxy(through) => socket(proxy::connect(through, host, port).await?, target),
        Route::Command(line) => {
            let (command, report) = ProxyCommand::start(line).map_err(|error| unusable_command(target, error))?;
            Ok(Wire::cuttable(command, Carrier::Command(report)))
        }
        Route::Jump(jump) => through_hop(jump, target, hops).await,
    }
}

fn socket(stream: TcpStream, target: &SshTarget) -> Result<Wire, Error> {
    let unusable = |error: io::Error| Error::Handshake {
        address: address(&target.host, target.port),
        dropped: false,
        source: Arc::new(error),
    };
    let (stream, cutter) = Cutter::attach(stream).map_err(unusable)?;
    if let Some(KeepAlive { interval, count_max }) = target.keep_alive {
        let silence = interval.saturating_mul(u32::try_from(count_max).unwrap_or(u32::MAX));
        cutter.give_up_after(silence).map_err(unusable)?;
    }
    Ok(Wire { stream: Box::new(QuickAck::new(stream)), cut: Cut::Socket(cutter), carrier: Carrier::Network })
}

async fn through_hop(jump: &Jump, target: &SshTarget, hops: &Hops<SshTransport>) -> Result<Wire, Error> {
    let name = jump.name();
    let failed = |error: Error| Error::JumpHost { hop: name.clone(), source: Arc::new(error) };
    let mut dead = 0;
    loop {
        let hold = hops.borrow(&jump.request()).await.map_err(failed)?;
        let lost = match opened_by(hold.connection(), target, &name).await {
            Ok(stream) => return Ok(Wire::cuttable(stream, Carrier::Hop { name, hold })),
            Err(NotOpened::For(error)) => return Err(error),
            Err(NotOpened::Dead(error)) => error,
        };
        hold.suspect();
        dead += 1;
        if dead >= MAX_DEAD_HOPS {
            return Err(failed(lost));
        }
    }
}

/// Why a hop has not connected us.
enum NotOpened {
    /// Another connection to it would do no better.
    For(Error),
    /// Its own is gone.
    Dead(Error),
}

/// A line through `hop`, over a connection of our own or by way of somebody else's master.
async fn opened_by(hop: &Link, target: &SshTarget, name: &str) -> Result<Box<dyn Stream>, NotOpened> {
    match hop {
        Link::Direct(hop) => opened_directly(hop, target, name).await,
        #[cfg(unix)]
        Link::Passenger(master) => match master.passage(&target.host, target.port).await {
            Ok(passage) => Ok(Box::new(passage.into_stream())),
            Err(NoPassage::Failed(error)) => Err(NotOpened::Dead(error)),
            Err(NoPassage::Refused(words)) => Err(NotOpened::For(Error::JumpRefused {
                hop: name.to_owned(),
                address: address(&target.host, target.port),
                problem: format!(
                    "the ControlMaster we reach it by says only \"{words}\": it may be forbidden there, or nothing answers"
                ),
                prohibited: false,
            })),
        },
        #[cfg(unix)]
        Link::Shared(_) => Err(NotOpened::For(Error::Internal { what: "a hop by a connection that is for sessions" })),
    }
}

async fn opened_directly(
    hop: &Arc<SshConnection>,
    target: &SshTarget,
    name: &str,
) -> Result<Box<dyn Stream>, NotOpened> {
    let handle = hop.handle();
    let (host, port) = (target.host.clone(), u32::from(target.port));
    // A task, because a channel that opens after we have left must still be closed: the stream does that when dropped.
    let opening = tokio::spawn(async move {
        handle.channel_open_direct_tcpip(host, port, "127.0.0.1", 0).await.map(russh::Channel::into_stream)
    });
    match opening.await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(russh::Error::ChannelOpenFailure(reason))) => {
            Err(NotOpened::For(refused(name.to_owned(), target, reason)))
        }
        Ok(Err(error)) => Err(NotOpened::Dead(hop.lost(Phase::OpenChannel, Some(Arc::new(error))))),
        Err(_) => Err(NotOpened::For(Error::Internal { what: "opening a channel through a jump host" })),
    }
}

fn refused(hop: String, target: &SshTarget, reason: ChannelOpenFailure) -> Error {
    let prohibited = matches!(reason, ChannelOpenFailure::AdministrativelyProhibited);
    let problem = match reason {
        ChannelOpenFailure::AdministrativelyProhibited => {
            "it is not allowed there; check AllowTcpForwarding and PermitOpen, and the options of the key".to_owned()
        }
        ChannelOpenFailure::ConnectFailed => "nothing answers there; check host and port as seen from it".to_owned(),
        other => format!("{other:?}"),
    };
    Error::JumpRefused { hop, address: address(&target.host, target.port), problem, prohibited }
}

fn unusable_command(target: &SshTarget, error: io::Error) -> Error {
    Error::Proxy {
        proxy: "The proxy command".to_owned(),
        address: address(&target.host, target.port),
        problem: "it cannot be started".to_owned(),
        kind: Kind::NotFound,
        source: Some(Arc::new(error)),
    }
}

impl Wire {
    fn cuttable(stream: impl Stream + 'static, carrier: Carrier) -> Self {
        let (sender, cut) = oneshot::channel();
        Self { stream: Box::new(Cuttable { stream, cut, is_cut: false }), cut: Cut::Other(sender), carrier }
    }
}

impl Carrier {
    /// Why the line has broken, as far as it is known by now and not the server's doing.
    pub fn fault(&self) -> Option<Cause> {
        match self {
            Self::Network => None,
            Self::Command(report) => report.epitaph().map(|text| Arc::new(Told(text)) as Cause),
            Self::Hop { name, hold } => hop_fault(name, hold).map(|error| Arc::new(error) as Cause),
            Self::Gone(fault) => fault.clone(),
        }
    }

    /// Itself, to be let go; what is left remembers its fault.
    pub fn take(&mut self) -> Self {
        let fault = self.fault();
        std::mem::replace(self, Self::Gone(fault))
    }

    /// The error of a connection that broke before it was made: the carrier's fault, if it is to blame.
    pub async fn explain(&self, error: Error, address: &str) -> Error {
        if !matches!(error, Error::Handshake { .. } | Error::ConnectionLost { .. }) || matches!(self, Self::Network) {
            return error;
        }
        self.hindsight().await;
        match self {
            Self::Network | Self::Gone(_) => error,
            Self::Command(report) => report.epitaph().map_or(error, |problem| Error::Proxy {
                proxy: "The proxy command".to_owned(),
                address: address.to_owned(),
                problem,
                kind: Kind::ConnectionLost,
                source: None,
            }),
            Self::Hop { name, hold } => hop_fault(name, hold).unwrap_or(error),
        }
    }

    /// Resolves when it is known whether it is to blame for a break that has just been noticed. Holds nothing of it.
    pub fn hindsight(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut limit = COMMAND_HINDSIGHT;
        let ended: Pin<Box<dyn Future<Output = ()> + Send>> = match self {
            Self::Network | Self::Gone(_) => Box::pin(std::future::ready(())),
            Self::Command(report) => {
                let report = Arc::clone(report);
                Box::pin(async move { report.until_ended().await })
            }
            Self::Hop { hold, .. } => {
                limit = HOP_HINDSIGHT;
                match hold.connection() {
                    Link::Direct(hop) => Box::pin(hop.until_ended()),
                    #[cfg(unix)]
                    Link::Passenger(master) => Box::pin(master.until_over()),
                    #[cfg(unix)]
                    Link::Shared(_) => Box::pin(std::future::ready(())),
                }
            }
        };
        async move {
            // A command that has not ended by then, and a hop that is alive, are not to blame.
            let _ = timeout(limit, ended).await;
        }
    }

    /// The line is closed.
    pub fn release(self) {
        if let Self::Hop { hold, .. } = self {
            hold.release();
        }
    }
}

fn hop_fault(name: &str, hold: &Hold<SshTransport>) -> Option<Error> {
    let fault = match hold.connection() {
        Link::Direct(hop) if hop.has_ended() => {
            Error::ConnectionLost { phase: Phase::Run, reached: Reached::No, source: hop.last_words() }
        }
        #[cfg(unix)]
        Link::Passenger(master) if master.is_closed() => master.lost(Phase::Run, None),
        _ => return None,
    };
    Some(Error::JumpHost { hop: name.to_owned(), source: Arc::new(fault) })
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(String);

/// A stream that ends when the other half of `cut` is dropped.
struct Cuttable<S> {
    stream: S,
    cut: oneshot::Receiver<()>,
    is_cut: bool,
}

impl<S> Cuttable<S> {
    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        self.is_cut = self.is_cut || Pin::new(&mut self.cut).poll(cx).is_ready();
        self.is_cut
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cuttable<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_cut(cx) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cuttable<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // Asked here too: a writer that waits is not reading, and nobody else would wake it.
        if self.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_cut(cx) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
