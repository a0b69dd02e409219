use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use russh::client::{self, Handle};
use russh::{Disconnect, Preferred};
use tokio::io::BufReader;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

use super::algorithms::preferred;
use super::attempts::{NO_MORE, NOTHING};
use super::auth::Login;
use super::channel::{SshChannel, SshWriter, WeakWriter};
use super::forward::{Parking, Routes};
use super::greeting::Greeting;
use super::handler::{End, Handler};
use super::host_key_judge::HostKeyJudge;
use super::host_key_rotation;
use super::identity;
use super::link::Link;
use super::route::address;
use super::spare::{InUse, Opening, Spare};
use super::target::SshTarget;
use super::wire::{self, Carrier, Cut, Wire};
use crate::error::{Cause, Error, Phase, Reached};
use crate::policy::most_channels;
use crate::pool::{Hops, Lender};
use crate::transport::{Channel, ChannelWriter, Connection, OpenError, Signal, Transport};

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
/// Room for several packets of the largest size that servers send, with what frames them.
const BULK_READ_BUFFER: usize = 256 * 1024;
/// For saying goodbye, and for russh's task to end after it.
const GOODBYE: Duration = Duration::from_millis(500);

/// Makes SSH connections.
#[derive(Debug, Clone, Copy, Default)]
pub struct SshTransport;

/// One authenticated SSH connection. Dropping it cuts the line.
pub struct SshConnection {
    handle: Arc<Handle<Handler>>,
    spare: Arc<Spare>,
    /// Who gets the connections that come in at the server's side.
    routes: Arc<Routes>,
    /// What waits for the clients of its forwards.
    parking: Arc<Parking>,
    most_channels: Option<usize>,
    end: watch::Receiver<End>,
    /// We said goodbye ourselves: its end is no error.
    closing: AtomicBool,
    cut: Mutex<Option<Cut>>,
    carrier: Mutex<Carrier>,
    open_timeout: Duration,
    /// Of channels in use, and some that are not any more.
    writers: Mutex<Vec<WeakWriter>>,
}

impl Transport for SshTransport {
    type Target = SshTarget;
    type Connection = Link;

    async fn connect(&self, target: &Arc<SshTarget>, hops: &Hops<Self>) -> Result<Link, Error> {
        #[cfg(unix)]
        if let Some(link) = super::mux::join(target).await? {
            return Ok(link);
        }
        let phase = Mutex::new(Phase::Authenticate);
        let limit = target.connect_timeout;
        match timeout(limit, establish(target, hops, &phase)).await {
            Ok(outcome) => outcome.map(|connection| Link::Direct(Arc::new(connection))),
            Err(_) => {
                let phase = *phase.lock();
                let source = target.route.suspect(phase);
                Err(Error::Timeout { phase, limit, reached: Reached::No, source })
            }
        }
    }

    #[cfg(unix)]
    fn pooled(&self, connection: &Arc<Link>, lender: Lender<Self>) {
        super::mux::offer(connection, lender);
    }
}

/// Keys first, because a bad key file is found without troubling the server; then dial, handshake, authenticate.
async fn establish(
    target: &Arc<SshTarget>,
    hops: &Hops<SshTransport>,
    phase: &Mutex<Phase>,
) -> Result<SshConnection, Error> {
    let deadline = Instant::now() + target.connect_timeout;
    let keys = identity::load(target).await?;
    let judge = HostKeyJudge::load(target, deadline).await?;

    *phase.lock() = Phase::Dial;
    let address = address(&target.host, target.port);
    let Wire { stream, cut, carrier } = wire::open(target, hops).await?;

    *phase.lock() = Phase::Handshake;
    let refusal = Arc::new(Mutex::new(None));
    let (end_sender, end) = watch::channel(End::NotYet);
    let (routes, parking) = (Arc::<Routes>::default(), Arc::<Parking>::default());
    let (announced_sender, announced) = oneshot::channel();
    let config = Arc::new(config(target, preferred(&judge.offer())));
    let handler = Handler {
        judge: judge.clone(),
        refusal: Arc::clone(&refusal),
        announced: Some(announced_sender),
        trusted: None,
        end: end_sender,
        routes: Arc::clone(&routes),
        parking: Arc::clone(&parking),
    };
    let (stream, server_id) = Greeting::new(stream);
    let read_buffer = if target.traffic.is_bulk() { BULK_READ_BUFFER } else { READ_BUFFER };
    let stream = BufReader::with_capacity(read_buffer, stream);
    let mut handle = match client::connect_stream(config, stream, handler).await {
        Ok(handle) => handle,
        Err(error) => {
            let error = handshake_error(&address, refusal.lock().take(), &end, error);
            return Err(carrier.explain(error, &address).await);
        }
    };

    *phase.lock() = Phase::Authenticate;
    if let Err(error) = Login::new(&mut handle, target).run(keys).await {
        let error = with_last_words(cut_off(error, &end).await, &end);
        return Err(carrier.explain(error, &address).await);
    }
    // About sessions, and a hop opens none.
    let counts = !target.traffic.is_hop();
    let most_channels = server_id.get().filter(|_| counts).and_then(|id| most_channels(id));
    let handle = Arc::new(handle);
    tokio::spawn(host_key_rotation::follow(Arc::downgrade(&handle), judge, announced));
    Ok(SshConnection {
        handle,
        routes,
        parking,
        spare: Arc::new(Spare::new(most_channels.is_none())),
        most_channels,
        end,
        closing: AtomicBool::new(false),
        cut: Mutex::new(Some(cut)),
        carrier: Mutex::new(carrier),
        open_timeout: target.connect_timeout,
        writers: Mutex::default(),
    })
}

fn config(target: &SshTarget, preferred: Preferred) -> client::Config {
    let (window_size, channel_buffer_size) =
        if target.traffic.is_bulk() { (BULK_WINDOW, BULK_CHANNEL_BUFFER) } else { (WINDOW, CHANNEL_BUFFER) };
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
    let over = matches!(&error, Error::Authentication { accepted, .. } if accepted == NOTHING || accepted == NO_MORE);
    if !over || timeout(GOODBYE, until_ended(end)).await.is_err() {
        return error;
    }
    let refused = last_words(end).is_some_and(|words| is_refusal(&words));
    match error {
        Error::Authentication { accepted, source, .. } if accepted == NOTHING && !refused => {
            Error::ConnectionLost { phase: Phase::Authenticate, reached: Reached::No, source }
        }
        error => error,
    }
}

/// russh ends the connection when the server's refusal names no method; servers end it when they have refused enough.
/// The reason codes they give for that differ, so it is what they say that counts.
fn is_refusal(words: &Cause) -> bool {
    matches!(words.downcast_ref(), Some(russh::Error::NoAuthMethod))
        || words.to_string().to_lowercase().contains("authentication failures")
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
        Error::Authentication { username, tried, accepted, source } => {
            let only_ended =
                source.as_ref().is_none_or(|source| source.is::<russh::Error>() || source.is::<russh::SendError>());
            let source = if only_ended { last_words(end).or(source) } else { source };
            Error::Authentication { username, tried, accepted, source }
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
    pub(super) fn routes(&self) -> &Routes {
        &self.routes
    }

    pub(super) fn parking(&self) -> &Arc<Parking> {
        &self.parking
    }

    pub(in crate::transport) fn open_timeout(&self) -> Duration {
        self.open_timeout
    }

    pub(super) fn lost(&self, phase: Phase, source: Option<Cause>) -> Error {
        let fault = self.carrier.lock().fault();
        let source = fault.or_else(|| self.last_words()).or(source);
        Error::ConnectionLost { phase, reached: Reached::No, source }
    }

    /// Opens a spare channel in the background, while the command that has just begun runs.
    fn open_next(&self, wanted: Option<Opening>) {
        let Some(opening) = wanted else { return };
        let (handle, limit) = (Arc::clone(&self.handle), self.open_timeout);
        tokio::spawn(async move {
            let opened = timeout(limit, handle.channel_open_session()).await;
            opening.done(opened.ok().and_then(Result::ok).map(SshChannel::new));
        });
    }

    fn used(&self, channel: SshChannel, in_use: InUse) -> SshChannel {
        let mut writers = self.writers.lock();
        writers.retain(|writer| writer.upgrade().is_some());
        writers.push(WeakWriter::of(&channel));
        channel.used(in_use)
    }

    /// What still runs when a connection is closed would go on at the server, with nobody to talk to.
    async fn end_commands(&self) {
        let writers: Vec<SshWriter> = self.writers.lock().drain(..).filter_map(|writer| writer.upgrade()).collect();
        for writer in writers {
            // A failing write means that the connection is gone.
            let _ = writer.signal(Signal::Term).await;
        }
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

    /// As [`ended`](Self::ended), without holding the connection.
    pub(super) fn until_ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let end = self.end.clone();
        async move { until_ended(&end).await }
    }

    /// russh's task is gone, or knows that the line is.
    pub(super) fn has_ended(&self) -> bool {
        self.end.has_changed().is_err() || self.last_words().is_some()
    }

    pub(super) fn last_words(&self) -> Option<Cause> {
        last_words(&self.end)
    }

    /// For channels of other kinds than commands'.
    pub(super) fn handle(&self) -> Arc<Handle<Handler>> {
        Arc::clone(&self.handle)
    }

    /// The line is gone; nothing runs through its carrier any more.
    fn let_go(&self) {
        let carrier = self.carrier.lock().take();
        // Not under the lock: the pool may have something to do now.
        carrier.release();
    }
}

impl Connection for SshConnection {
    type Channel = SshChannel;

    async fn open(&self) -> Result<SshChannel, OpenError> {
        let (in_use, spare, open_next) = self.spare.begin();
        if let Some(channel) = spare {
            self.open_next(open_next);
            return Ok(self.used(channel, in_use));
        }
        let opened = timeout(self.open_timeout, self.handle.channel_open_session()).await;
        self.open_next(open_next);
        match opened {
            Ok(Ok(channel)) => Ok(self.used(SshChannel::new(channel), in_use)),
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
        let closing = self.closing.load(Ordering::Acquire);
        if !closing {
            let hindsight = self.carrier.lock().hindsight();
            hindsight.await;
        }
        self.let_go();
        if closing { None } else { Some(self.lost(Phase::Run, None)) }
    }

    async fn ping(&self) -> Result<(), Error> {
        self.handle.send_ping().await.map_err(|error| self.lost(Phase::Run, Some(Arc::new(error))))
    }

    fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    fn most_channels(&self) -> Option<usize> {
        self.most_channels
    }

    async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        let goodbye = async {
            self.end_commands().await;
            self.handle.disconnect(Disconnect::ByApplication, "", "").await
        };
        // Politeness is optional: the line is cut anyway.
        let _ = timeout(GOODBYE, goodbye).await;
        if timeout(GOODBYE, self.ended()).await.is_err() {
            tracing::debug!("the server did not take our goodbye: cutting the line");
        }
        drop(self.cut.lock().take());
        // With the line cut, russh's task ends at its next read or write.
        let _ = timeout(GOODBYE, self.ended()).await;
        self.let_go();
    }
}
