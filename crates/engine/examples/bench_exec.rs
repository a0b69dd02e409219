//! The engine without JavaScript, as one of the clients of `npm run bench`.
//!
//! Arguments: host, port, user, private key file, known_hosts file. Then, for every line `AT_ONCE SECONDS COMMAND` on
//! stdin, it runs that command over and over for that long and answers with one line of JSON. It ends with its stdin.

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
    at_once: usize,
    time: Duration,
    command: String,
}

impl Task {
    fn parse(line: &str) -> Outcome<Self> {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().ok_or("a task is AT_ONCE SECONDS COMMAND");
        let (at_once, seconds, command) = (word()?.parse()?, word()?.parse()?, word()?.to_owned());
        Ok(Self { at_once, time: Duration::from_secs_f64(seconds), command })
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
        let pool = Pool::new(SshTransport, PoolConfig::default(), Arc::new(EventBuffer::default()), Handle::current());
        let config = Arc::new(HostConfig::default());
        let request = Request::new(target.key(), Arc::new(target), config);
        Ok(Self { pool: Arc::new(pool), request })
    }

    /// Answers one line with one line.
    async fn answer(&self, line: &str) -> Outcome<String> {
        let task = Task::parse(line)?;
        let start = Instant::now();
        let mut workers = JoinSet::new();
        for _ in 0..task.at_once {
            workers.spawn(self.clone().repeat(task.command.clone(), start + task.time));
        }
        let tallies = workers.join_all().await;
        Ok(json(&tallies, start.elapsed()))
    }

    async fn repeat(self, line: String, end: Instant) -> Tally {
        let mut tally = Tally::default();
        while Instant::now() < end {
            let start = Instant::now();
            let command = Command { line: line.clone(), max_buffer: MAX_BUFFER, ..Command::default() };
            match exec(Arc::clone(&self.pool), self.request.clone(), command, Cancel::default()).await {
                Ok(_) => tally.latencies.push(start.elapsed().as_secs_f64() * 1000.0),
                Err(_) => tally.failed += 1,
            }
        }
        tally
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
