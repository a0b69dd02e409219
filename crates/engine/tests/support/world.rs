use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use xec_engine::command::{Command, Output};
use xec_engine::error::Error;
use xec_engine::events::{Event, EventBuffer, EventKind};
use xec_engine::pool::{HostConfig, Key, Permit, Pool, PoolConfig, PoolStats, Request};
use xec_engine::run::{Cancel, Failure, exec};

use super::fake::{Fake, Script};

pub type Acquiring = JoinHandle<Result<Permit<Fake>, Error>>;
pub type Executing = JoinHandle<Result<Output, Box<Failure>>>;

/// The limits of a test's pool, and what its server does by itself.
#[derive(Default)]
pub struct Limits {
    pub host: HostConfig,
    pub pool: PoolConfig,
    pub script: Script,
}

/// A pool over a fake server.
pub struct World {
    pub pool: Arc<Pool<Fake>>,
    pub fake: Fake,
    pub config: Arc<HostConfig>,
}

impl World {
    pub fn new(adjust: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        adjust(&mut limits);
        let fake = Fake::new(limits.script);
        let events = Arc::new(EventBuffer::default());
        events.set_mask(u32::MAX);
        let pool = Arc::new(Pool::new(fake.clone(), limits.pool, events, Handle::current()));
        Self { pool, fake, config: Arc::new(limits.host) }
    }

    /// A request for one key; keys of one host differ in their user.
    pub fn request_at(&self, host: &str, user: &str) -> Request<Fake> {
        Request::new(Key::new(host, 22, user, [0; 32]), Arc::new(format!("{user}@{host}")), Arc::clone(&self.config))
    }

    pub fn request(&self) -> Request<Fake> {
        self.request_at("host", "user")
    }

    pub fn request_with(&self, change: impl FnOnce(&mut HostConfig)) -> Request<Fake> {
        let mut config = HostConfig::clone(&self.config);
        change(&mut config);
        Request { config: Arc::new(config), ..self.request() }
    }

    pub fn acquire(&self, request: &Request<Fake>) -> Acquiring {
        let (pool, request) = (Arc::clone(&self.pool), request.clone());
        tokio::spawn(async move { bounded(pool.acquire(&request)).await })
    }

    /// A permit that must be there at once, dials of the script included.
    pub async fn permit(&self, request: &Request<Fake>) -> Permit<Fake> {
        self.pool.acquire(request).await.unwrap()
    }

    /// Why a caller gets no permit.
    pub async fn refusal(&self, request: &Request<Fake>) -> Error {
        self.acquire(request).await.unwrap().err().expect("a permit, though none was expected")
    }

    pub fn exec(&self, command: Command) -> Executing {
        self.exec_as(&self.request(), command)
    }

    pub fn exec_as(&self, request: &Request<Fake>, command: Command) -> Executing {
        self.exec_with(request, command, Cancel::default())
    }

    pub fn exec_with(&self, request: &Request<Fake>, command: Command, cancel: Cancel) -> Executing {
        tokio::spawn(bounded(exec(Arc::clone(&self.pool), request.clone(), command, cancel)))
    }

    /// Runs this many commands at once; all must succeed.
    pub async fn run_all(&self, count: usize) {
        let commands: Vec<_> = (0..count).map(|_| self.exec(command("x"))).collect();
        for running in commands {
            running.await.unwrap().expect("a command failed");
        }
    }

    /// Runs `line` to its end on a server that the script lets answer.
    pub async fn run(&self, line: &str) -> Result<Output, Box<Failure>> {
        self.exec(command(line)).await.unwrap()
    }

    pub fn stats(&self) -> PoolStats {
        self.pool.stats()
    }

    pub fn events(&self) -> Vec<Event> {
        self.pool.events().drain()
    }

    pub fn kinds(&self) -> Vec<EventKind> {
        self.events().iter().map(|event| event.kind).collect()
    }

    /// Nobody holds or wants anything, and the server agrees.
    pub fn assert_quiet(&self) {
        let stats = self.stats();
        assert_eq!(
            (stats.active, stats.queued, stats.channels),
            (0, 0, 0),
            "the pool still holds something: {stats:?}"
        );
        let tally = self.fake.tally();
        assert_eq!(tally.channels_now, 0, "the server still has channels: {tally:?}");
        assert_eq!(tally.dials_now, stats.connecting, "dials: {stats:?}, {tally:?}");
        assert_eq!(tally.connections_now, stats.total, "connections: {stats:?}, {tally:?}");
    }

    /// Waits (in paused time) until nobody holds or wants anything; fails when that takes longer than the pool's longest
    /// grace period.
    pub async fn quiet(&self) {
        for _ in 0..60 {
            settle().await;
            let stats = self.stats();
            if (stats.active, stats.queued, stats.channels, stats.connecting) == (0, 0, 0, 0)
                && stats.total == stats.idle
            {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.assert_quiet();
    }

    /// The pool serves a newcomer, and then is quiet again.
    pub async fn assert_serves(&self) {
        self.fake.script(|script| {
            *script = Script { answer: super::Answer::After(ms(1)), ..Script::default() };
        });
        let output = tokio::time::timeout(Duration::from_secs(30), self.run("still here?")).await;
        output.expect("the pool serves nobody any more").expect("the pool's newcomer failed");
        self.quiet().await;
    }
}

/// A call that hangs fails its test, instead of hanging it as well.
pub async fn bounded<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(24 * 3600), call).await.expect("a call hangs")
}

pub fn command(line: &str) -> Command {
    Command { line: line.to_owned(), max_buffer: 1 << 20, ..Command::default() }
}

pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Lets every task run until none can go on without time passing.
pub async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}
