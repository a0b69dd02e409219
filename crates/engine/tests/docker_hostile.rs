//! What no real daemon can be made to do: answers that are cut, late, or not what the API says.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use xec_engine::command::{Command, ExitStatus, Place};
use xec_engine::error::{Error, Phase, Reached};
use xec_engine::events::EventBuffer;
use xec_engine::pool::{HostConfig, Pool, PoolConfig, Reconnect, Request};
use xec_engine::run::{Cancel, Outcome, exec};
use xec_engine::transport::docker::{DockerTarget, DockerTransport, Endpoint};

/// How an exec's line goes, after the head that hands it over.
#[derive(Clone)]
enum Line {
    Says(Vec<u8>),
    /// Says it, and then neither ends nor says more.
    Holds(Vec<u8>),
    /// The head of the answer, in place of the usual one.
    Head(&'static str),
}

#[derive(Clone)]
struct Script {
    line: Line,
    /// What inspecting the exec answers.
    inspect: &'static str,
    /// The answer to creating an exec; silence without one.
    create: Option<&'static str>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            line: Line::Says(frame(1, b"out")),
            inspect: r#"{"Running":false,"ExitCode":0,"Pid":0}"#,
            create: Some(r#"{"Id":"abc"}"#),
        }
    }
}

fn frame(kind: u8, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&[kind, 0, 0, 0], length.as_slice(), data].concat()
}

/// A daemon that answers by a script.
struct Daemon {
    _folder: Folder,
    pool: Arc<Pool<DockerTransport>>,
    request: Request<DockerTransport>,
}

struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Daemon {
    fn start(name: &str, script: Script) -> Self {
        let folder = std::env::temp_dir().join(format!("xec-docker-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("d.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, script.clone()));
            }
        });
        let target =
            Arc::new(DockerTarget { endpoint: Arc::new(Endpoint::Unix(socket)), timeout: Duration::from_secs(1) });
        let limits =
            HostConfig { reconnect: Reconnect { max_retries: 0, ..Reconnect::default() }, ..HostConfig::default() };
        Self {
            _folder: Folder(folder),
            pool: Arc::new(Pool::new(
                DockerTransport,
                PoolConfig::default(),
                Arc::new(EventBuffer::default()),
                Handle::current(),
            )),
            request: Request::new(target.key(), target, Arc::new(limits)),
        }
    }

    async fn exec(&self) -> Outcome {
        let place = Place { container: "web".into(), ..Place::default() };
        let command = Command {
            line: "true".into(),
            place: Some(Arc::new(place)),
            max_buffer: 1024 * 1024,
            timeout: Some(Duration::from_secs(20)),
            ..Command::default()
        };
        exec(Arc::clone(&self.pool), self.request.clone(), command, Cancel::default()).await
    }
}

async fn serve(mut stream: UnixStream, script: Script) {
    loop {
        let Some(request) = read_request(&mut stream).await else { return };
        let answer = if request.contains("/_ping") {
            plain("Api-Version: 1.41\r\n", "OK")
        } else if request.contains("/containers/web/exec") {
            match script.create {
                Some(answer) => plain("", answer),
                None => return std::future::pending().await,
            }
        } else if request.contains("/exec/abc/start") {
            return hijacked(stream, script.line).await;
        } else {
            plain("", script.inspect)
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn plain(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

async fn hijacked(mut stream: UnixStream, line: Line) {
    let head = match &line {
        Line::Head(head) => *head,
        _ => "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    };
    let _ = stream.write_all(head.as_bytes()).await;
    match line {
        Line::Says(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Line::Holds(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending().await
        }
        Line::Head(_) => {}
    }
}

/// Head and body of a request, as text.
async fn read_request(stream: &mut UnixStream) -> Option<String> {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.ok()?;
        seen.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&seen).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}

async fn failure(name: &str, script: Script) -> Error {
    Daemon::start(name, script).exec().await.unwrap_err().error
}

#[tokio::test]
async fn a_whole_answer_is_a_result() {
    let output = Daemon::start("whole", Script::default()).exec().await.unwrap();
    assert_eq!((output.captured.stdout.as_slice(), output.status), (&b"out"[..], ExitStatus::Code(0)));
}

#[tokio::test]
async fn a_line_cut_within_a_frame_is_a_lost_connection_whatever_the_daemon_says_afterwards() {
    let cut = frame(1, b"out")[..9].to_vec();
    let outcome = Daemon::start("cut", Script { line: Line::Says(cut), ..Script::default() }).exec().await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.error.code(), "ECONNLOST");
    assert_eq!((failure.error.phase(), failure.error.reached()), (Phase::Run, Reached::Yes));
    assert_eq!(failure.captured.stdout, b"o", "what had arrived is kept");
}

#[tokio::test]
async fn a_line_cut_within_a_header_is_a_lost_connection() {
    let script = Script { line: Line::Says(vec![1, 0, 0]), ..Script::default() };
    assert_eq!(failure("header", script).await.code(), "ECONNLOST");
}

#[tokio::test]
async fn a_stream_that_is_not_made_of_frames_is_refused() {
    for (index, garbage) in
        [&b"Hello, world, this is plain text"[..], &[9, 0, 0, 0, 0, 0, 0, 1, b'x'], &[1, 1, 0, 0, 0, 0, 0, 0]]
            .into_iter()
            .enumerate()
    {
        let script = Script { line: Line::Says(garbage.to_vec()), ..Script::default() };
        let error = failure(&format!("garbage{index}"), script).await;
        assert_eq!((error.code(), error.reached()), ("EPROTO", Reached::Unknown));
    }
}

#[tokio::test]
async fn a_frame_of_four_gigabytes_takes_no_memory_and_overflows_as_any_output() {
    let mut endless = vec![1, 0, 0, 0, 255, 255, 255, 255];
    endless.extend_from_slice(&vec![b'x'; 2 * 1024 * 1024]);
    let script = Script { line: Line::Holds(endless), ..Script::default() };
    assert_eq!(failure("huge", script).await.code(), "EMAXBUFFER");
}

#[tokio::test]
async fn an_exec_without_a_status_is_no_success() {
    let script = Script { inspect: r#"{"Running":false,"Pid":0}"#, ..Script::default() };
    assert_eq!(failure("nostatus", script).await.code(), Error::NoExitStatus.code());
}

#[tokio::test]
async fn answers_that_are_not_what_the_api_says_are_refused() {
    let inspect = Script { inspect: "[]", ..Script::default() };
    assert_eq!(failure("inspect", inspect).await.code(), "EPROTO");
    let create = Script { create: Some("<html>"), ..Script::default() };
    assert_eq!(failure("create", create).await.code(), "EPROTO");
    let kept = Script { line: Line::Head("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"), ..Script::default() };
    assert_eq!(failure("kept", kept).await.code(), "EPROTO");
}

#[tokio::test]
async fn a_daemon_that_does_not_answer_is_given_up_and_nothing_ran() {
    let error = failure("silent", Script { create: None, ..Script::default() }).await;
    assert_eq!((error.code(), error.phase(), error.reached()), ("ETIMEDOUT", Phase::OpenChannel, Reached::No));
}

#[tokio::test]
async fn a_command_that_hangs_is_timed_out_although_the_daemon_cannot_signal_it() {
    let daemon = Daemon::start("hangs", Script { line: Line::Holds(Vec::new()), ..Script::default() });
    let place = Place { container: "web".into(), ..Place::default() };
    let command = Command {
        line: "true".into(),
        place: Some(Arc::new(place)),
        timeout: Some(Duration::from_millis(200)),
        ..Command::default()
    };
    let running = exec(Arc::clone(&daemon.pool), daemon.request.clone(), command, Cancel::default());
    let error = running.await.unwrap_err().error;
    assert_eq!((error.code(), error.reached()), ("ETIMEDOUT", Reached::Yes));
    daemon.pool.shut_down().await;
}
