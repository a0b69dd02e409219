//! Lines made ahead for the next exec, against an API server that ends them whenever it likes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use xec_engine::command::{Command, Place, Pod};
use xec_engine::error::Reached;
use xec_engine::events::EventBuffer;
use xec_engine::pool::{HostConfig, Pool, PoolConfig, Reconnect, Request};
use xec_engine::run::{Cancel, Outcome, exec};
use xec_engine::transport::kube::{KubeTarget, KubeTransport};

/// Nothing here takes that long, however busy the machine is.
const LONG: Duration = Duration::from_secs(60);

/// What the server has seen. Connections are numbered from 0.
#[derive(Default)]
struct Seen {
    accepted: usize,
    /// The connection of each exec.
    execs: Vec<usize>,
    /// Those that the client has ended.
    ended: BTreeSet<usize>,
}

/// Which connection is to be ended, and when.
#[derive(Clone, Copy, PartialEq)]
enum HangUp {
    Never,
    Now(usize),
    /// When it is asked for an exec, without an answer.
    Asked(usize),
}

struct Cluster {
    pool: Arc<Pool<KubeTransport>>,
    request: Request<KubeTransport>,
    seen: watch::Receiver<Seen>,
    hang_up: watch::Sender<HangUp>,
}

impl Cluster {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (sender, seen) = watch::channel(Seen::default());
        let sender = Arc::new(sender);
        let (hang_up, orders) = watch::channel(HangUp::Never);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = sender.borrow().accepted;
                sender.send_modify(|seen| seen.accepted += 1);
                tokio::spawn(serve(stream, number, Arc::clone(&sender), orders.clone()));
            }
        });
        let target =
            Arc::new(KubeTarget { config: Arc::new(kube::Config::new(url)), user: "somebody".into(), timeout: LONG });
        let limits = HostConfig {
            max_connections: 1,
            channels_per_connection: 100,
            reconnect: Reconnect { max_retries: 0, ..Reconnect::default() },
            ..HostConfig::default()
        };
        let events = Arc::new(EventBuffer::default());
        Self {
            pool: Arc::new(Pool::new(KubeTransport, PoolConfig::default(), events, Handle::current())),
            request: Request::new(target.key(), target, Arc::new(limits)),
            seen,
            hang_up,
        }
    }

    async fn exec(&self) -> Outcome {
        let pod = Pod { namespace: "default".into(), name: "web".into() };
        let place = Place { container: "main".into(), pod: Some(pod), ..Place::default() };
        let command = Command {
            line: "true".into(),
            place: Some(Arc::new(place)),
            max_buffer: 1024,
            timeout: Some(LONG),
            ..Command::default()
        };
        exec(Arc::clone(&self.pool), self.request.clone(), command, Cancel::default()).await
    }

    async fn works(&self) {
        assert_eq!(self.exec().await.unwrap().captured.stdout, b"out");
    }

    async fn until(&self, so: impl FnMut(&Seen) -> bool) {
        timeout(LONG, self.seen.clone().wait_for(so)).await.unwrap().unwrap();
    }

    /// Two execs: the first one takes the line that the client was made with, the second one has to dial, and as it followed the
    /// first one, another line is made. Its number.
    async fn with_spare(&self) -> usize {
        self.works().await;
        self.works().await;
        self.until(|seen| seen.accepted == 3).await;
        assert_eq!(self.seen.borrow().execs, [0, 1]);
        2
    }
}

async fn serve(
    mut stream: TcpStream,
    number: usize,
    seen: Arc<watch::Sender<Seen>>,
    mut orders: watch::Receiver<HangUp>,
) {
    loop {
        let request = tokio::select! {
            request = read_request(&mut stream) => request,
            () = told(&mut orders, HangUp::Now(number)) => {
                stream.shutdown().await.unwrap();
                read_request(&mut stream).await
            }
        };
        let Some(request) = request else {
            seen.send_modify(|seen| {
                seen.ended.insert(number);
            });
            return;
        };
        if !request.contains("/exec?") {
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(answer.as_bytes()).await.unwrap();
            continue;
        }
        seen.send_modify(|seen| seen.execs.push(number));
        if *orders.borrow() == HangUp::Asked(number) {
            return;
        }
        let key = request.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {}\r\nsec-websocket-protocol: v5.channel.k8s.io\r\n\r\n",
            derive_accept_key(key.as_bytes())
        );
        let said = [message(1, b"out"), message(3, br#"{"status":"Success"}"#), vec![0x88, 0]].concat();
        stream.write_all(&[head.as_bytes(), &said].concat()).await.unwrap();
        // The client's goodbye, in which nothing is looked for.
        let _ = stream.read_to_end(&mut Vec::new()).await;
        return;
    }
}

async fn told(orders: &mut watch::Receiver<HangUp>, what: HangUp) {
    // The test is over when nobody tells any more.
    if orders.wait_for(|order| *order == what).await.is_err() {
        std::future::pending().await
    }
}

/// A WebSocket's message for one of the channels.
fn message(channel: u8, data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len() + 1).unwrap();
    [&[0x82, length, channel], data].concat()
}

/// Up to the blank line; `None` at the end.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn execs_in_a_row_get_lines_that_are_ready() {
    let cluster = Cluster::start().await;
    let mut spare = cluster.with_spare().await;
    for _ in 0..10 {
        cluster.works().await;
        assert_eq!(cluster.seen.borrow().execs.last(), Some(&spare));
        spare += 1;
        cluster.until(|seen| seen.accepted == spare + 1).await;
    }
    cluster.pool.shut_down().await;
}

#[tokio::test]
async fn a_line_that_the_server_has_ended_fails_no_command() {
    let cluster = Cluster::start().await;
    let spare = cluster.with_spare().await;
    cluster.hang_up.send_replace(HangUp::Now(spare));
    // Our side is ended too, without any command.
    cluster.until(|seen| seen.ended.contains(&spare)).await;
    cluster.works().await;
    assert_eq!(cluster.seen.borrow().execs.last(), Some(&(spare + 1)));
    cluster.pool.shut_down().await;
}

#[tokio::test]
async fn what_may_have_been_started_is_not_started_again() {
    let cluster = Cluster::start().await;
    let spare = cluster.with_spare().await;
    cluster.hang_up.send_replace(HangUp::Asked(spare));
    let error = cluster.exec().await.unwrap_err().error;
    assert_eq!((error.code(), error.reached()), ("ECONNLOST", Reached::Unknown), "{error}");
    assert_eq!(cluster.seen.borrow().execs, [0, 1, spare]);
    cluster.works().await;
    cluster.pool.shut_down().await;
}

#[tokio::test]
async fn many_at_once_leave_few_lines_and_none_when_the_pool_is_closed() {
    let cluster = Cluster::start().await;
    for _ in 0..3 {
        let outcomes = futures_util::future::join_all((0..32).map(|_| cluster.exec())).await;
        assert!(outcomes.iter().all(Result::is_ok));
    }
    cluster.pool.shut_down().await;
    // All of them: those of execs are at their end, and those that nothing ran on are closed.
    cluster.until(|seen| seen.ended.len() + seen.execs.len() == seen.accepted).await;
    let seen = cluster.seen.borrow();
    assert_eq!(seen.execs.len(), 96);
    assert!(seen.ended.len() <= 8, "{} lines were made for nothing", seen.ended.len());
}
