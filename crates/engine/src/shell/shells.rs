use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::dialect::{isolated, prepare};
use super::idle::{Idle, dismiss};
use super::nonce::Nonce;
use super::warm::{NoShell, Ran, Warm};
use crate::command::{self, Command, ExitStatus, Output, Timings};
use crate::error::{Error, Phase, Reached};
use crate::pool::{Key, Permit, Pool, Request};
use crate::run::{
    Acquiring, Cancel, CancelOnDrop, Capture, ChannelOf, Failure, Outcome, Reply, Run, Why, compose, exec, lost,
    stopped, tail,
};
use crate::transport::Transport;

/// How long a login shell that cannot carry commands is left alone.
const UNSUITED: Duration = Duration::from_secs(600);

/// Runs plain commands in warm shells, each in a subshell of its own. What the mode cannot hold (stdin, a terminal, a
/// login shell we do not know) runs on a channel of its own instead.
pub struct Shells<T: Transport>(Arc<Inner<T>>);

struct Inner<T: Transport> {
    idle: Arc<Idle<ChannelOf<T>>>,
    unsuited: Mutex<HashMap<Unsuited, Instant>>,
}

/// Whose login shell, or where.
type Unsuited = (Key, Option<Arc<command::Place>>);

impl<T: Transport> Clone for Shells<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Transport> Default for Shells<T> {
    fn default() -> Self {
        Self(Arc::new(Inner { idle: Arc::default(), unsuited: Mutex::default() }))
    }
}

impl<T: Transport> Shells<T> {
    /// As [`exec`], which it is for a command that the mode cannot hold.
    pub fn exec(
        &self,
        pool: Arc<Pool<T>>,
        request: Request<T>,
        command: Command,
        cancel: Cancel,
    ) -> impl Future<Output = Outcome> + Send + use<T> {
        let (reply, outcome) = Reply::channel();
        let gone = CancelOnDrop::default();
        let acquiring: Option<Acquiring<T>> = (self.holds(&request.key, &command) && !cancel.is_cancelled())
            .then(|| Box::pin(pool.acquire(&request)) as _);
        let plain = acquiring
            .is_none()
            .then(|| self.exec_beside(Arc::clone(&pool), request.clone(), command.clone(), cancel.clone()));
        if let Some(acquiring) = acquiring {
            let runtime = pool.runtime().clone();
            let run = Run { pool, request, started: command.started(), command };
            let one = One { shells: Arc::clone(&self.0), run, cancel, gone: gone.0.clone() };
            runtime.spawn(one.run(acquiring, reply));
        }
        async move {
            let _gone = gone;
            match plain {
                Some(plain) => plain.await,
                // Only a panic in the task drops its answer.
                None => outcome.await.unwrap_or_else(|_| Err(Error::Internal { what: "running a command" }.into())),
            }
        }
    }

    /// As [`exec`], for a command that is to have a shell of its own. Where the server has so few sessions that an idle
    /// shell of ours is in the way, the idle shells go, and the mode with them for a while.
    pub fn exec_beside(
        &self,
        pool: Arc<Pool<T>>,
        request: Request<T>,
        command: Command,
        cancel: Cancel,
    ) -> impl Future<Output = Outcome> + Send + use<T> {
        // What was read of a stream cannot be read again.
        let in_the_way = (self.idle() > 0 && command.stdin_stream.is_none())
            .then(|| (Arc::clone(&self.0), request.clone(), command.clone()));
        let started = command.started();
        let first = exec(Arc::clone(&pool), request, command, cancel.clone());
        async move {
            let outcome = first.await;
            let refused = matches!(&outcome, Err(failure) if matches!(failure.error, Error::ChannelRefused { .. }));
            match in_the_way {
                // A refused channel proves that the command never ran.
                Some((shells, request, mut command)) if refused => {
                    shells.is_unsuited(&request.key, &command);
                    for shell in shells.idle.take_all() {
                        dismiss(shell).await;
                    }
                    command.spent = started.elapsed();
                    exec(pool, request, command, cancel).await
                }
                _ => outcome,
            }
        }
    }

    /// Idle shells, over all connections.
    pub fn idle(&self) -> usize {
        self.0.idle.len()
    }

    fn holds(&self, key: &Key, command: &Command) -> bool {
        let plain = command.stdin.is_none()
            && command.stdin_stream.is_none()
            && command.pty.is_none()
            && command.sudo.is_none()
            && command.place.as_ref().is_none_or(|place| place.argv.is_none());
        let whose = (key.clone(), command.place.clone());
        plain && self.0.unsuited.lock().get(&whose).is_none_or(|until| *until <= Instant::now())
    }
}

impl<T: Transport> Inner<T> {
    fn is_unsuited(&self, key: &Key, command: &Command) {
        let mut unsuited = self.unsuited.lock();
        let now = Instant::now();
        unsuited.retain(|_, until| *until > now);
        unsuited.insert((key.clone(), command.place.clone()), now + UNSUITED);
    }
}

/// One command.
struct One<T: Transport> {
    shells: Arc<Inner<T>>,
    run: Run<T>,
    cancel: Cancel,
    gone: Cancel,
}

/// What a command runs in.
struct Place<T: Transport> {
    permit: Permit<T>,
    shell: Warm<ChannelOf<T>>,
    since: Instant,
}

enum NoPlace {
    /// The caller has its answer.
    Answered,
    Failed(Error),
    /// On a channel of its own, then.
    Plain,
}

impl<T: Transport> One<T> {
    async fn run(self, mut acquiring: Acquiring<T>, mut reply: Reply) {
        let Run { pool, request, command, started } = &self.run;
        let stop = stopped(self.cancel.clone(), self.gone.clone(), command.timeout, *started);
        tokio::pin!(stop);
        let permit = tokio::select! {
            biased;
            why = &mut stop => Err(why.error(pool.waiting_phase(&request.key), Reached::No)),
            permit = &mut acquiring => permit,
        };
        let place = match permit {
            Ok(permit) => self.place(permit, &mut stop, &mut reply).await,
            Err(error) => Err(NoPlace::Failed(error)),
        };
        match place {
            Ok(place) => self.run_in(place, &mut stop, reply).await,
            Err(NoPlace::Answered) => {}
            Err(NoPlace::Failed(error)) => reply.send(Err(error.into())),
            Err(NoPlace::Plain) => self.run_plain(reply).await,
        }
    }

    /// An idle shell of the permit's connection, or a new one.
    async fn place(
        &self,
        permit: Permit<T>,
        stop: &mut (impl Future<Output = Why> + Unpin + Send),
        reply: &mut Reply,
    ) -> Result<Place<T>, NoPlace> {
        let since = Instant::now();
        if let Some(shell) = self.shells.idle.take(permit.connection_id(), self.run.command.place.as_ref()) {
            return Ok(Place { permit, shell, since });
        }
        let (permit, channel, since) = match self.run.open(permit, &mut *stop, reply).await {
            Ok(opened) => opened,
            Err(Some(error)) => return Err(NoPlace::Failed(error)),
            Err(None) => return Err(NoPlace::Answered),
        };
        // Nobody else's shell is kept here, so sudo has no part in it.
        let (channel, problem) = match Warm::start(channel, self.run.command.place.as_ref(), None, &mut *stop).await {
            Ok(mut shell) if shell.dialect.isolates => {
                shell.first_do(prepare(shell.dialect));
                return Ok(Place { permit, shell, since });
            }
            Ok(shell) => (shell.into_channel(), NoShell::Unsupported),
            Err(failed) => failed,
        };
        match problem {
            NoShell::Unsupported | NoShell::Refused(_) => {
                self.shells.is_unsuited(&self.run.request.key, &self.run.command);
                self.run.pool.runtime().spawn(tail::close::<T>(channel, permit));
                Err(NoPlace::Plain)
            }
            // The same would happen to it on a channel of its own.
            NoShell::Failed(error) => {
                self.run.pool.runtime().spawn(tail::close::<T>(channel, permit));
                Err(NoPlace::Failed(error))
            }
            NoShell::Closed => {
                self.shells.is_unsuited(&self.run.request.key, &self.run.command);
                permit.release();
                Err(NoPlace::Plain)
            }
            NoShell::Lost => {
                permit.suspect();
                Err(NoPlace::Plain)
            }
            NoShell::Stopped(why) => {
                reply.send(Err(why.error(Phase::OpenChannel, Reached::No).into()));
                tail::end::<T>(channel, permit).await;
                Err(NoPlace::Answered)
            }
        }
    }

    async fn run_in(&self, place: Place<T>, stop: &mut (impl Future<Output = Why> + Unpin + Send), mut reply: Reply) {
        let Place { permit, mut shell, since } = place;
        let Run { pool, command, started, .. } = &self.run;
        let nonce = Nonce::fresh();
        let line = String::from_utf8_lossy(&compose(command)).into_owned();
        let mut capture = Capture::new(command.max_buffer, command.collect_all);
        let mut reached = Reached::No;
        let ran = shell.run(isolated(shell.dialect, &line, &nonce), &nonce, &mut capture, &mut reached, stop).await;
        let may_rerun = reached == Reached::No || command.retry_lost_connection;
        if matches!(ran, Ran::Lost) && may_rerun && permit.close_reason().is_none() {
            permit.suspect();
            return self.run_plain(reply).await;
        }
        let queued = since.saturating_duration_since(*started).saturating_sub(permit.connect_time());
        let timings = Timings { connect: permit.connect_time(), queued, run: since.elapsed() };
        pool.metrics().run.record(timings.run);
        let result = match &ran {
            Ran::Done(code) => Ok(ExitStatus::Code(*code)),
            Ran::Last(status) => Ok(status.clone()),
            // As a command on a channel of its own that ends its shell by a signal.
            Ran::Exited(status @ ExitStatus::Signal(_)) => Ok(status.clone()),
            Ran::Exited(ExitStatus::Code(_)) | Ran::Unknown => Err(Error::ShellEnded),
            Ran::Lost => Err(lost(&permit, reached).await),
            Ran::Stopped(why) => Err(why.error(Phase::Run, reached)),
            Ran::Overflow(error) => Err(error.clone()),
        };
        let captured = capture.take();
        let outcome = match result {
            Ok(status) => Ok(Output { captured, status, timings, duration: started.elapsed() }),
            Err(error) => Err(Box::new(Failure { error, captured })),
        };
        self.leave(ran, shell, permit, outcome, &mut reply).await;
    }

    /// The shell first, then the permit: whoever gets it finds the shell. The caller last, who finds both.
    async fn leave(&self, ran: Ran, shell: Warm<ChannelOf<T>>, permit: Permit<T>, outcome: Outcome, reply: &mut Reply) {
        match ran {
            Ran::Done(_) => {
                if permit.close_reason().is_none() {
                    let Run { pool, command, .. } = &self.run;
                    self.shells.idle.put(permit.connection_id(), command.place.as_ref(), shell, pool.runtime());
                } else {
                    dismiss(shell).await;
                }
                permit.release();
                reply.send(outcome);
            }
            Ran::Lost => {
                permit.suspect();
                reply.send(outcome);
            }
            // As above: the permit before the answer.
            Ran::Last(_) | Ran::Exited(_) | Ran::Unknown if shell.closed => {
                permit.release();
                reply.send(outcome);
            }
            Ran::Last(_) | Ran::Exited(_) | Ran::Unknown => {
                reply.send(outcome);
                tail::close::<T>(shell.into_channel(), permit).await;
            }
            Ran::Stopped(_) | Ran::Overflow(_) => {
                reply.send(outcome);
                tail::end::<T>(shell.into_channel(), permit).await;
            }
        }
    }

    /// On a channel of its own, within what is left of its time.
    async fn run_plain(&self, mut reply: Reply) {
        let Run { pool, request, command, started } = &self.run;
        let command = Command { spent: started.elapsed(), ..command.clone() };
        let running = exec(Arc::clone(pool), request.clone(), command, self.cancel.clone());
        let outcome = tokio::select! {
            outcome = running => outcome,
            // Dropping it is cancelling it.
            () = self.gone.cancelled() => return,
        };
        reply.send(outcome);
    }
}
