use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout_at};

use super::dialect::{CLEAN, Dialect, First, start, start_elevated};
use super::framing::{End, Scanner};
use super::nonce::Nonce;
use crate::command::{ExitStatus, Place, Sudo};
use crate::error::{Error, Reached, Stream};
use crate::run::sudo::{Elevated, Gate};
use crate::run::{Capture, Why};
use crate::transport::{Channel, ChannelEvent, ChannelWriter};

/// For a login shell to say that it is one we can talk to. Start files take their time.
const HELLO: Duration = Duration::from_secs(10);
/// How long the server may take to close a channel whose shell has ended.
const LINGER: Duration = Duration::from_millis(250);

/// One shell, alone on its channel, waiting for a command or running one.
pub struct Warm<C: Channel> {
    channel: C,
    pub dialect: Dialect,
    /// The shell's own process id on the other side.
    pub pid: u32,
    /// The server has closed the channel: nothing more will come, and its slot is free.
    pub closed: bool,
    /// What it is to do before its next command.
    before: Vec<u8>,
}

/// Why no shell came of a channel.
pub enum NoShell {
    /// Whoever answered is no shell we know. The channel is still to be closed.
    Unsupported,
    /// The same, and the server has closed the channel.
    Closed,
    /// The transport says why. The channel is still to be closed.
    Failed(Error),
    Lost,
    Stopped(Why),
    /// sudo did not make one.
    Refused(Error),
}

/// How a shell ended that nobody had asked to.
pub enum Departed {
    Exited,
    Lost,
}

/// How a command in a shell ended.
#[derive(Debug)]
pub enum Ran {
    /// By itself; the shell waits for the next one.
    Done(u32),
    /// By itself; the shell had nothing to do after it, and has ended.
    Last(ExitStatus),
    /// It took the shell with it, or something else did: this is how the shell ended.
    Exited(ExitStatus),
    /// The shell ended, and nobody said how.
    Unknown,
    /// The connection ended.
    Lost,
    Stopped(Why),
    Overflow(Error),
}

impl<C: Channel> Warm<C> {
    /// Makes a shell on a fresh channel, in a place if the transport has places, somebody else's if `sudo` says so. What start
    /// files print before it is ready belongs to no command.
    pub async fn start(
        channel: C,
        place: Option<&Arc<Place>>,
        sudo: Option<&Sudo>,
        stop: &mut (impl Future<Output = Why> + Unpin),
    ) -> Result<Self, (C, NoShell)> {
        let nonce = Nonce::fresh();
        let elevated = sudo.map(|sudo| Elevated::new(sudo, false));
        let gate = elevated.as_ref().map(Elevated::gate);
        let mut starting = Starting { channel, marks: Marks::new(&nonce), gate, dialect: None };
        let writer = starting.channel.writer();
        let mut asking = pin!(ask(&writer, &nonce, place, elevated));
        let mut asked = false;
        let mut deadline = Instant::now() + HELLO;
        loop {
            let event = tokio::select! {
                biased;
                why = &mut *stop => return Err((starting.channel, NoShell::Stopped(why))),
                // A failing write means that the connection is gone, which the next read says.
                _ = &mut asking, if !asked => { asked = true; continue }
                event = timeout_at(deadline, starting.channel.next()) => event,
            };
            match event {
                // What sudo says may come behind the status.
                Ok(Some(ChannelEvent::Exited(_))) if starting.refusal().is_some() => {
                    deadline = deadline.min(Instant::now() + LINGER);
                }
                Ok(Some(ChannelEvent::Closed)) | Err(_) if starting.refusal().is_some() => {
                    let error = starting.refusal().unwrap_or(Error::ShellUnsupported);
                    return Err((starting.channel, NoShell::Refused(error)));
                }
                Ok(Some(ChannelEvent::Closed)) => return Err((starting.channel, NoShell::Closed)),
                Err(_) | Ok(Some(ChannelEvent::ExecRefused | ChannelEvent::Exited(_))) => {
                    return Err((starting.channel, NoShell::Unsupported));
                }
                Ok(Some(ChannelEvent::Failed(error))) => return Err((starting.channel, NoShell::Failed(error))),
                Ok(None) => return Err((starting.channel, NoShell::Lost)),
                Ok(Some(event)) => starting.hear(event),
            }
            if let Some((end, dialect)) = starting.ready() {
                let Starting { channel, .. } = starting;
                return Ok(Self { channel, dialect, pid: end.number, closed: false, before: Vec::new() });
            }
        }
    }

    pub fn into_channel(self) -> C {
        self.channel
    }

    /// Is it as it was left? Bytes that nobody asked for, or its end, say no.
    pub fn is_untouched(&mut self) -> bool {
        pin!(self.channel.next()).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Resolves when it has ended although nobody asked it to. What children in the background write meanwhile is no
    /// command's. Cancel-safe.
    pub async fn ended(&mut self) -> Departed {
        loop {
            match self.channel.next().await {
                None => return Departed::Lost,
                Some(ChannelEvent::Exited(_)) => return Departed::Exited,
                Some(ChannelEvent::Closed) => {
                    self.closed = true;
                    return Departed::Exited;
                }
                Some(_) => {}
            }
        }
    }

    /// Something to do before the next command, which says nothing.
    pub fn first_do(&mut self, text: Vec<u8>) {
        self.before = text;
    }

    /// Runs what `text` says, up to its mark on both streams. `reached` learns what is known about whether the shell saw it.
    pub async fn run(
        &mut self,
        text: Vec<u8>,
        nonce: &Nonce,
        capture: &mut Capture,
        reached: &mut Reached,
        stop: &mut (impl Future<Output = Why> + Unpin),
    ) -> Ran {
        let writer = self.channel.writer();
        let text = if self.before.is_empty() { text } else { [std::mem::take(&mut self.before), text].concat() };
        let mut writing = pin!(writer.write(Bytes::from(text)));
        // Polled once, what is short has been handed over, and nobody can tell any more whether it arrived.
        let mut written = match writing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(_)) => return Ran::Lost,
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
        };
        *reached = Reached::Unknown;
        let mut command = Underway { marks: Marks::new(nonce), capture, status: None, marked: false };
        let mut linger = pin!(sleep(Duration::ZERO));
        let mut ending = false;
        let mut farewell = pin!(writer.eof());
        let mut parting = false;
        loop {
            let event = tokio::select! {
                biased;
                why = &mut *stop => return Ran::Stopped(why),
                // A failing write means that the connection is gone, which the next read says.
                _ = &mut writing, if !written => { written = true; continue },
                _ = &mut farewell, if parting => { parting = false; continue },
                event = self.channel.next() => event,
                () = &mut linger, if ending => return command.ended(),
            };
            let Some(event) = event else {
                return if ending { command.ended() } else { Ran::Lost };
            };
            if matches!(event, ChannelEvent::Stdout(_) | ChannelEvent::Stderr(_) | ChannelEvent::Exited(_)) {
                *reached = Reached::Yes;
            }
            let over = matches!(event, ChannelEvent::Closed);
            let eof = matches!(event, ChannelEvent::Eof);
            if let Err(error) = command.take(event) {
                return Ran::Overflow(error);
            }
            if over {
                self.closed = true;
                return command.ended();
            }
            if eof && command.status.is_some() && !ending {
                ending = true;
                linger.as_mut().reset(Instant::now() + LINGER);
            }
            match command.marks.both() {
                Some(end) if end.letter == CLEAN => return Ran::Done(end.number),
                // Something may hold the streams. The shell gets nothing more to do, so all that still comes is this
                // command's, and the channel ends with its last process, as that of any command does.
                Some(end) if !command.marked => {
                    command.marked = true;
                    command.status = Some(ExitStatus::Code(end.number));
                    parting = true;
                }
                _ => {}
            }
        }
    }
}

/// Everything a shell needs to come to life.
async fn ask<W: ChannelWriter>(
    writer: &W,
    nonce: &Nonce,
    place: Option<&Arc<Place>>,
    elevated: Option<Elevated<'_>>,
) -> Result<(), Error> {
    if let Some(place) = place {
        writer.place(place, &[]);
    }
    let first = if place.is_some() { First::Plain } else { First::Login };
    let Some(elevated) = elevated else { return writer.exec(start(nonce, first)).await };
    writer.exec(elevated.line(&start_elevated(nonce))).await?;
    writer.write(elevated.before_stdin()).await
}

struct Starting<C> {
    channel: C,
    marks: Marks,
    /// Until sudo has let it begin.
    gate: Option<Gate>,
    dialect: Option<Dialect>,
}

impl<C> Starting<C> {
    fn hear(&mut self, event: ChannelEvent) {
        let event = match (event, &mut self.gate) {
            (ChannelEvent::Stderr(data), Some(gate)) => ChannelEvent::Stderr(gate.pass(data)),
            (event, _) => event,
        };
        let Ok(()) = self.marks.push(&event, |_, _| Ok::<(), Infallible>(()));
    }

    /// What sudo has said, as long as it has not let it begin.
    fn refusal(&self) -> Option<Error> {
        self.gate.as_ref().and_then(Gate::refusal)
    }

    fn ready(&mut self) -> Option<(End, Dialect)> {
        let end = self.marks.both()?;
        self.dialect = Dialect::by_letter(end.letter);
        Some((end, self.dialect?))
    }
}

/// A command whose marks have not come yet.
struct Underway<'a> {
    marks: Marks,
    capture: &'a mut Capture,
    status: Option<ExitStatus>,
    /// The status is what a mark said.
    marked: bool,
}

impl Underway<'_> {
    fn take(&mut self, event: ChannelEvent) -> Result<(), Error> {
        let Self { marks, capture, status, .. } = self;
        if let ChannelEvent::Exited(by) = event {
            // After a mark, the mark's own word counts: it is the command's, this one the shell's.
            status.get_or_insert(by);
            return Ok(());
        }
        marks.push(&event, |stream, bytes| capture.push(stream, &Bytes::copy_from_slice(bytes)))
    }

    /// The channel is at its end.
    fn ended(&mut self) -> Ran {
        for (stream, rest) in self.marks.rest() {
            if let Err(error) = self.capture.push(stream, &Bytes::from(rest)) {
                return Ran::Overflow(error);
            }
        }
        match self.status.take() {
            Some(status) if self.marked => Ran::Last(status),
            Some(status) => Ran::Exited(status),
            None => Ran::Unknown,
        }
    }
}

/// Both streams of a shell.
struct Marks {
    stdout: Scanner,
    stderr: Scanner,
}

impl Marks {
    fn new(nonce: &Nonce) -> Self {
        Self { stdout: Scanner::new(nonce), stderr: Scanner::new(nonce) }
    }

    fn push<E>(
        &mut self,
        event: &ChannelEvent,
        mut output: impl FnMut(Stream, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match event {
            ChannelEvent::Stdout(data) => self.stdout.push(data, |bytes| output(Stream::Stdout, bytes)),
            ChannelEvent::Stderr(data) => self.stderr.push(data, |bytes| output(Stream::Stderr, bytes)),
            _ => Ok(()),
        }
    }

    /// What the shell said, once it has said it on both.
    fn both(&self) -> Option<End> {
        self.stderr.end().and(self.stdout.end())
    }

    fn rest(&mut self) -> [(Stream, Vec<u8>); 2] {
        [(Stream::Stdout, self.stdout.finish()), (Stream::Stderr, self.stderr.finish())]
    }
}
