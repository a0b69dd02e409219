use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{Receiver, Sender, pipe};
use tokio::sync::{Notify, mpsc, watch};

use super::conductor::{Conductor, Descriptors};
use super::packet::Session;
use super::wire::MAX_PACKET;
use crate::command::Pty;
use crate::error::{Error, Phase, Reached};
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Signal};

/// The longest command line that fits into a packet of the control socket.
const MAX_LINE: usize = MAX_PACKET - 1024;
/// Events that may wait for the reader, each with at most 64 KiB of output. Only this command waits when they are too many.
const EVENTS: usize = 16;
/// No key of the client's begins an escape.
const NO_ESCAPE: u32 = u32::MAX;

/// One session of a passenger.
pub struct Ride {
    writer: RideWriter,
    events: mpsc::Receiver<ChannelEvent>,
}

/// Its writing half.
#[derive(Clone)]
pub struct RideWriter(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// The session is to end.
    hang_up: Arc<Notify>,
}

struct State {
    /// What the session begins with; gone when it has.
    ticket: Option<Ticket>,
    tty: Option<Pty>,
    stdin: Option<Arc<Sender>>,
}

struct Ticket {
    path: PathBuf,
    stream: UnixStream,
    patience: Duration,
    events: mpsc::Sender<ChannelEvent>,
    over: watch::Receiver<bool>,
}

impl Ride {
    pub fn new(path: PathBuf, stream: UnixStream, patience: Duration, over: watch::Receiver<bool>) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let ticket = Ticket { path, stream, patience, events: sender, over };
        let state = Mutex::new(State { ticket: Some(ticket), tty: None, stdin: None });
        let shared = Shared { state, hang_up: Arc::default() };
        Self { writer: RideWriter(Arc::new(shared)), events }
    }
}

/// Our ends of stdin, stdout and stderr, and those that the master gets.
fn streams() -> io::Result<(Sender, (Receiver, Receiver), Descriptors)> {
    let (stdin, theirs_in) = pipe()?;
    let (theirs_out, stdout) = pipe()?;
    let (theirs_err, stderr) = pipe()?;
    let theirs = [theirs_in.into_blocking_fd()?, theirs_out.into_blocking_fd()?, theirs_err.into_blocking_fd()?];
    Ok((stdin, (stdout, stderr), theirs))
}

impl Drop for Ride {
    fn drop(&mut self) {
        self.writer.0.leave();
    }
}

impl Shared {
    /// The master learns by the end of the control socket that nobody is there any more. It has no way to pass on a signal.
    fn leave(&self) {
        let mut state = self.state.lock();
        state.stdin = None;
        if let Some(ticket) = state.ticket.take() {
            // Nothing has begun; the reader may be gone.
            let _ = ticket.events.try_send(ChannelEvent::Closed);
        }
        self.hang_up.notify_one();
    }

    fn begin(&self, line: Vec<u8>, subsystem: bool) -> io::Result<()> {
        let mut state = self.state.lock();
        let ticket = state.ticket.take().ok_or(io::ErrorKind::NotConnected)?;
        if line.len() > MAX_LINE {
            // The master would hang up on us. The queue is empty.
            let _ = ticket.events.try_send(ChannelEvent::ExecRefused);
            return Ok(());
        }
        if state.tty.as_ref().is_some_and(|pty| pty.quiet) {
            // Its modes would be those of a terminal of ours, and there is none. The queue is empty.
            let reason = "a terminal with sudo cannot be had through OpenSSH's ControlMaster";
            let _ = ticket.events.try_send(ChannelEvent::NotOpened(reason.to_owned()));
            return Ok(());
        }
        let (stdin, outputs, descriptors) = match streams() {
            Ok(streams) => streams,
            Err(error) => {
                // It is we who have run out of something, and nothing has begun. The queue is empty.
                let _ = ticket.events.try_send(ChannelEvent::NotOpened(error.to_string()));
                return Ok(());
            }
        };
        state.stdin = Some(Arc::new(stdin));
        let terminal = state.tty.take().map(|pty| pty.term);
        let session = Session {
            tty: terminal.is_some(),
            escape: NO_ESCAPE,
            term: terminal.unwrap_or_default(),
            command: line.into(),
            subsystem,
            ..Session::default()
        };
        let Ticket { path, stream, patience, events, over } = ticket;
        let conductor = Conductor { path, patience, session, events, outputs };
        tokio::spawn(conductor.run(stream, descriptors, Arc::clone(&self.hang_up), over));
        Ok(())
    }
}

impl RideWriter {
    /// In place of a command. What comes of it shows in what it says.
    pub fn subsystem(&self, name: &str) -> Result<(), Error> {
        self.0.begin(name.as_bytes().to_vec(), true).map_err(gone)
    }
}

impl Channel for Ride {
    type Writer = RideWriter;

    fn writer(&self) -> RideWriter {
        self.writer.clone()
    }

    async fn next(&mut self) -> Option<ChannelEvent> {
        self.events.recv().await
    }
}

impl ChannelWriter for RideWriter {
    /// Of a size the protocol has no word: OpenSSH's master asks the descriptor, and ours is no terminal.
    async fn pty(&self, pty: &Pty) -> Result<(), Error> {
        self.0.state.lock().tty = Some(pty.clone());
        Ok(())
    }

    async fn exec(&self, line: Vec<u8>) -> Result<(), Error> {
        self.0.begin(line, false).map_err(gone)
    }

    async fn resize(&self, _columns: u32, _rows: u32) -> Result<(), Error> {
        tracing::debug!("a terminal through an OpenSSH ControlMaster keeps its size");
        Ok(())
    }

    async fn write(&self, data: Bytes) -> Result<(), Error> {
        let Some(stdin) = self.0.state.lock().stdin.clone() else { return Ok(()) };
        let mut rest = &data[..];
        while !rest.is_empty() {
            stdin.writable().await.map_err(gone)?;
            match stdin.try_write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The command reads no more, or has ended: what it did not want is of no use to anybody.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(gone(error)),
            }
        }
        Ok(())
    }

    async fn eof(&self) -> Result<(), Error> {
        self.0.state.lock().stdin = None;
        Ok(())
    }

    /// Whatever the signal, the session ends: what runs there sees its streams close.
    async fn signal(&self, _signal: Signal) -> Result<(), Error> {
        self.close().await
    }

    async fn close(&self) -> Result<(), Error> {
        self.0.leave();
        Ok(())
    }
}

fn gone(error: io::Error) -> Error {
    Error::ConnectionLost { phase: Phase::Run, reached: Reached::Unknown, source: Some(Arc::new(error)) }
}
