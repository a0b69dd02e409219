//! The engine without JavaScript, as one of the clients of `npm run bench`.
//!
//! Arguments: host, port, user, private key file, known_hosts file. Then, for every line `KIND AT_ONCE SECONDS COMMAND` on
//! stdin, it works for that long and answers with one line of JSON: `commands` runs the command over and over, `handshakes`
//! as well, every time over new connections. It ends with its stdin.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use xec_engine::command::Command;
use xec_engine::events::EventBuffer;
use xec_engine::pool::{HostConfig, Pool, PoolConfig, Request};
use xec_engine::run::{Cancel, exec};
use xec_engine::transport::ssh::{KeySource, SshTarget, SshTransport};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const MAX_BUFFER: usize = 10 << 20;

/// One line of stdin.
struct Task {
    handshakes: bool,
    at_once: usize,
    time: Duration,
    command: String,
}

impl Task {
    fn parse(line: &str) -> Outcome<Self> {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().ok_or("a task is KIND AT_ONCE SECONDS COMMAND");
        let handshakes = word()? == "handshakes";
        let (at_once, seconds, command) = (word()?.parse()?, word()?.parse()?, word()?.to_owned());
        Ok(Self { handshakes, at_once, time: Duration::from_secs_f64(seconds), command })
    }
}

/// What a worker did.
#[derive(Default)]
struct Tally {
    /// In milliseconds.
    latencies: Vec<f64>,
    failed: usize,
}

#[derive(Clone)]
struct Bench {
    pool: Arc<Pool<SshTransport>>,
    target: Arc<SshTarget>,
    request: Request<SshTransport>,
}

impl Bench {
    fn new(arguments: &[String]) -> Outcome<Self> {
        let [host, port, user, key, known_hosts] = arguments else {
            return Err("five arguments: host, port, user, private key file, known_hosts file".into());
        };
        let target = SshTarget {
            private_key: Some(KeySource::File(PathBuf::from(key))),
            known_hosts: vec![PathBuf::from(known_hosts)],
            ..SshTarget::new(host, port.parse()?, user)
        };
        Ok(Self::over(Arc::new(target), HostConfig::default()))
    }

    fn over(target: Arc<SshTarget>, config: HostConfig) -> Self {
        let pool = Pool::new(SshTransport, PoolConfig::default(), Arc::new(EventBuffer::default()), Handle::current());
        let request = Request::new(target.key(), Arc::clone(&target), Arc::new(config));
        Self { pool: Arc::new(pool), target, request }
    }

    /// Answers one line with one line.
    async fn answer(&self, line: &str) -> Outcome<String> {
        let task = Task::parse(line)?;
        let start = Instant::now();
        let end = start + task.time;
        let mut tallies = Vec::new();
        if task.handshakes {
            while Instant::now() < end {
                tallies.extend(self.fresh(&task).await);
            }
        } else {
            tallies = self.all(&task, end).await;
        }
        Ok(json(&tallies, start.elapsed()))
    }

    /// As many connections as commands, for one command each: a deadline that is now lets everybody run one.
    async fn fresh(&self, task: &Task) -> Vec<Tally> {
        let config = HostConfig { max_connections: task.at_once, channels_per_connection: 1, ..HostConfig::default() };
        let bench = Self::over(Arc::clone(&self.target), config);
        let tallies = bench.all(task, Instant::now()).await;
        bench.pool.shut_down().await;
        tallies
    }

    async fn all(&self, task: &Task, end: Instant) -> Vec<Tally> {
        let mut workers = JoinSet::new();
        for _ in 0..task.at_once {
            workers.spawn(self.clone().repeat(task.command.clone(), end));
        }
        workers.join_all().await
    }

    async fn repeat(self, line: String, end: Instant) -> Tally {
        let mut tally = Tally::default();
        loop {
            let start = Instant::now();
            let command = Command { line: line.clone(), max_buffer: MAX_BUFFER, ..Command::default() };
            match exec(Arc::clone(&self.pool), self.request.clone(), command, Cancel::default()).await {
                Ok(_) => tally.latencies.push(start.elapsed().as_secs_f64() * 1000.0),
                Err(_) => tally.failed += 1,
            }
            if Instant::now() >= end {
                return tally;
            }
        }
    }
}

fn json(tallies: &[Tally], time: Duration) -> String {
    let latencies: Vec<String> =
        tallies.iter().flat_map(|tally| &tally.latencies).map(|latency| format!("{latency:.4}")).collect();
    let failed: usize = tallies.iter().map(|tally| tally.failed).sum();
    format!(
        r#"{{"commands":{},"failed":{failed},"reasons":{{}},"seconds":{},"latencies":[{}]}}"#,
        latencies.len(),
        time.as_secs_f64(),
        latencies.join(",")
    )
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let bench = Bench::new(&arguments)?;
    for line in io::stdin().lock().lines() {
        let answer = bench.answer(&line?).await?;
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{answer}")?;
        stdout.flush()?;
    }
    bench.pool.shut_down().await;
    Ok(())
}
