//! The channel that is open before a command needs it, over real SSH.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use xec_engine::command::{Command, Output};
use xec_engine::events::EventBuffer;
use xec_engine::pool::{HostConfig, Pool, PoolConfig, Request};
use xec_engine::run::{Cancel, exec};
use xec_engine::testing::{EmbeddedServer, User};
use xec_engine::transport::ssh::{HostKeyChecking, Secret, SshTarget, SshTransport};

const DELAY: Duration = Duration::from_millis(40);

async fn server(max_sessions: usize) -> EmbeddedServer {
    let user = User::new("demo").password("secret");
    EmbeddedServer::builder().user(user).max_sessions(max_sessions).start().await.unwrap()
}

struct Client {
    pool: Arc<Pool<SshTransport>>,
    request: Request<SshTransport>,
}

impl Client {
    fn new(port: u16) -> Self {
        let target = SshTarget {
            password: Some(Secret::new("secret".into())),
            host_key_checking: HostKeyChecking::Off,
            ..SshTarget::new("127.0.0.1", port, "demo")
        };
        let pool = Pool::new(SshTransport, PoolConfig::default(), Arc::new(EventBuffer::default()), Handle::current());
        let config = Arc::new(HostConfig { max_connections: 1, ..HostConfig::default() });
        let request = Request::new(target.key(), Arc::new(target), config);
        Self { pool: Arc::new(pool), request }
    }

    async fn run(&self, line: &str) -> Output {
        let command = Command { line: line.into(), max_buffer: 1 << 20, ..Command::default() };
        exec(Arc::clone(&self.pool), self.request.clone(), command, Cancel::default()).await.unwrap()
    }
}

/// Forwards to `port`, each byte `DELAY` later.
async fn delayed(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = far.into_split();
            tokio::spawn(hold(near_read, far_write));
            tokio::spawn(hold(far_read, near_write));
        }
    });
    here
}

async fn hold(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin + Send + 'static) {
    let (sender, mut held) = mpsc::unbounded_channel::<(tokio::time::Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, bytes)) = held.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if sender.send((tokio::time::Instant::now() + DELAY, buffer[..count].to_vec())).is_err() {
            return;
        }
    }
}

/// What the quickest quarter of them took, in round trips.
async fn round_trips(client: &Client, commands: usize) -> f64 {
    let mut times = Vec::new();
    for _ in 0..commands {
        let began = Instant::now();
        client.run("true").await;
        times.push(began.elapsed());
    }
    // A busy machine makes commands slower than the line does, but never faster.
    times.sort();
    times[commands / 4].as_secs_f64() / (2.0 * DELAY.as_secs_f64())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_after_the_other_costs_one_round_trip_each() {
    let server = server(10).await;
    let client = Client::new(delayed(server.addr().port()).await);
    round_trips(&client, 3).await;
    let warm = round_trips(&client, 9).await;
    assert!(warm < 1.7, "{warm} round trips");
    client.pool.shut_down().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_one_session_is_asked_for_no_more_than_it_has() {
    let server = server(1).await;
    let client = Client::new(server.addr().port());
    for n in 0..20 {
        let output = client.run(&format!("echo {n}")).await;
        assert_eq!(output.captured.stdout, format!("{n}\n").as_bytes());
    }
    assert_eq!(client.pool.stats().created, 1);
    client.pool.shut_down().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_after_calm_gets_all_the_sessions_there_are() {
    let server = server(3).await;
    let client = Arc::new(Client::new(server.addr().port()));
    round_trips(&client, 5).await;
    let burst = (0..12).map(|n| {
        let client = Arc::clone(&client);
        tokio::spawn(async move { client.run(&format!("echo {n}")).await.status.code() })
    });
    for running in burst.collect::<Vec<_>>() {
        assert_eq!(running.await.unwrap(), 0);
    }
    client.pool.shut_down().await;
    server.stop().await;
}
