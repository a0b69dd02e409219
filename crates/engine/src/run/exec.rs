use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::capture::Capture;
use super::control::Controls;
use super::reply::{Outcome, Reply};
use super::running::{ChannelOf, Ended, Running};
use super::sink::{Pipes, Sink};
use super::stop::{Cancel, CancelOnDrop, Why, stopped};
use super::tail;
use crate::command::{Command, Timings};
use crate::error::{Error, Phase, Reached};
use crate::pool::{CloseReason, Permit, Pool, Request};
use crate::transport::{Connection, OpenError, Transport};

/// Connections found dead before the command was sent, after which a call gives up.
const MAX_DEAD_CONNECTIONS: u32 = 3;

/// Runs `command` and collects its output.
///
/// The command lives in a task of its own that owns its permit and channel. Dropping this future is the same as
/// cancelling: the remote process is ended in the background and the permit comes back when the server has freed it.
///
/// The place in the pool's queue is taken by the call itself: commands are served in the order of their calls.
pub fn exec<T: Transport>(
    pool: Arc<Pool<T>>,
    request: Request<T>,
    command: Command,
    cancel: Cancel,
) -> impl Future<Output = Outcome> + Send {
    start(pool, request, command, Io::Collected, cancel)
}

/// How a command and its caller talk.
pub(super) enum Io {
    /// Everything at the end.
    Collected,
    /// As it comes.
    Streamed(Arc<Pipes>, Controls),
}

pub(super) fn start<T: Transport>(
    pool: Arc<Pool<T>>,
    request: Request<T>,
    command: Command,
    io: Io,
    cancel: Cancel,
) -> impl Future<Output = Outcome> + Send {
    let (reply, outcome) = Reply::channel();
    // Not the caller's own `cancel`: that one may be shared with other commands.
    let gone = CancelOnDrop::default();
    let acquiring: Acquiring<T> = if cancel.is_cancelled() {
        // A call aborted beforehand troubles nobody.
        Box::pin(std::future::pending())
    } else {
        Box::pin(pool.acquire(&request))
    };
    let runtime = pool.runtime().clone();
    let run = Run { pool, request, started: command.started(), command };
    runtime.spawn(run.run(acquiring, io, cancel, gone.0.clone(), reply));
    async move {
        let _gone = gone;
        // Only a panic in the task drops its answer.
        outcome.await.unwrap_or_else(|_| Err(Error::Internal { what: "running a command" }.into()))
    }
}

pub(crate) type Acquiring<T> = Pin<Box<dyn Future<Output = Result<Permit<T>, Error>> + Send>>;

pub(crate) struct Run<T: Transport> {
    pub pool: Arc<Pool<T>>,
    pub request: Request<T>,
    pub command: Command,
    pub started: Instant,
}

impl<T: Transport> Run<T> {
    async fn run(self, mut acquiring: Acquiring<T>, io: Io, cancel: Cancel, gone: Cancel, mut reply: Reply) {
        let (mut sink, mut controls) = match io {
            Io::Collected => (self.capture(), Controls::default()),
            Io::Streamed(pipes, controls) => (Sink::Pipes(pipes), controls),
        };
        let stop = stopped(cancel, gone, self.command.timeout, self.started);
        tokio::pin!(stop);
        let mut reruns = u32::from(self.command.retry_lost_connection);
        let mut unsent = MAX_DEAD_CONNECTIONS;
        let mut asked = self.started;
        loop {
            let permit = tokio::select! {
                biased;
                why = &mut stop => Err(why.error(self.pool.waiting_phase(&self.request.key), Reached::No)),
                permit = &mut acquiring => permit,
            };
            let opened = match permit {
                Ok(permit) => self.open(permit, &mut stop, &mut reply).await,
                Err(error) => Err(Some(error)),
            };
            let (permit, channel, since) = match opened {
                Ok(opened) => opened,
                Err(Some(error)) => break reply.send(Err(error.into())),
                Err(None) => break,
            };
            let timings = Timings {
                connect: permit.connect_time(),
                queued: (since - asked).saturating_sub(permit.connect_time()),
                run: Duration::ZERO,
            };
            let mut running = Running::new(channel, permit, sink, &self.command);
            let ended = running.read(&self.command, &mut controls, &mut stop).await;
            if matches!(ended, Ended::Lost) && running.may_rerun(&mut reruns, &mut unsent) {
                sink = running.suspect();
                asked = Instant::now();
                acquiring = Box::pin(self.pool.acquire(&self.request));
                continue;
            }
            let timings = Timings { run: since.elapsed(), ..timings };
            self.pool.metrics().run.record(timings.run);
            running.finish(ended, timings, self.started, &mut reply).await;
            break;
        }
    }

    fn capture(&self) -> Sink {
        Sink::Capture(Capture::new(self.command.max_buffer, self.command.collect_all))
    }

    /// A channel on some connection. Refused channels and connections found dead lead back to the front of the queue.
    /// `Err(None)`: the caller already has its answer.
    pub async fn open(
        &self,
        mut permit: Permit<T>,
        stop: &mut (impl Future<Output = Why> + Unpin),
        reply: &mut Reply,
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
                    reply.send(Err(why.error(Phase::OpenChannel, Reached::No).into()));
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

    /// As [`open`](Self::open), for who answers nobody.
    pub async fn open_only(
        &self,
        permit: Permit<T>,
        stop: &mut (impl Future<Output = Why> + Unpin),
    ) -> Result<(Permit<T>, ChannelOf<T>), Error> {
        let (mut reply, mut said) = Reply::channel();
        match self.open(permit, stop, &mut reply).await {
            Ok((permit, channel, _)) => Ok((permit, channel)),
            Err(Some(error)) => Err(error),
            Err(None) => Err(match said.try_recv() {
                Ok(Err(failure)) => failure.error,
                _ => Error::Internal { what: "opening a channel" },
            }),
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
