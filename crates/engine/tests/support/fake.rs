use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use xec_engine::error::{Error, Kind, Phase, Reached};
use xec_engine::pool::Hops;
use xec_engine::transport::{Channel, ChannelEvent, Connection, OpenError, Transport};

use super::mailbox::Mailbox;
use super::session::{Pipe, Session, Writer};

/// What happens to a command on a channel that opened.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// The test plays the server: it takes the session with [`Fake::session`].
    Held,
    /// The server runs the command for this long, then answers exit code 0, EOF and CLOSE.
    After(Duration),
}

/// How health checks go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unhealthy {
    No,
    Says,
    Silent,
}

/// What the server does by itself. What is held waits for the test.
#[derive(Debug, Clone)]
pub struct Script {
    pub hold_dials: bool,
    pub dial_time: Duration,
    /// Every dial fails with this.
    pub dial_error: Option<Error>,
    pub hold_opens: bool,
    pub open_time: Duration,
    /// Channels the server allows at once per connection.
    pub max_sessions: usize,
    /// How long after its CLOSE the server still counts a session (OpenSSH 9.2 does).
    pub free_after: Duration,
    pub answer: Answer,
    /// `close()` waits for [`Fake::release_closes`].
    pub hold_closes: bool,
    /// The exec request stays in our own buffer: the server never sees it.
    pub hold_exec: bool,
    /// The server reads no stdin.
    pub hold_stdin: bool,
    pub unhealthy: Unhealthy,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            hold_dials: false,
            dial_time: Duration::ZERO,
            dial_error: None,
            hold_opens: false,
            open_time: Duration::ZERO,
            max_sessions: usize::MAX,
            free_after: Duration::ZERO,
            answer: Answer::Held,
            hold_closes: false,
            hold_exec: false,
            hold_stdin: false,
            unhealthy: Unhealthy::No,
        }
    }
}

/// What the server has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub dials: usize,
    pub dials_now: usize,
    pub dials_max: usize,
    pub connections: usize,
    pub connections_now: usize,
    pub connections_max: usize,
    pub channels: usize,
    pub channels_now: usize,
    /// On one connection.
    pub channels_max: usize,
    pub refusals: usize,
    /// Calls of `close()`.
    pub closes: usize,
    /// Exec requests that arrived.
    pub execs: usize,
    /// Health checks that were begun.
    pub checks: usize,
}

pub struct Server {
    pub script: Mutex<Script>,
    pub tally: Mutex<Tally>,
    dials: Mailbox<PendingDial>,
    opens: Mailbox<PendingOpen>,
    pub sessions: Mailbox<Session>,
    lines: Mutex<Vec<Arc<Line>>>,
    closes: watch::Sender<u64>,
}

/// The transport. Clones share one server.
#[derive(Clone)]
pub struct Fake(pub Arc<Server>);

impl Fake {
    pub fn new(script: Script) -> Self {
        Self(Arc::new(Server {
            script: Mutex::new(script),
            tally: Mutex::default(),
            dials: Mailbox::new("a dial"),
            opens: Mailbox::new("a channel being opened"),
            sessions: Mailbox::new("a session"),
            lines: Mutex::default(),
            closes: watch::channel(0).0,
        }))
    }

    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.0.script.lock());
    }

    pub fn tally(&self) -> Tally {
        self.0.tally.lock().clone()
    }

    /// The next dial that is held.
    pub async fn dial(&self) -> PendingDial {
        self.0.dials.next().await
    }

    pub fn try_dial(&self) -> Option<PendingDial> {
        self.0.dials.try_next()
    }

    /// The next channel whose opening is held.
    pub async fn open(&self) -> PendingOpen {
        self.0.opens.next().await
    }

    /// The next session whose command is held, after its exec request arrived.
    pub async fn session(&self) -> Session {
        let mut session = self.0.sessions.next().await;
        session.take_exec().await;
        session
    }

    /// The next channel that opened, whether or not an exec request arrives.
    pub async fn channel(&self) -> Session {
        self.0.sessions.next().await
    }

    /// Breaks the connection made `nth` (from 0), as a network does.
    pub fn break_connection(&self, nth: usize) {
        let line = Arc::clone(&self.0.lines.lock()[nth]);
        line.end(Some(Error::ConnectionLost {
            phase: Phase::Run,
            reached: Reached::No,
            source: Some(Arc::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset))),
        }));
    }

    /// Lets every `close()` that waits go on.
    pub fn release_closes(&self) {
        self.script(|script| script.hold_closes = false);
        self.0.closes.send_modify(|round| *round += 1);
    }

    pub fn connection_refused() -> Error {
        Error::Dial {
            address: "host:22".into(),
            problem: "connection refused",
            code: "ECONNREFUSED",
            kind: Kind::ConnectionRefused,
            source: Arc::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)),
        }
    }
}

impl Server {
    fn connected(self: &Arc<Self>, target: &str) -> FakeConnection {
        let line = Arc::new(Line {
            server: Arc::clone(self),
            target: target.to_owned(),
            end: watch::channel(None).0,
            sessions: Mutex::new(0),
        });
        self.lines.lock().push(Arc::clone(&line));
        let mut tally = self.tally.lock();
        tally.connections += 1;
        tally.connections_now += 1;
        tally.connections_max = tally.connections_max.max(tally.connections_now);
        FakeConnection(line)
    }
}

impl Transport for Fake {
    type Target = String;
    type Connection = FakeConnection;

    async fn connect(&self, target: &Arc<String>, _: &Hops<Self>) -> Result<FakeConnection, Error> {
        let _under_way = DialUnderWay::new(&self.0);
        let script = self.0.script.lock().clone();
        if !script.dial_time.is_zero() {
            tokio::time::sleep(script.dial_time).await;
        }
        if script.hold_dials {
            let (verdict, decided) = oneshot::channel();
            self.0.dials.put(PendingDial { target: target.to_string(), verdict });
            match decided.await {
                Ok(Verdict::Yes) => {}
                Ok(Verdict::No(error)) => return Err(error),
                Ok(Verdict::Panic) => panic!("the transport has a bug (this is a test)"),
                // The test let go of it: a dial that never ends.
                Err(_) => std::future::pending().await,
            }
        } else if let Some(error) = script.dial_error {
            return Err(error);
        }
        Ok(self.0.connected(target))
    }
}

struct DialUnderWay(Arc<Server>);

impl DialUnderWay {
    fn new(server: &Arc<Server>) -> Self {
        let mut tally = server.tally.lock();
        tally.dials += 1;
        tally.dials_now += 1;
        tally.dials_max = tally.dials_max.max(tally.dials_now);
        drop(tally);
        Self(Arc::clone(server))
    }
}

impl Drop for DialUnderWay {
    fn drop(&mut self) {
        self.0.tally.lock().dials_now -= 1;
    }
}

enum Verdict {
    Yes,
    No(Error),
    Panic,
}

/// A dial that waits for the test's verdict.
pub struct PendingDial {
    pub target: String,
    verdict: oneshot::Sender<Verdict>,
}

impl PendingDial {
    pub fn succeed(self) {
        // A dial that was abandoned meanwhile needs no verdict; so below.
        let _ = self.verdict.send(Verdict::Yes);
    }

    pub fn fail(self, error: Error) {
        let _ = self.verdict.send(Verdict::No(error));
    }

    pub fn panic(self) {
        let _ = self.verdict.send(Verdict::Panic);
    }

    pub fn is_abandoned(&self) -> bool {
        self.verdict.is_closed()
    }
}

/// One connection, seen from the server.
pub struct Line {
    pub server: Arc<Server>,
    pub target: String,
    /// `None` while it is up.
    end: watch::Sender<Option<Option<Error>>>,
    /// Sessions the server counts.
    sessions: Mutex<usize>,
}

impl Line {
    pub fn end(&self, error: Option<Error>) {
        let first = self.end.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                *end = Some(error);
            }
            first
        });
        if first {
            let mut tally = self.server.tally.lock();
            tally.connections_now -= 1;
            tally.channels_now -= std::mem::take(&mut *self.sessions.lock());
        }
    }

    pub async fn ended(&self) -> Option<Error> {
        let mut end = self.end.subscribe();
        let ended = end.wait_for(Option::is_some).await;
        ended.ok().and_then(|end| end.clone().flatten())
    }

    pub fn is_up(&self) -> bool {
        self.end.borrow().is_none()
    }

    pub fn lost(&self, phase: Phase, reached: Reached) -> Error {
        let source = self.end.borrow().clone().flatten().map(|error| Arc::new(error) as _);
        Error::ConnectionLost { phase, reached, source }
    }

    fn take_session(&self) -> bool {
        let max = self.server.script.lock().max_sessions;
        let mut sessions = self.sessions.lock();
        let mut tally = self.server.tally.lock();
        if *sessions >= max {
            tally.refusals += 1;
            return false;
        }
        *sessions += 1;
        tally.channels += 1;
        tally.channels_now += 1;
        tally.channels_max = tally.channels_max.max(*sessions);
        true
    }

    pub fn free_session(&self) {
        if self.is_up() {
            *self.sessions.lock() -= 1;
            self.server.tally.lock().channels_now -= 1;
        }
    }
}

/// One connection, seen from the client. Dropping it cuts the line.
pub struct FakeConnection(Arc<Line>);

impl FakeConnection {
    pub fn target(&self) -> &str {
        &self.0.target
    }
}

impl Drop for FakeConnection {
    fn drop(&mut self) {
        self.0.end(None);
    }
}

impl Connection for FakeConnection {
    type Channel = FakeChannel;

    async fn open(&self) -> Result<FakeChannel, OpenError> {
        let line = &self.0;
        let script = line.server.script.lock().clone();
        let lost = || OpenError::Lost(line.lost(Phase::OpenChannel, Reached::No));
        if !script.open_time.is_zero() {
            tokio::time::sleep(script.open_time).await;
        }
        if script.hold_opens {
            let (verdict, decided) = oneshot::channel();
            line.server.opens.put(PendingOpen { verdict });
            let decided = tokio::select! {
                biased;
                decided = decided => decided,
                _ = line.ended() => return Err(lost()),
            };
            match decided {
                Ok(OpenVerdict::Accept) => {}
                Ok(OpenVerdict::Refuse) => {
                    line.server.tally.lock().refusals += 1;
                    return Err(OpenError::Refused("open failed".into()));
                }
                Err(_) => drop(line.ended().await),
            }
        }
        if !line.is_up() {
            return Err(lost());
        }
        if !line.take_session() {
            return Err(OpenError::Refused("open failed".into()));
        }
        let (pipe, session) = super::session::pair(Arc::clone(line));
        match script.answer {
            Answer::Held => line.server.sessions.put(session),
            Answer::After(time) => drop(tokio::spawn(session.serve(time))),
        }
        Ok(FakeChannel(pipe))
    }

    async fn ping(&self) -> Result<(), Error> {
        self.0.server.tally.lock().checks += 1;
        let unhealthy = self.0.server.script.lock().unhealthy;
        match unhealthy {
            Unhealthy::No => Ok(()),
            Unhealthy::Says => Err(Error::HealthCheckFailed),
            Unhealthy::Silent => std::future::pending().await,
        }
    }

    async fn closed(&self) -> Option<Error> {
        self.0.ended().await
    }

    fn is_closed(&self) -> bool {
        !self.0.is_up()
    }

    async fn close(&self) {
        let server = &self.0.server;
        server.tally.lock().closes += 1;
        let mut released = server.closes.subscribe();
        if server.script.lock().hold_closes {
            // The sender lives as long as the server.
            let _ = released.changed().await;
        }
        self.0.end(None);
    }
}

enum OpenVerdict {
    Accept,
    Refuse,
}

/// A channel that waits for the test's verdict. Dropped: the server never answers.
pub struct PendingOpen {
    verdict: oneshot::Sender<OpenVerdict>,
}

impl PendingOpen {
    pub fn accept(self) {
        let _ = self.verdict.send(OpenVerdict::Accept);
    }

    pub fn refuse(self) {
        let _ = self.verdict.send(OpenVerdict::Refuse);
    }
}

pub struct FakeChannel(Pipe);

impl Channel for FakeChannel {
    type Writer = Writer;

    fn writer(&self) -> Writer {
        self.0.writer.clone()
    }

    async fn next(&mut self) -> Option<ChannelEvent> {
        tokio::select! {
            biased;
            event = self.0.events.recv() => event,
            _ = self.0.writer.line.ended() => None,
        }
    }
}
