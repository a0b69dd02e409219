use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::capture::Capture;
use super::line::compose;
use super::stop::{Cancel, CancelOnDrop, Why, stopped};
use super::tail;
use crate::command::{Captured, Command, ExitStatus, Output, Timings};
use crate::error::{Cause, Error, Phase, Reached, Stream};
use crate::pool::{CloseReason, Permit, Pool, Request};
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Connection, OpenError, Transport};

/// A command that did not end by itself, and the output that had arrived.
#[derive(Debug)]
pub struct Failure {
    pub error: Error,
    pub captured: Captured,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, captured: Captured::default() }
    }
}

type Outcome = Result<Output, Failure>;
type ChannelOf<T> = <<T as Transport>::Connection as Connection>::Channel;

/// Connections found dead before the command was sent, after which a call gives up.
const MAX_DEAD_CONNECTIONS: u32 = 3;
/// How long the server may take to close a channel after exit status and EOF before the caller gets its answer anyway.
const LINGER: Duration = Duration::from_millis(250);
/// How long to wait for a lost connection to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs `command` and collects its output.
///
/// The command lives in a task of its own that owns its permit and channel. Dropping this future is the same as
/// cancelling: the remote process is ended in the background and the permit comes back when the server has freed it.
pub async fn exec<T: Transport>(
    pool: Arc<Pool<T>>,
    request: Request<T>,
    command: Command,
    cancel: Cancel,
) -> Result<Output, Failure> {
    let (answer, outcome) = oneshot::channel();
    let _gone = CancelOnDrop(cancel.clone());
    let runtime = pool.runtime().clone();
    runtime.spawn(Run { pool, request, command, started: Instant::now() }.run(cancel, answer));
    // Only a panic in the task drops its answer.
    outcome.await.unwrap_or_else(|_| Err(Error::Internal { what: "running a command" }.into()))
}

struct Run<T: Transport> {
    pool: Arc<Pool<T>>,
    request: Request<T>,
    command: Command,
    started: Instant,
}

/// A command under way.
struct Running<T: Transport> {
    channel: ChannelOf<T>,
    permit: Permit<T>,
    capture: Capture,
    reached: Reached,
    status: Option<ExitStatus>,
    eof: bool,
}

/// How the reading loop ended.
enum Ended {
    Closed,
    /// Exit status and EOF are here, the server's CLOSE is not.
    Lingering,
    Lost,
    Stopped(Why),
    Refused,
    Overflow(Error),
}

impl<T: Transport> Run<T> {
    async fn run(self, cancel: Cancel, answer: oneshot::Sender<Outcome>) {
        let stop = stopped(cancel, self.command.timeout, self.started);
        tokio::pin!(stop);
        let mut answer = Some(answer);
        // A caller that is gone needs no answer: its command was cancelled with it.
        let mut reply = |outcome: Outcome| answer.take().map(|answer| answer.send(outcome));
        let mut reruns = u32::from(self.command.retry_lost_connection);
        let mut unsent = MAX_DEAD_CONNECTIONS;
        loop {
            let acquiring = Instant::now();
            let permit = tokio::select! {
                biased;
                permit = self.pool.acquire(&self.request) => permit,
                why = &mut stop => Err(why.error(self.pool.waiting_phase(&self.request.key), Reached::No)),
            };
            let opened = match permit {
                Ok(permit) => self.open(permit, &mut stop, &mut reply).await,
                Err(error) => Err(Some(error)),
            };
            let (permit, channel, since) = match opened {
                Ok(opened) => opened,
                Err(Some(error)) => break drop(reply(Err(error.into()))),
                Err(None) => break,
            };
            let timings = Timings {
                connect: permit.connect_time(),
                queued: (since - acquiring).saturating_sub(permit.connect_time()),
                run: Duration::ZERO,
            };
            let mut running = Running::<T> {
                channel,
                permit,
                capture: Capture::new(self.command.max_buffer, self.command.collect_all),
                reached: Reached::No,
                status: None,
                eof: false,
            };
            let ended = running.read(&self.command, &mut stop).await;
            if matches!(ended, Ended::Lost) && running.may_rerun(&mut reruns, &mut unsent) {
                running.permit.suspect();
                continue;
            }
            let timings = Timings { run: since.elapsed(), ..timings };
            running.finish(ended, timings, self.started, reply).await;
            break;
        }
    }

    /// A channel on some connection. Refused channels and connections found dead lead back to the front of the queue.
    /// `Err(None)`: the caller already has its answer.
    async fn open(
        &self,
        mut permit: Permit<T>,
        stop: &mut (impl Future<Output = Why> + Unpin),
        reply: &mut impl FnMut(Outcome) -> Option<Result<(), Outcome>>,
    ) -> Result<(Permit<T>, ChannelOf<T>, Instant), Option<Error>> {
        let mut dead = 0;
        loop {
            let since = Instant::now();
            let connection = permit.connection_handle();
            let mut opening = Box::pin(connection.open());
            let opened = tokio::select! {
                biased;
                opened = &mut opening => opened,
                why = &mut *stop => {
                    drop(reply(Err(why.error(Phase::OpenChannel, Reached::No).into())));
                    tail::discard(opening, permit).await;
                    return Err(None);
                }
            };
            let next = match opened {
                Ok(channel) => return Ok((permit, channel, since)),
                Err(OpenError::Refused(reason)) => match self.again(permit, &mut *stop).await {
                    Some(next) => next,
                    None => return Err(Some(Error::ChannelRefused { reason })),
                },
                Err(OpenError::Lost(error)) => {
                    dead += 1;
                    if let Some(CloseReason::Removed) = permit.close_reason() {
                        return Err(Some(Error::PoolClosed { phase: Phase::OpenChannel, reached: Reached::No }));
                    }
                    if dead >= MAX_DEAD_CONNECTIONS {
                        permit.suspect();
                        return Err(Some(error));
                    }
                    self.stoppable(self.pool.acquire_instead(permit, &self.request), &mut *stop).await
                }
            };
            permit = next.map_err(Some)?;
        }
    }

    async fn again(
        &self,
        permit: Permit<T>,
        stop: &mut (impl Future<Output = Why> + Unpin),
    ) -> Option<Result<Permit<T>, Error>> {
        tokio::select! {
            biased;
            next = self.pool.acquire_again(permit, &self.request) => next,
            why = stop => Some(Err(why.error(Phase::Queue, Reached::No))),
        }
    }

    async fn stoppable(
        &self,
        acquire: impl Future<Output = Result<Permit<T>, Error>>,
        stop: &mut (impl Future<Output = Why> + Unpin),
    ) -> Result<Permit<T>, Error> {
        tokio::select! {
            biased;
            permit = acquire => permit,
            why = stop => Err(why.error(Phase::Queue, Reached::No)),
        }
    }
}

impl<T: Transport> Running<T> {
    /// Sends the request and stdin while reading, until the channel is done or must be.
    async fn read(&mut self, command: &Command, stop: &mut (impl Future<Output = Why> + Unpin)) -> Ended {
        let writer = self.channel.writer();
        let (sent, mut was_sent) = oneshot::channel();
        let feed = feed(writer, compose(command), command.stdin.clone(), sent);
        tokio::pin!(feed);
        let mut feeding = true;
        let linger = tokio::time::sleep(LINGER);
        tokio::pin!(linger);
        let mut lingering = false;
        loop {
            tokio::select! {
                biased;
                why = &mut *stop => {
                    self.note_sent(&mut was_sent);
                    return Ended::Stopped(why);
                }
                () = &mut feed, if feeding => {
                    feeding = false;
                    self.note_sent(&mut was_sent);
                }
                event = self.channel.next() => {
                    self.note_sent(&mut was_sent);
                    let Some(event) = event else { return Ended::Lost };
                    if let Some(ended) = self.take(event) {
                        return ended;
                    }
                    if self.eof && self.status.is_some() && !lingering {
                        lingering = true;
                        linger.as_mut().reset(Instant::now() + LINGER);
                    }
                }
                () = &mut linger, if lingering => return Ended::Lingering,
            }
        }
    }

    fn take(&mut self, event: ChannelEvent) -> Option<Ended> {
        let pushed = match event {
            ChannelEvent::Started => {
                self.reached = Reached::Yes;
                Ok(())
            }
            ChannelEvent::Stdout(data) => self.push(Stream::Stdout, &data),
            ChannelEvent::Stderr(data) => self.push(Stream::Stderr, &data),
            ChannelEvent::Exited(status) => {
                self.reached = Reached::Yes;
                self.status = Some(status);
                Ok(())
            }
            ChannelEvent::Eof => {
                self.eof = true;
                Ok(())
            }
            ChannelEvent::ExecRefused => return Some(Ended::Refused),
            ChannelEvent::Closed => return Some(Ended::Closed),
        };
        pushed.err().map(Ended::Overflow)
    }

    fn push(&mut self, stream: Stream, data: &Bytes) -> Result<(), Error> {
        self.reached = Reached::Yes;
        self.capture.push(stream, data)
    }

    /// Once the request is handed over, nobody can tell whether it reached the server until the server answers.
    fn note_sent(&mut self, was_sent: &mut oneshot::Receiver<()>) {
        if self.reached == Reached::No && was_sent.try_recv().is_ok() {
            self.reached = Reached::Unknown;
        }
    }

    /// May a command whose connection was lost run again? Always (in reason) when it provably never left; else only as
    /// often as the caller has asked for.
    fn may_rerun(&self, reruns: &mut u32, unsent: &mut u32) -> bool {
        let left = if self.reached == Reached::No { unsent } else { reruns };
        let again = *left > 0 && self.permit.close_reason().is_none();
        *left = left.saturating_sub(1);
        again
    }

    /// Answers the caller first, then sees the channel to its end.
    async fn finish(
        mut self,
        ended: Ended,
        timings: Timings,
        started: Instant,
        mut reply: impl FnMut(Outcome) -> Option<Result<(), Outcome>>,
    ) {
        let error = match &ended {
            Ended::Closed | Ended::Lingering => None,
            Ended::Lost => Some(lost(&self.permit, self.reached).await),
            Ended::Stopped(why) => Some(why.error(Phase::Run, self.reached)),
            Ended::Overflow(error) => Some(error.clone()),
            Ended::Refused => Some(Error::ExecRefused),
        };
        let captured = self.capture.take();
        let duration = started.elapsed();
        let outcome = match (error, self.status.take()) {
            (Some(error), _) => Err(Failure { error, captured }),
            (None, Some(status)) => Ok(Output { captured, status, timings, duration }),
            (None, None) => Err(Failure { error: Error::NoExitStatus, captured }),
        };
        let Self { channel, permit, .. } = self;
        match ended {
            // The permit first: whoever looks at the pool after its command ended finds it returned.
            Ended::Closed => {
                permit.release();
                drop(reply(outcome));
            }
            Ended::Lost => {
                permit.suspect();
                drop(reply(outcome));
            }
            Ended::Lingering | Ended::Refused => {
                drop(reply(outcome));
                tail::close::<T>(channel, permit).await;
            }
            Ended::Stopped(_) | Ended::Overflow(_) => {
                drop(reply(outcome));
                tail::end::<T>(channel, permit).await;
            }
        }
    }
}

/// Why a connection ended under a running command.
async fn lost<T: Transport>(permit: &Permit<T>, reached: Reached) -> Error {
    if let Some(CloseReason::Removed) = permit.close_reason() {
        return Error::PoolClosed { phase: Phase::Run, reached };
    }
    let last_words = tokio::time::timeout(LAST_WORDS, permit.connection().closed()).await;
    let source = match last_words.ok().flatten() {
        // Its cause, not itself: the same sentence twice says nothing new.
        Some(Error::ConnectionLost { source, .. }) => source,
        other => other.map(|error| Arc::new(error) as Cause),
    };
    Error::ConnectionLost { phase: Phase::Run, reached, source }
}

/// Everything the server gets, in one go: the request, stdin, EOF. A failing write means that the connection is gone,
/// which the reading side reports with its cause.
async fn feed<W: ChannelWriter>(writer: W, line: Vec<u8>, stdin: Option<Bytes>, sent: oneshot::Sender<()>) {
    if writer.exec(line).await.is_err() {
        return;
    }
    // The reader may have ended; then nobody needs to know.
    let _ = sent.send(());
    if let Some(data) = stdin
        && writer.write(data).await.is_err()
    {
        return;
    }
    let _ = writer.eof().await;
}
