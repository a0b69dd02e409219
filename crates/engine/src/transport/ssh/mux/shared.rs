use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::client;
use super::shared_channel::{Arrival, Half, MAX_DATA, SharedChannel, WINDOW};
use super::ssh_message::{BULK_SESSION, SESSION, SshMessage};
use super::wire::{malformed, read_packet, write_queue};
use crate::error::{Cause, Error, Phase, Reached};
use crate::transport::{Connection, OpenError};

/// One system call for many small messages.
const READ_BUFFER: usize = 64 * 1024;

/// A connection through a master of ours in another process: one control socket in proxy mode. Dropping it makes the master close its
/// channels.
pub struct SharedConnection {
    path: PathBuf,
    line: Arc<Line>,
    open_timeout: Duration,
    /// For what is read at a caller's pace: the master has it go over connections of its own, and so do we.
    bulk: bool,
    /// We hung up ourselves: its end is no error.
    closing: AtomicBool,
    ended: watch::Receiver<Option<Cause>>,
    hang_up: Mutex<Option<oneshot::Sender<()>>>,
}

/// What the channels share. Outgoing messages are bounded by the windows that the server grants.
pub struct Line {
    outgoing: UnboundedSender<Bytes>,
    channels: Mutex<Channels>,
}

#[derive(Default)]
struct Channels {
    next: u32,
    open: HashMap<u32, Arc<Half>>,
    opening: HashMap<u32, oneshot::Sender<Result<SharedChannel, String>>>,
    over: bool,
}

impl Line {
    /// Fails when the connection is gone.
    pub fn send(&self, message: &SshMessage) -> Result<(), Error> {
        self.outgoing.send(message.encode()).map_err(|_| Error::ConnectionLost {
            phase: Phase::Run,
            reached: Reached::Unknown,
            source: None,
        })
    }

    fn half(&self, channel: u32) -> io::Result<Arc<Half>> {
        self.channels.lock().open.get(&channel).cloned().ok_or_else(|| malformed("a message for no channel of ours"))
    }

    /// A number and a place for a channel that is asked for; `None` when the connection has ended.
    fn begin(&self) -> Option<(u32, oneshot::Receiver<Result<SharedChannel, String>>)> {
        let mut channels = self.channels.lock();
        if channels.over {
            return None;
        }
        let number = channels.next;
        channels.next = channels.next.wrapping_add(1);
        let (opened, answer) = oneshot::channel();
        channels.opening.insert(number, opened);
        Some((number, answer))
    }

    fn opened(self: &Arc<Self>, number: u32, sender: u32, window: u32, max_packet: u32) -> io::Result<()> {
        let mut channels = self.channels.lock();
        let waiter = channels.opening.remove(&number).ok_or_else(|| malformed("an answer that nobody waits for"))?;
        let (half, channel) = SharedChannel::new(Arc::clone(self), sender, window, max_packet);
        channels.open.insert(number, half);
        drop(channels);
        // Nobody waits any more: dropping the channel closes it.
        drop(waiter.send(Ok(channel)));
        Ok(())
    }

    fn refused(&self, number: u32, reason: String) -> io::Result<()> {
        let waiter = self.channels.lock().opening.remove(&number);
        let waiter = waiter.ok_or_else(|| malformed("an answer that nobody waits for"))?;
        // Nobody waits any more, and nothing is open.
        let _ = waiter.send(Err(reason));
        Ok(())
    }

    fn take(self: &Arc<Self>, message: SshMessage) -> io::Result<()> {
        match message {
            SshMessage::OpenConfirmation { channel, sender, window, max_packet } => {
                self.opened(channel, sender, window, max_packet)
            }
            SshMessage::OpenFailure { channel, reason } => self.refused(channel, reason),
            SshMessage::WindowAdjust { channel, more } => {
                self.half(channel)?.grant(more);
                Ok(())
            }
            SshMessage::Data { channel, data } => self.half(channel)?.arrive(Arrival::Stdout(data)),
            SshMessage::ExtendedData { channel, data, .. } => self.half(channel)?.arrive(Arrival::Stderr(data)),
            SshMessage::Eof { channel } => self.half(channel)?.arrive(Arrival::Eof),
            SshMessage::Request { channel, kind, want_reply, rest } => {
                self.half(channel)?.arrive(Arrival::Request { kind, want_reply, rest })
            }
            SshMessage::Success { channel } => self.half(channel)?.arrive(Arrival::Success),
            SshMessage::Failure { channel } => self.half(channel)?.arrive(Arrival::Failure),
            SshMessage::Close { channel } => {
                let half = self.half(channel)?;
                self.channels.lock().open.remove(&channel);
                half.closed()
            }
            // A server that opens channels to us was not asked to; the master answers for the rest.
            SshMessage::Open { .. }
            | SshMessage::GlobalRequest { .. }
            | SshMessage::RequestFailure
            | SshMessage::Other => Ok(()),
        }
    }

    /// Every channel sees its end.
    fn over(&self) {
        let mut channels = self.channels.lock();
        channels.over = true;
        for half in channels.open.values() {
            half.lost();
        }
        channels.open.clear();
        channels.opening.clear();
    }
}

impl SharedConnection {
    /// Over a control socket that is in proxy mode.
    pub fn new(path: PathBuf, stream: UnixStream, open_timeout: Duration, bulk: bool) -> Self {
        let (outgoing, queue) = unbounded_channel();
        let (end, ended) = watch::channel(None);
        let (hang_up, hung_up) = oneshot::channel();
        let line = Arc::new(Line { outgoing, channels: Mutex::default() });
        tokio::spawn(carry(stream, Arc::clone(&line), queue, hung_up, end));
        let (closing, hang_up) = (AtomicBool::new(false), Mutex::new(Some(hang_up)));
        Self { path, line, open_timeout, bulk, closing, ended, hang_up }
    }

    async fn end(&self) {
        let mut ended = self.ended.clone();
        // The sender goes with the task that carries the traffic.
        while ended.changed().await.is_ok() {}
    }

    /// A master that is well has others to serve first; the connection is not to blame for that.
    async fn no_turn(&self) -> OpenError {
        let limit = self.open_timeout;
        match client::is_alive(&self.path).await {
            Ok(()) => OpenError::Refused(format!("no turn at the ControlMaster within {} ms", limit.as_millis())),
            Err(error) => OpenError::Lost(Error::Timeout {
                phase: Phase::OpenChannel,
                limit,
                reached: Reached::No,
                source: Some(Arc::new(error)),
            }),
        }
    }

    fn lost(&self, phase: Phase) -> Error {
        Error::ConnectionLost { phase, reached: Reached::No, source: self.ended.borrow().clone() }
    }
}

/// Carries the traffic of one control socket until either side ends it.
async fn carry(
    stream: UnixStream,
    line: Arc<Line>,
    queue: UnboundedReceiver<Bytes>,
    hung_up: oneshot::Receiver<()>,
    end: watch::Sender<Option<Cause>>,
) {
    let (reader, writer) = stream.into_split();
    let outcome = tokio::select! {
        outcome = read(reader, &line) => outcome,
        outcome = write_queue(writer, queue) => outcome,
        // Also when the connection was dropped.
        _ = hung_up => Ok(()),
    };
    let cause = outcome.err().unwrap_or_else(|| io::Error::other("the ControlMaster hung up"));
    end.send_replace(Some(Arc::new(cause)));
    line.over();
}

async fn read(reader: OwnedReadHalf, line: &Arc<Line>) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(READ_BUFFER, reader);
    while let Some(packet) = read_packet(&mut reader).await? {
        line.take(SshMessage::decode(packet).ok_or_else(|| malformed("a message that is cut short"))?)?;
    }
    Ok(())
}

impl Connection for SharedConnection {
    type Channel = SharedChannel;

    async fn open(&self) -> Result<SharedChannel, OpenError> {
        let lost = || OpenError::Lost(self.lost(Phase::OpenChannel));
        let (number, answer) = self.line.begin().ok_or_else(lost)?;
        let kind = if self.bulk { BULK_SESSION } else { SESSION }.to_owned();
        let request =
            SshMessage::Open { kind, sender: number, window: WINDOW, max_packet: MAX_DATA, rest: Bytes::new() };
        self.line.send(&request).map_err(|_| lost())?;
        match timeout(self.open_timeout, answer).await {
            Ok(Ok(Ok(channel))) => Ok(channel),
            Ok(Ok(Err(reason))) => Err(OpenError::Refused(reason)),
            Ok(Err(_)) => Err(lost()),
            // When it opens after all, nobody waits, and it is closed.
            Err(_) => Err(self.no_turn().await),
        }
    }

    async fn closed(&self) -> Option<Error> {
        self.end().await;
        if self.closing.load(Ordering::Acquire) { None } else { Some(self.lost(Phase::Run)) }
    }

    async fn ping(&self) -> Result<(), Error> {
        // The socket in proxy mode carries no other questions: this asks on one of its own.
        client::is_alive(&self.path).await.map_err(|error| Error::ConnectionLost {
            phase: Phase::Run,
            reached: Reached::No,
            source: Some(Arc::new(error)),
        })
    }

    fn is_closed(&self) -> bool {
        self.line.channels.lock().over
    }

    /// The master's pool adds connections; one control socket reaches them all.
    fn is_single(&self) -> bool {
        !self.bulk
    }

    async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        if let Some(hang_up) = self.hang_up.lock().take() {
            // It has ended by itself.
            let _ = hang_up.send(());
        }
        self.end().await;
    }
}
