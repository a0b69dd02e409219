use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::channel::QUIET;
use super::shared::Line;
use super::ssh_message::{LOST, SshMessage};
use super::wire::{Fields, MAX_PACKET, Payload, malformed};
use crate::command::{ExitStatus, Pty};
use crate::error::{Error, Phase, Reached};
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Signal};

/// Room for output that the reader has not taken yet. Unlike on a connection of our own, nobody else waits when it is full.
pub const WINDOW: u32 = 2 * 1024 * 1024;
/// The largest piece of data in one message, either way.
pub const MAX_DATA: u32 = 32 * 1024;

const END_OF_MODES: u8 = 0;

/// The longest command line that fits into a packet of the control socket.
const MAX_LINE: usize = MAX_PACKET - 1024;

/// What arrives on a channel.
pub enum Arrival {
    Stdout(Bytes),
    Stderr(Bytes),
    Request { kind: String, want_reply: bool, rest: Bytes },
    Success,
    Failure,
    Eof,
    Closed,
}

/// What the connection and the two halves of a channel share.
pub struct Half {
    line: Arc<Line>,
    /// The number the other side has given it.
    theirs: u32,
    max_packet: usize,
    state: Mutex<State>,
    /// Something changed that a writer may wait for.
    changed: Notify,
}

struct State {
    arrivals: Option<UnboundedSender<Arrival>>,
    /// What we may still send.
    window: usize,
    /// What we may still be sent.
    granted: usize,
    /// What was read since the other side was last told.
    read: usize,
    close_sent: bool,
    over: bool,
}

impl Half {
    /// Something came in. Whoever sends more than its window holds breaks the connection: the bound on memory is ours.
    pub fn arrive(&self, arrival: Arrival) -> io::Result<()> {
        let mut state = self.state.lock();
        if let Arrival::Stdout(data) | Arrival::Stderr(data) = &arrival {
            state.granted =
                state.granted.checked_sub(data.len()).ok_or_else(|| malformed("more than its window holds"))?;
        }
        if let Some(arrivals) = &state.arrivals {
            // The channel was dropped: its CLOSE is on the way.
            let _ = arrivals.send(arrival);
        }
        Ok(())
    }

    /// We may send so much more.
    pub fn grant(&self, more: u32) {
        let mut state = self.state.lock();
        state.window = state.window.saturating_add(more as usize);
        self.changed.notify_waiters();
    }

    /// The other side's CLOSE, which ours answers if it has not gone before.
    pub fn closed(&self) -> io::Result<()> {
        self.arrive(Arrival::Closed)?;
        // Fails only with the connection.
        let _ = self.close();
        self.end();
        Ok(())
    }

    /// The connection has ended.
    pub fn lost(&self) {
        self.end();
    }

    fn end(&self) {
        let mut state = self.state.lock();
        state.over = true;
        // The reader takes what is there, and then sees the end.
        state.arrivals = None;
        self.changed.notify_waiters();
    }

    fn close(&self) -> Result<(), Error> {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.close_sent, true) {
            return Ok(());
        }
        self.line.send(&SshMessage::Close { channel: self.theirs })
    }

    /// Sends, unless our CLOSE has gone: the server would take what follows it for another channel's, or cut the master's
    /// whole connection for it.
    fn send(&self, message: &SshMessage) -> Result<(), Error> {
        let state = self.state.lock();
        if state.close_sent { Err(gone()) } else { self.line.send(message) }
    }

    /// The reader took so much: from half a window on, the other side may send it anew.
    fn taken(&self, count: usize) {
        let mut state = self.state.lock();
        state.read += count;
        if state.read >= WINDOW as usize / 2 && !state.close_sent && !state.over {
            let more = std::mem::take(&mut state.read);
            state.granted += more;
            let message = SshMessage::WindowAdjust { channel: self.theirs, more: u32::try_from(more).unwrap_or(0) };
            // Fails only with the connection.
            let _ = self.line.send(&message);
        }
    }

    /// How much of `wanted` bytes may be sent now, taken from the window; waits for the first one. `None`: never again.
    async fn room_for(&self, wanted: usize) -> Option<usize> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before looking, or a change in between would be missed.
            changed.as_mut().enable();
            {
                let mut state = self.state.lock();
                if state.over || state.close_sent {
                    return None;
                }
                let room = state.window.min(wanted).min(self.max_packet);
                if room > 0 {
                    state.window -= room;
                    return Some(room);
                }
            }
            changed.await;
        }
    }

    fn request(&self, kind: &str, want_reply: bool, rest: Bytes) -> Result<(), Error> {
        self.send(&SshMessage::Request { channel: self.theirs, kind: kind.to_owned(), want_reply, rest })
    }
}

/// One session channel through somebody else's master.
pub struct SharedChannel {
    half: Arc<Half>,
    arrivals: UnboundedReceiver<Arrival>,
    /// The master's connection is.
    lost: bool,
}

/// Its writing half.
#[derive(Clone)]
pub struct SharedWriter(Arc<Half>);

impl SharedChannel {
    pub fn new(line: Arc<Line>, theirs: u32, window: u32, max_packet: u32) -> (Arc<Half>, Self) {
        let (sender, arrivals) = unbounded_channel();
        let state = State {
            arrivals: Some(sender),
            window: window as usize,
            granted: WINDOW as usize,
            read: 0,
            close_sent: false,
            over: false,
        };
        // What surrounds the data must fit into a packet of the control socket.
        let max_packet = max_packet.clamp(1, 32 * 1024) as usize;
        let half = Arc::new(Half { line, theirs, max_packet, state: Mutex::new(state), changed: Notify::new() });
        (Arc::clone(&half), Self { half, arrivals, lost: false })
    }

    fn event(&self, arrival: Arrival) -> Option<ChannelEvent> {
        Some(match arrival {
            Arrival::Stdout(data) => ChannelEvent::Stdout(self.noted(data)),
            Arrival::Stderr(data) => ChannelEvent::Stderr(self.noted(data)),
            Arrival::Success => ChannelEvent::Started,
            Arrival::Failure => ChannelEvent::ExecRefused,
            Arrival::Eof => ChannelEvent::Eof,
            Arrival::Closed => ChannelEvent::Closed,
            Arrival::Request { kind, want_reply, rest } => {
                if want_reply {
                    // Servers ask so whether we are still there. Fails only with the connection.
                    let _ = self.half.send(&SshMessage::Failure { channel: self.half.theirs });
                }
                return exit_status(&kind, rest).map(ChannelEvent::Exited);
            }
        })
    }

    fn noted(&self, data: Bytes) -> Bytes {
        self.half.taken(data.len());
        data
    }
}

fn exit_status(kind: &str, rest: Bytes) -> Option<ExitStatus> {
    let mut fields = Fields::new(rest);
    match kind {
        "exit-status" => fields.u32().map(ExitStatus::Code),
        "exit-signal" => fields.text().map(ExitStatus::Signal),
        _ => None,
    }
}

impl Drop for SharedChannel {
    fn drop(&mut self) {
        // Fails only with the connection. Nothing to do for one that is closed.
        let _ = self.half.close();
    }
}

impl SharedWriter {
    /// In place of a command; the answer comes as for one.
    pub fn subsystem(&self, name: &str) -> Result<(), Error> {
        self.0.request("subsystem", true, Payload::default().text(name).finish())
    }
}

impl Channel for SharedChannel {
    type Writer = SharedWriter;

    fn writer(&self) -> SharedWriter {
        SharedWriter(Arc::clone(&self.half))
    }

    async fn next(&mut self) -> Option<ChannelEvent> {
        loop {
            let arrival = self.arrivals.recv().await?;
            self.lost |= matches!(&arrival, Arrival::Request { kind, .. } if kind == LOST);
            if self.lost {
                return None;
            }
            if let Some(event) = self.event(arrival) {
                return Some(event);
            }
        }
    }
}

impl ChannelWriter for SharedWriter {
    async fn pty(&self, pty: &Pty) -> Result<(), Error> {
        // Other modes are the server's defaults, and so are pixels.
        let quiet = if pty.quiet { &QUIET[..] } else { &[] };
        let modes = quiet.iter().fold(Payload::default(), |modes, (mode, value)| modes.u8(*mode as u8).u32(*value));
        let rest = Payload::default().text(&pty.term).u32(pty.columns).u32(pty.rows).u32(0).u32(0);
        let rest = rest.bytes(&modes.u8(END_OF_MODES).finish());
        self.0.request("pty-req", true, rest.finish())
    }

    async fn resize(&self, columns: u32, rows: u32) -> Result<(), Error> {
        self.0.request("window-change", false, Payload::default().u32(columns).u32(rows).u32(0).u32(0).finish())
    }

    async fn exec(&self, line: Vec<u8>) -> Result<(), Error> {
        if line.len() > MAX_LINE {
            // The master would hang up on us, and with us on every other command.
            return self.0.arrive(Arrival::Failure).map_err(|_| gone());
        }
        self.0.request("exec", true, Payload::default().bytes(&line).finish())
    }

    async fn write(&self, mut data: Bytes) -> Result<(), Error> {
        while !data.is_empty() {
            let Some(room) = self.0.room_for(data.len()).await else { return Err(gone()) };
            self.0.send(&SshMessage::Data { channel: self.0.theirs, data: data.split_to(room) })?;
        }
        Ok(())
    }

    async fn eof(&self) -> Result<(), Error> {
        self.0.send(&SshMessage::Eof { channel: self.0.theirs })
    }

    async fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.0.request("signal", false, Payload::default().text(signal.name()).finish())
    }

    async fn close(&self) -> Result<(), Error> {
        self.0.close()
    }
}

fn gone() -> Error {
    Error::ConnectionLost { phase: Phase::Run, reached: Reached::Unknown, source: None }
}
