use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::dialect;
use super::framing::Scanner;
use super::nonce::Nonce;
use super::warm::Ran;
use crate::command::{Command, Place};
use crate::error::{Error, Phase, Reached};
use crate::pool::Permit;
use crate::run::{ChannelOf, Run, Why, lost, tail};
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Transport};

/// For a channel to be free and its process to be there. A session must not wait for a channel that it holds itself.
const READY: Duration = Duration::from_secs(10);

/// Brings stdin to a command of a session, whose own stdin is where the shell gets its orders: by a FIFO, into which a process
/// on a channel of its own writes. So the bytes are framed by the channel, and nothing in them can be taken for an order.
pub struct Feeder<T: Transport> {
    channel: ChannelOf<T>,
    permit: Permit<T>,
    /// The FIFO's.
    pub path: String,
    ready: Scanner,
    open: Scanner,
    closed: bool,
}

/// How feeding ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fed {
    /// The command had its stdin; what it did with it is its business.
    Enough,
    /// It waits for a stdin that does not come.
    Never,
}

impl<T: Transport> Feeder<T> {
    /// Its process waits for the command to open the FIFO.
    pub async fn open(run: &Run<T>, stop: &mut (impl Future<Output = Why> + Unpin)) -> Result<Self, Error> {
        let deadline = Instant::now() + READY;
        let (path, ready, open) = (format!("/tmp/xec-{}", Nonce::fresh()), Nonce::fresh(), Nonce::fresh());
        let permit = tokio::select! {
            biased;
            why = &mut *stop => return Err(why.error(run.pool.waiting_phase(&run.request.key), Reached::No)),
            permit = timeout_at(deadline, run.pool.acquire(&run.request)) => permit.map_err(|_| no_channel())??,
        };
        let (permit, channel) = run.open_only(permit, stop).await?;
        let line = dialect::feeder(&path, &ready, &open);
        let mut feeder =
            Self { channel, permit, path, ready: Scanner::new(&ready), open: Scanner::new(&open), closed: false };
        match feeder.until_ready(run.command.place.as_ref(), line, deadline, stop).await {
            Ok(()) => Ok(feeder),
            Err(error) => {
                feeder.end(&run.pool);
                Err(error)
            }
        }
    }

    async fn until_ready(
        &mut self,
        place: Option<&Arc<Place>>,
        line: Vec<u8>,
        deadline: Instant,
        stop: &mut (impl Future<Output = Why> + Unpin),
    ) -> Result<(), Error> {
        let writer = self.channel.writer();
        if let Some(place) = place {
            writer.place(place, &[]);
        }
        let mut asking = pin!(writer.exec(line));
        let mut asked = false;
        while self.ready.end().is_none() {
            let event = tokio::select! {
                biased;
                why = &mut *stop => return Err(why.error(Phase::OpenChannel, Reached::No)),
                // A failing write means that the connection is gone, which the next read says.
                _ = &mut asking, if !asked => { asked = true; continue }
                event = timeout_at(deadline, self.channel.next()) => event,
            };
            match event {
                Err(_) => return Err(no_channel()),
                Ok(None) => return Err(lost(&self.permit, Reached::No).await),
                Ok(Some(ChannelEvent::Closed)) => {
                    self.closed = true;
                    return Err(no_fifo());
                }
                Ok(Some(ChannelEvent::Exited(_) | ChannelEvent::ExecRefused | ChannelEvent::NotOpened(_))) => {
                    return Err(no_fifo());
                }
                Ok(Some(event)) => self.hear(&event),
            }
        }
        Ok(())
    }

    /// Sends what there is, as the command takes it, and waits until the process has ended.
    pub async fn feed(&mut self, command: &Command) -> Fed {
        let mut sending = pin!(send(self.channel.writer(), command));
        let mut sent = false;
        while !self.closed {
            let event = tokio::select! {
                biased;
                () = &mut sending, if !sent => { sent = true; continue }
                event = self.channel.next() => event,
            };
            match event {
                None => break,
                Some(ChannelEvent::Closed) => self.closed = true,
                Some(event) => self.hear(&event),
            }
        }
        if self.open.end().is_some() { Fed::Enough } else { Fed::Never }
    }

    /// How the command ended, unless it did not run: its stdin was not there any more. What tells is on its way.
    pub async fn judged(&mut self, ran: Ran) -> Ran {
        if !matches!(ran, Ran::Done(_)) {
            return ran;
        }
        let deadline = Instant::now() + READY;
        while self.open.end().is_none() {
            match timeout_at(deadline, self.channel.next()).await {
                Ok(Some(ChannelEvent::Closed)) => {
                    self.closed = true;
                    break;
                }
                Ok(Some(event)) => self.hear(&event),
                Ok(None) | Err(_) => break,
            }
        }
        if self.open.end().is_some() { ran } else { Ran::Overflow(starved()) }
    }

    /// The command has ended: the process has nobody to write to.
    pub fn end(self, pool: &crate::pool::Pool<T>) {
        if self.closed {
            self.permit.release();
        } else {
            pool.runtime().spawn(tail::end::<T>(self.channel, self.permit));
        }
    }

    fn hear(&mut self, event: &ChannelEvent) {
        if let ChannelEvent::Stdout(data) = event {
            for scanner in [&mut self.ready, &mut self.open] {
                let Ok(()) = scanner.push(data, |_| Ok::<(), std::convert::Infallible>(()));
            }
        }
    }
}

/// A failing write means that the connection is gone, which the reading side says.
async fn send<W: ChannelWriter>(writer: W, command: &Command) {
    if let Err(error) = send_all(writer, command).await {
        tracing::debug!(%error, "a session's command could not be fed");
    }
}

async fn send_all<W: ChannelWriter>(writer: W, command: &Command) -> Result<(), Error> {
    if let Some(data) = command.stdin.clone() {
        writer.write(data).await?;
    }
    if let Some(stream) = &command.stdin_stream {
        while let Some(data) = stream.next().await {
            writer.write(data).await?;
        }
    }
    writer.eof().await
}

fn no_channel() -> Error {
    let why = "it needs a channel of its own, and none was there within 10 s";
    Error::NoStdin { why, phase: Phase::OpenChannel, reached: Reached::No }
}

fn no_fifo() -> Error {
    let why = "the server's /tmp takes no FIFO, or there is no mkfifo";
    Error::NoStdin { why, phase: Phase::OpenChannel, reached: Reached::No }
}

/// A command that waits for stdin, and nobody to write it.
pub fn starved() -> Error {
    let why = "the process that was to write it has ended";
    Error::NoStdin { why, phase: Phase::Run, reached: Reached::Yes }
}
