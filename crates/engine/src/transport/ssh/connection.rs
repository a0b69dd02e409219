use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use russh::client::{self, Handle};
use russh::{Disconnect, Preferred};
use tokio::io::BufReader;
use tokio::sync::watch;
use tokio::time::timeout;

use super::algorithms::preferred;
use super::auth::{Login, NOTHING};
use super::channel::SshChannel;
use super::dial::{Cutter, dial};
use super::greeting::Greeting;
use super::handler::{End, Handler, HostKeyJudge};
use super::identity;
use super::known_hosts::{KnownHosts, host_name};
use super::link::Link;
use super::probe;
use super::quick_ack::QuickAck;
use super::spare::Spare;
use super::target::{HostKeyChecking, KeepAlive, SshTarget, Traffic};
use crate::error::{Cause, Error, Phase, Reached};
use crate::policy::most_channels;
use crate::pool::Lender;
use crate::transport::{Channel, ChannelWriter, Connection, OpenError, Transport};

/// Room for a command's output that the reader has not taken yet, per channel.
const WINDOW: u32 = 2 * 1024 * 1024;
/// For streams and files: on a long line, the window over the round trip time is all the speed there can be.
const BULK_WINDOW: u32 = 16 * 1024 * 1024;
/// The largest packet russh can handle.
const PACKET: u32 = 65_535;
/// Packets of one channel that may wait for their reader before the whole connection has to.
const CHANNEL_BUFFER: usize = 1024;
/// The same where a reader may be slow on purpose: its packets wait in the server instead.
const BULK_CHANNEL_BUFFER: usize = 64;
/// russh reads a packet in several small pieces: one system call for all that is there, instead of one for each.
const READ_BUFFER: usize = 32 * 1024;
/// For saying goodbye, and for russh's task to end after it.
const GOODBYE: Duration = Duration::from_millis(500);

/// Makes SSH connections.
#[derive(Debug, Clone, Copy, Default)]
pub struct SshTransport;

/// One authenticated SSH connection. Dropping it cuts the line.
pub struct SshConnection {
    handle: Arc<Handle<Handler>>,
    spare: Arc<Spare>,
    most_channels: Option<usize>,
    end: watch::Receiver<End>,
    /// We said goodbye ourselves: its end is no error.
    closing: AtomicBool,
    cutter: Mutex<Option<Cutter>>,
    open_timeout: Duration,
}

impl Transport for SshTransport {
    type Target = SshTarget;
    type Connection = Link;

    async fn connect(&self, target: &Arc<SshTarget>) -> Result<Link, Error> {
        #[cfg(unix)]
        if let Some(link) = super::mux::join(target).await? {
            return Ok(link);
        }
        let phase = Mutex::new(Phase::Authenticate);
        let limit = target.connect_timeout;
        match timeout(limit, establish(target, &phase)).await {
            Ok(outcome) => outcome.map(|connection| Link::Direct(Box::new(connection))),
            Err(_) => Err(Error::Timeout { phase: *phase.lock(), limit, reached: Reached::No, source: None }),
        }
    }

    #[cfg(unix)]
    fn pooled(&self, connection: &Arc<Link>, lender: Lender<Self>) {
        super::mux::offer(connection, lender);
    }
}

/// Keys first, because a bad key file is found without troubling the server; then dial, handshake, authenticate.
async fn establish(target: &Arc<SshTarget>, phase: &Mutex<Phase>) -> Result<SshConnection, Error> {
    let keys = identity::load(target).await?;
    let judge = host_key_judge(target).await?;
    let known = judge.known.algorithms(&host_name(&target.host, target.port));

    *phase.lock() = Phase::Dial;
    let address = format!("{}:{}", target.host, target.port);
    let stream = dial(&target.host, target.port).await?;
    let unusable =
        |error: std::io::Error| Error::Handshake { address: address.clone(), dropped: false, source: Arc::new(error) };
    let (stream, cutter) = Cutter::attach(stream).map_err(unusable)?;
    if let Some(KeepAlive { interval, count_max }) = target.keep_alive {
        let silence = interval.saturating_mul(u32::try_from(count_max).unwrap_or(u32::MAX));
        cutter.give_up_after(silence).map_err(unusable)?;
    }

    *phase.lock() = Phase::Handshake;
    let refusal = Arc::new(Mutex::new(None));
    let (end_sender, end) = watch::channel(End::NotYet);
    let handler = Handler { judge, refusal: Arc::clone(&refusal), end: end_sender };
    let config = Arc::new(config(target, preferred(&known)));
    let (stream, server_id) = Greeting::new(QuickAck::new(stream));
    let mut handle = client::connect_stream(config, BufReader::with_capacity(READ_BUFFER, stream), handler)
        .await
        .map_err(|error| handshake_error(&address, refusal.lock().take(), &end, error))?;

    *phase.lock() = Phase::Authenticate;
    if let Err(error) = Login::new(&mut handle, target).run(keys).await {
        return Err(with_last_words(cut_off(error, &end).await, &end));
    }
    let most_channels = server_id.get().and_then(|id| most_channels(id));
    Ok(SshConnection {
        handle: Arc::new(handle),
        spare: Arc::new(Spare::new(most_channels.is_none())),
        most_channels,
        end,
        closing: AtomicBool::new(false),
        cutter: Mutex::new(Some(cutter)),
        open_timeout: target.connect_timeout,
    })
}

async fn host_key_judge(target: &Arc<SshTarget>) -> Result<HostKeyJudge, Error> {
    let path = target.known_hosts_path();
    let known = if target.host_key_checking == HostKeyChecking::Off {
        KnownHosts::default()
    } else {
        let file = path.clone();
        let loaded = tokio::task::spawn_blocking(move || KnownHosts::load(&file)).await;
        loaded
            .unwrap_or_else(|panicked| Err(std::io::Error::other(panicked)))
            .map_err(|error| Error::KnownHosts { path: path.display().to_string(), source: Arc::new(error) })?
    };
    Ok(HostKeyJudge {
        host: target.host.clone(),
        port: target.port,
        checking: target.host_key_checking,
        path,
        known: Arc::new(known),
    })
}

fn config(target: &SshTarget, preferred: Preferred) -> client::Config {
    let (window_size, channel_buffer_size) = match target.traffic {
        Traffic::Commands => (WINDOW, CHANNEL_BUFFER),
        Traffic::Bulk => (BULK_WINDOW, BULK_CHANNEL_BUFFER),
    };
    client::Config {
        client_id: russh::SshId::Standard(concat!("SSH-2.0-xec_", env!("CARGO_PKG_VERSION")).into()),
        preferred,
        window_size,
        maximum_packet_size: PACKET,
        channel_buffer_size,
        keepalive_interval: target.keep_alive.map(|keep_alive| keep_alive.interval),
        // russh gives up one interval after the last unanswered ping, and takes 0 for "never".
        keepalive_max: target.keep_alive.map_or(0, |keep_alive| keep_alive.count_max.saturating_sub(1).max(1)),
        nodelay: true,
        ..client::Config::default()
    }
}

fn handshake_error(address: &str, refusal: Option<Error>, end: &watch::Receiver<End>, error: russh::Error) -> Error {
    if let Some(refusal) = refusal {
        return refusal;
    }
    if let russh::Error::NoCommonAlgo { kind, theirs, .. } = &error {
        return Error::NoCommonAlgorithm {
            address: address.to_owned(),
            what: format!("{kind:?}").to_lowercase(),
            theirs: theirs.join(", "),
        };
    }
    let dropped = hung_up(&error);
    let source = last_words(end).unwrap_or_else(|| Arc::new(error));
    Error::Handshake { address: address.to_owned(), dropped, source }
}

/// The line ended before the handshake said anything else.
fn hung_up(error: &russh::Error) -> bool {
    use std::io::ErrorKind as Io;
    match error {
        russh::Error::HUP | russh::Error::Disconnect => true,
        russh::Error::IO(error) => {
            matches!(error.kind(), Io::UnexpectedEof | Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe)
        }
        _ => false,
    }
}

/// russh reports a connection that ends in the middle of a login as a refusal after which nothing is accepted. That must
/// not pass for a refused login: it says nothing about who we are.
async fn cut_off(error: Error, end: &watch::Receiver<End>) -> Error {
    let suspicious = matches!(&error, Error::Authentication { accepted, .. } if accepted == NOTHING);
    if suspicious && timeout(GOODBYE, until_ended(end)).await.is_ok() {
        return Error::ConnectionLost { phase: Phase::Authenticate, reached: Reached::No, source: None };
    }
    error
}

/// Resolves when russh's task is gone: it drops the sending side.
async fn until_ended(end: &watch::Receiver<End>) {
    let mut end = end.clone();
    while end.changed().await.is_ok() {}
}

/// What the server or the line said when the connection ended says more than that it has ended.
fn with_last_words(error: Error, end: &watch::Receiver<End>) -> Error {
    match error {
        Error::ConnectionLost { phase, reached, source } => {
            Error::ConnectionLost { phase, reached, source: last_words(end).or(source) }
        }
        other => other,
    }
}

fn last_words(end: &watch::Receiver<End>) -> Option<Cause> {
    match &*end.borrow() {
        End::NotYet => None,
        End::Because(cause) => Some(Arc::clone(cause)),
    }
}

impl SshConnection {
    fn lost(&self, phase: Phase, source: Option<Cause>) -> Error {
        let source = last_words(&self.end).or(source);
        Error::ConnectionLost { phase, reached: Reached::No, source }
    }

    /// Opens a spare channel in the background, while the command that has just begun runs.
    fn open_next(&self, wanted: bool) {
        if !wanted {
            return;
        }
        let (handle, spare, limit) = (Arc::clone(&self.handle), Arc::clone(&self.spare), self.open_timeout);
        tokio::spawn(async move {
            let opened = timeout(limit, handle.channel_open_session()).await;
            spare.put(opened.ok().and_then(Result::ok).map(SshChannel::new));
        });
    }

    /// The server needs the room: closes the spare channel.
    fn return_spare(&self) {
        let Some(channel) = self.spare.give_up() else { return };
        tokio::spawn(async move {
            // A failing write means that the connection is gone, and the channel with it.
            let _ = channel.writer().close().await;
        });
    }

    async fn ended(&self) {
        until_ended(&self.end).await;
    }
}

impl Connection for SshConnection {
    type Channel = SshChannel;

    async fn open(&self) -> Result<SshChannel, OpenError> {
        let (in_use, spare, open_next) = self.spare.begin();
        if let Some(channel) = spare {
            self.open_next(open_next);
            return Ok(channel.used(in_use));
        }
        let opened = timeout(self.open_timeout, self.handle.channel_open_session()).await;
        self.open_next(open_next);
        match opened {
            Ok(Ok(channel)) => Ok(SshChannel::new(channel).used(in_use)),
            Ok(Err(russh::Error::ChannelOpenFailure(reason))) => {
                self.return_spare();
                Err(OpenError::Refused(format!("{reason:?}")))
            }
            Ok(Err(error)) => Err(OpenError::Lost(self.lost(Phase::OpenChannel, Some(Arc::new(error))))),
            Err(_) => Err(OpenError::Lost(Error::Timeout {
                phase: Phase::OpenChannel,
                limit: self.open_timeout,
                reached: Reached::No,
                source: None,
            })),
        }
    }

    async fn closed(&self) -> Option<Error> {
        self.ended().await;
        if self.closing.load(Ordering::Acquire) {
            return None;
        }
        Some(self.lost(Phase::Run, None))
    }

    async fn check(&self, command: Option<&str>) -> Result<(), Error> {
        let lost = |error: russh::Error| self.lost(Phase::Run, Some(Arc::new(error)));
        let Some(command) = command else {
            return self.handle.send_ping().await.map_err(lost);
        };
        probe::run(self.open().await, command).await
    }

    fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    fn most_channels(&self) -> Option<usize> {
        self.most_channels
    }

    async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        let goodbye = self.handle.disconnect(Disconnect::ByApplication, "", "");
        // Politeness is optional: the line is cut anyway.
        let _ = timeout(GOODBYE, goodbye).await;
        if timeout(GOODBYE, self.ended()).await.is_err() {
            tracing::debug!("the server did not take our goodbye: cutting the line");
        }
        drop(self.cutter.lock().take());
        // With the line cut, russh's task ends at its next read or write.
        let _ = timeout(GOODBYE, self.ended()).await;
    }
}
