use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::dialect::lasting;
use super::feeder::{Fed, Feeder, starved};
use super::nonce::Nonce;
use super::warm::{Departed, NoShell, Ran, Warm};
use crate::command::{Captured, Command, ExitStatus, Output, Place, Timings};
use crate::error::{Error, Phase, Reached};
use crate::pool::{Permit, Pool, Request};
use crate::run::{
    Cancel, CancelOnDrop, Capture, ChannelOf, Failure, Outcome, Reply, Run, Why, compose, lost, stopped, tail,
};
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Transport};

/// For a shell to end after it was told that there is nothing more to do.
const FAREWELL: Duration = Duration::from_millis(500);

/// A shell that keeps what its commands do to it: directory, environment, functions, options. One channel, for as long as
/// it lives. Its commands run one after the other, in the order of the calls. Dropping it closes it.
pub struct Session {
    orders: mpsc::UnboundedSender<Order>,
    ended: Arc<Ended>,
    /// Open as long as the shell is.
    alive: watch::Receiver<()>,
    pid: u32,
}

enum Order {
    Run(Box<Job>),
    Close,
}

/// Why it is over; nothing while it is not.
#[derive(Default)]
struct Ended {
    why: Mutex<Option<Arc<str>>>,
}

struct Job {
    command: Command,
    started: Instant,
    cancel: Cancel,
    gone: Cancel,
    /// Its turn has come. Nobody listens: the caller has given up.
    begun: oneshot::Sender<()>,
    reply: Reply,
}

impl Session {
    /// Opens a channel and a shell on it, in `first.cwd` and with `first.env`, within `first.timeout`.
    pub async fn open<T: Transport>(
        pool: Arc<Pool<T>>,
        request: Request<T>,
        first: Command,
        cancel: Cancel,
    ) -> Result<Self, Error> {
        let acquiring = pool.acquire(&request);
        let run = Run { pool, request, started: first.started(), command: first };
        let (answer, opened) = oneshot::channel();
        let gone = CancelOnDrop::default();
        let runtime = run.pool.runtime().clone();
        let gone_too = gone.0.clone();
        // In a task: a caller that leaves halfway must not leave a channel behind.
        runtime.clone().spawn(async move {
            let made = Shell::open(&run, acquiring, cancel, gone_too).await;
            // If the caller is gone, dropping the session closes it.
            let _ = answer.send(made.map(|shell| Self::around(shell, &runtime)));
        });
        let session = opened.await.unwrap_or(Err(Error::Internal { what: "opening a session" }));
        drop(gone);
        session
    }

    fn around<T: Transport>(shell: Shell<T>, runtime: &Handle) -> Self {
        let pid = shell.warm.pid;
        let (orders, queue) = mpsc::unbounded_channel();
        let (living, alive) = watch::channel(());
        let ended = Arc::<Ended>::default();
        runtime.spawn(shell.serve(queue, Arc::clone(&ended), living));
        Self { orders, ended, alive, pid }
    }

    /// Runs a command in the shell itself.
    pub fn execute(&self, command: Command, cancel: Cancel) -> impl Future<Output = Outcome> + Send + use<> {
        let (reply, outcome) = Reply::channel();
        let (begun, has_begun) = oneshot::channel();
        let gone = CancelOnDrop::default();
        let started = Instant::now();
        let limit = command.timeout;
        let job = Job { command, started, cancel: cancel.clone(), gone: gone.0.clone(), begun, reply };
        // A session that has ended drops it; what is said then is why.
        let _ = self.orders.send(Order::Run(Box::new(job)));
        let ended = Arc::clone(&self.ended);
        async move {
            let _gone = gone;
            tokio::select! {
                biased;
                begun = has_begun => {
                    if begun.is_err() {
                        return Err(ended.error().into());
                    }
                }
                why = stopped(cancel, Cancel::default(), limit, started) => {
                    return Err(why.error(Phase::Queue, Reached::No).into());
                }
            }
            // Only a panic in the task drops its answer.
            outcome.await.unwrap_or_else(|_| Err(Error::Internal { what: "running a command" }.into()))
        }
    }

    /// The shell's process id on the other side.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn is_closed(&self) -> bool {
        self.alive.has_changed().is_err()
    }

    /// Ends the shell after what was asked of it already; resolves when it has ended. Closing twice is once.
    pub fn close(&self) -> impl Future<Output = ()> + Send + use<> {
        // One that has ended needs no order.
        let _ = self.orders.send(Order::Close);
        let mut alive = self.alive.clone();
        async move { while alive.changed().await.is_ok() {} }
    }
}

impl Ended {
    fn because(&self, why: &str) {
        self.why.lock().get_or_insert_with(|| why.into());
    }

    fn error(&self) -> Error {
        Error::SessionClosed { why: self.why.lock().clone().unwrap_or_else(|| "close() was called".into()) }
    }
}

/// The session's side of the channel.
struct Shell<T: Transport> {
    pool: Arc<Pool<T>>,
    /// For the channels that bring stdin to its commands, and where these lead.
    request: Request<T>,
    place: Option<Arc<Place>>,
    warm: Warm<ChannelOf<T>>,
    permit: Permit<T>,
}

impl<T: Transport> Shell<T> {
    async fn open(
        run: &Run<T>,
        acquiring: impl Future<Output = Result<Permit<T>, Error>> + Send,
        cancel: Cancel,
        gone: Cancel,
    ) -> Result<Self, Error> {
        let stop = stopped(cancel, gone, run.command.timeout, run.started);
        tokio::pin!(stop);
        let permit = tokio::select! {
            biased;
            why = &mut stop => return Err(why.error(run.pool.waiting_phase(&run.request.key), Reached::No)),
            permit = acquiring => permit?,
        };
        let (permit, channel) = run.open_only(permit, &mut stop).await?;
        let Command { place, sudo, .. } = &run.command;
        match Warm::start(channel, place.as_ref(), sudo.as_ref(), &mut stop).await {
            Ok(warm) => {
                let (pool, request, place) = (Arc::clone(&run.pool), run.request.clone(), place.clone());
                Self { pool, request, place, warm, permit }.prepared(&run.command, &mut stop).await
            }
            Err((channel, problem)) => Err(failed(channel, permit, problem, &run.pool).await),
        }
    }

    /// In its directory, with its variables.
    async fn prepared(
        mut self,
        first: &Command,
        stop: &mut (impl Future<Output = Why> + Unpin),
    ) -> Result<Self, Error> {
        if first.cwd.is_none() && first.env.is_empty() {
            return Ok(self);
        }
        let first = Command { line: ":".to_owned(), max_buffer: usize::MAX, sudo: None, ..first.clone() };
        let (ran, captured, reached) = self.run(&first, None, stop).await;
        let problem = match ran {
            Ran::Done(0) => return Ok(self),
            Ran::Lost => lost(&self.permit, reached).await,
            Ran::Stopped(why) => why.error(Phase::Run, reached),
            Ran::Overflow(error) => error,
            Ran::Done(_) | Ran::Last(_) | Ran::Exited(_) | Ran::Unknown => {
                let said = String::from_utf8_lossy(&captured.stderr).trim().to_owned();
                Error::InvalidOption { option: "cwd", problem: format!("the shell cannot change to it: {said}") }
            }
        };
        self.pool.runtime().spawn(tail::end::<T>(self.warm.into_channel(), self.permit));
        Err(problem)
    }

    /// The session's life: one order after the other, and an eye on the channel in between.
    async fn serve(mut self, mut queue: mpsc::UnboundedReceiver<Order>, ended: Arc<Ended>, living: watch::Sender<()>) {
        let fate = loop {
            let order = tokio::select! {
                biased;
                departed = self.warm.ended() => break Fate::from(departed),
                order = queue.recv() => order,
            };
            match order {
                None | Some(Order::Close) => break Fate::Asked,
                Some(Order::Run(job)) => {
                    if let Some(fate) = self.serve_one(*job, &ended).await {
                        break fate;
                    }
                }
            }
        };
        ended.because(fate.why());
        queue.close();
        // What still waits is dropped: its callers learn why.
        while queue.recv().await.is_some() {}
        drop(living);
        self.leave(fate).await;
    }

    async fn serve_one(&mut self, job: Job, ended: &Ended) -> Option<Fate> {
        let Job { command, started, cancel, gone, begun, mut reply } = job;
        if begun.send(()).is_err() {
            return None;
        }
        let since = Instant::now();
        let stop = stopped(cancel, gone, command.timeout, started);
        tokio::pin!(stop);
        let mut feeder = None;
        if command.stdin.is_some() || command.stdin_stream.is_some() {
            let (pool, request) = (Arc::clone(&self.pool), self.request.clone());
            let command = Command { place: self.place.clone(), ..command.clone() };
            let run = Run { pool, request, command, started };
            feeder = match Feeder::open(&run, &mut stop).await {
                Ok(feeder) => Some(feeder),
                Err(error) => {
                    reply.send(Err(error.into()));
                    return None;
                }
            };
        }
        let (ran, captured, reached) = self.run(&command, feeder.as_mut(), &mut stop).await;
        if let Some(feeder) = feeder {
            feeder.end(&self.pool);
        }
        let timings = Timings { connect: Duration::ZERO, queued: since - started, run: since.elapsed() };
        self.pool.metrics().run.record(timings.run);
        let (result, fate) = match ran {
            Ran::Done(code) => (Ok(ExitStatus::Code(code)), None),
            Ran::Last(status) | Ran::Exited(status) => (Ok(status), Some(Fate::Exited)),
            Ran::Unknown => (Err(Error::ShellEnded), Some(Fate::Exited)),
            Ran::Lost => (Err(lost(&self.permit, reached).await), Some(Fate::Lost)),
            Ran::Stopped(why) => (Err(why.error(Phase::Run, reached)), Some(Fate::Stopped(why))),
            Ran::Overflow(error @ Error::NoStdin { .. }) => (Err(error), Some(Fate::Starved)),
            Ran::Overflow(error) => (Err(error), Some(Fate::Overflown)),
        };
        // First of all, so that whoever has the answer finds the session closed.
        if let Some(fate) = &fate {
            ended.because(fate.why());
        }
        reply.send(match result {
            Ok(status) => Ok(Output { captured, status, timings, duration: started.elapsed() }),
            Err(error) => Err(Box::new(Failure { error, captured })),
        });
        fate
    }

    async fn run(
        &mut self,
        command: &Command,
        feeder: Option<&mut Feeder<T>>,
        stop: &mut (impl Future<Output = Why> + Unpin),
    ) -> (Ran, Captured, Reached) {
        let nonce = Nonce::fresh();
        let line = String::from_utf8_lossy(&compose(command)).into_owned();
        let mut capture = Capture::new(command.max_buffer, command.collect_all);
        let mut reached = Reached::No;
        let stdin = feeder.as_ref().map(|feeder| feeder.path.as_str());
        let text = lasting(self.warm.dialect, &line, stdin, &nonce);
        let running = self.warm.run(text, &nonce, &mut capture, &mut reached, stop);
        let ran = match feeder {
            Some(feeder) => fed(feeder, command, running).await,
            None => running.await,
        };
        (ran, capture.take(), reached)
    }

    async fn leave(self, fate: Fate) {
        let Self { warm, permit, .. } = self;
        match fate {
            Fate::Lost => permit.suspect(),
            _ if warm.closed => permit.release(),
            Fate::Stopped(_) | Fate::Overflown | Fate::Starved => tail::end::<T>(warm.into_channel(), permit).await,
            Fate::Exited => tail::close::<T>(warm.into_channel(), permit).await,
            Fate::Asked => {
                let mut channel = warm.into_channel();
                let writer = channel.writer();
                // A failing write means that the connection is gone, and the shell with it; both at once, because a line
                // that is stuck takes nothing.
                let parting = async { tokio::join!(writer.eof(), until_exit(&mut channel)) };
                let _ = tokio::time::timeout(FAREWELL, parting).await;
                tail::close::<T>(channel, permit).await;
            }
        }
    }
}

/// Why a session is over.
#[derive(Clone, Copy)]
enum Fate {
    Asked,
    Exited,
    Lost,
    Stopped(Why),
    Overflown,
    Starved,
}

impl From<Departed> for Fate {
    fn from(departed: Departed) -> Self {
        match departed {
            Departed::Exited => Self::Exited,
            Departed::Lost => Self::Lost,
        }
    }
}

impl Fate {
    fn why(self) -> &'static str {
        match self {
            Self::Asked => "close() was called",
            Self::Exited => "its shell has ended, by exit, exec or a signal",
            Self::Lost => "its connection was lost",
            Self::Stopped(Why::TimedOut(_)) => "a command timed out, and could only be ended together with the shell",
            Self::Stopped(Why::Aborted) => "a command was aborted, and could only be ended together with the shell",
            Self::Overflown => "a command exceeded maxBuffer, and could only be ended together with the shell",
            Self::Starved => {
                "a command waited for a stdin that did not come, and could only be ended together with the shell"
            }
        }
    }
}

/// A command that is fed while it runs. One whose stdin never gets there would wait for ever, or has not run.
async fn fed<T: Transport>(feeder: &mut Feeder<T>, command: &Command, running: impl Future<Output = Ran>) -> Ran {
    let mut running = pin!(running);
    let fed = tokio::select! {
        biased;
        ran = &mut running => return feeder.judged(ran).await,
        fed = feeder.feed(command) => fed,
    };
    match fed {
        Fed::Enough => running.await,
        Fed::Never => Ran::Overflow(starved()),
    }
}

/// The shell has exited. What it has said until then is no command's.
async fn until_exit<C: Channel>(channel: &mut C) {
    while let Some(event) = channel.next().await {
        if matches!(event, ChannelEvent::Exited(_) | ChannelEvent::Closed) {
            return;
        }
    }
}

async fn failed<T: Transport>(channel: ChannelOf<T>, permit: Permit<T>, problem: NoShell, pool: &Pool<T>) -> Error {
    match problem {
        NoShell::Unsupported => {
            pool.runtime().spawn(tail::close::<T>(channel, permit));
            Error::ShellUnsupported
        }
        NoShell::Failed(error) => {
            pool.runtime().spawn(tail::close::<T>(channel, permit));
            error
        }
        NoShell::Closed => {
            permit.release();
            Error::ShellUnsupported
        }
        NoShell::Lost => {
            let error = lost(&permit, Reached::No).await;
            permit.suspect();
            error
        }
        NoShell::Refused(error) => {
            pool.runtime().spawn(tail::close::<T>(channel, permit));
            error
        }
        NoShell::Stopped(why) => {
            pool.runtime().spawn(tail::end::<T>(channel, permit));
            why.error(Phase::OpenChannel, Reached::No)
        }
    }
}
