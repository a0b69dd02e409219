//! The embedded SSH server, seen by a plain russh client.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use russh::client::{self, Handle, Msg};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, Sig};
use tokio::time::timeout;
use xec_engine::testing::{ClientKey, EmbeddedServer, EmbeddedServerError, User};

struct TrustAll;

impl client::Handler for TrustAll {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

type Client = Handle<TrustAll>;

/// Everything one command gave back.
#[derive(Default, Debug)]
struct Ended {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    status: Option<u32>,
    /// As russh names it: its type knows no equality.
    signal: Option<String>,
}

async fn server() -> EmbeddedServer {
    EmbeddedServer::builder().user(User::new("demo").password("secret")).start().await.unwrap()
}

async fn dial(server: &EmbeddedServer) -> Client {
    // Room for a whole window of small packets: a russh client with an unread channel stops reading when this is full,
    // and it is the server that is tested here.
    let config = client::Config { channel_buffer_size: 4096, ..client::Config::default() };
    client::connect(Arc::new(config), server.addr(), TrustAll).await.unwrap()
}

async fn login(server: &EmbeddedServer) -> Client {
    let mut client = dial(server).await;
    assert!(client.authenticate_password("demo", "secret").await.unwrap().success());
    client
}

async fn start(client: &Client, command: &str) -> Channel<Msg> {
    let channel = client.channel_open_session().await.unwrap();
    channel.exec(true, command).await.unwrap();
    channel
}

async fn finish(mut channel: Channel<Msg>) -> Ended {
    let mut ended = Ended::default();
    while let Some(message) = next(&mut channel).await {
        match message {
            ChannelMsg::Data { data } => ended.stdout.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, ext: 1 } => ended.stderr.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => ended.status = Some(exit_status),
            ChannelMsg::ExitSignal { signal_name, .. } => ended.signal = Some(format!("{signal_name:?}")),
            _ => {}
        }
    }
    ended
}

async fn next(channel: &mut Channel<Msg>) -> Option<ChannelMsg> {
    timeout(Duration::from_secs(20), channel.wait()).await.expect("the server went silent")
}

async fn run(client: &Client, command: &str) -> Ended {
    finish(start(client, command).await).await
}

/// The first line a command prints, as a number.
async fn first_number(channel: &mut Channel<Msg>) -> u32 {
    let mut line = Vec::new();
    while !line.contains(&b'\n') {
        if let ChannelMsg::Data { data } = next(channel).await.expect("the command ended") {
            line.extend_from_slice(&data);
        }
    }
    String::from_utf8(line).unwrap().trim().parse().unwrap()
}

/// Zombies count as gone: who reaps an orphan is not the server's business.
fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
}

/// An orphan that was sent SIGKILL is gone a moment later, and nobody tells when.
async fn gone(pid: u32) {
    let death = async {
        while is_alive(pid) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(10), death).await.expect("a process outlived its command");
}

#[tokio::test]
async fn runs_a_command_with_both_streams_and_its_status() {
    let server = server().await;
    let client = login(&server).await;
    let ended = run(&client, "printf out; printf err >&2; exit 7").await;
    assert_eq!((ended.stdout.as_slice(), ended.stderr.as_slice()), (&b"out"[..], &b"err"[..]));
    assert_eq!((ended.status, ended.signal), (Some(7), None));
    assert_eq!(server.stats().commands_run, 1);
    server.stop().await;
}

#[tokio::test]
async fn accepts_an_authorized_key_and_no_other() {
    let key = ClientKey::generate().unwrap();
    let user = User::new("demo").authorized_key(key.public_line().unwrap());
    let server = EmbeddedServer::builder().user(user).start().await.unwrap();
    let mut client = dial(&server).await;
    let mut offer = async |text: String| {
        let key = Arc::new(PrivateKey::from_openssh(text).unwrap());
        client.authenticate_publickey("demo", PrivateKeyWithHashAlg::new(key, None)).await.unwrap().success()
    };
    let stranger = ClientKey::generate().unwrap().private_text().unwrap();
    assert!(!offer(stranger).await);
    assert!(offer(key.private_text().unwrap()).await);
    assert_eq!(server.stats().logins_failed, 1);
    assert_eq!(run(&client, "echo in").await.stdout, b"in\n");
}

#[tokio::test]
async fn refuses_and_counts_a_wrong_password_and_an_unknown_user() {
    let server = server().await;
    let mut client = dial(&server).await;
    assert!(!client.authenticate_password("demo", "wrong").await.unwrap().success());
    assert!(!client.authenticate_password("nobody", "secret").await.unwrap().success());
    assert_eq!(server.stats().logins_failed, 2);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_at_the_start() {
    let user = User::new("demo").authorized_key("not a key");
    let error = EmbeddedServer::builder().user(user).start().await.err().unwrap();
    assert!(matches!(error, EmbeddedServerError::AuthorizedKey { user, .. } if user == "demo"));
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let first = server().await;
    let port = first.addr().port();
    let error = EmbeddedServer::builder().port(port).start().await.err().unwrap();
    assert!(matches!(error, EmbeddedServerError::Listen { port: named, .. } if named == port));
}

#[tokio::test]
async fn passes_stdin_up_to_its_end_and_back_unchanged() {
    let server = server().await;
    let client = login(&server).await;
    let input: Vec<u8> = (0..12_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let channel = start(&client, "cat").await;
    let (mut reader, writer) = channel.split();
    let sent = Bytes::from(input.clone());
    let writing = tokio::spawn(async move {
        writer.data_bytes(sent).await.unwrap();
        writer.eof().await.unwrap();
    });
    let mut output = Vec::with_capacity(input.len());
    while let Some(message) = reader.wait().await {
        if let ChannelMsg::Data { data } = message {
            output.extend_from_slice(&data);
        }
    }
    writing.await.unwrap();
    assert!(output == input, "{} of {} bytes, or other ones", output.len(), input.len());
}

#[tokio::test]
async fn passes_environment_variables() {
    let server = server().await;
    let client = login(&server).await;
    let channel = client.channel_open_session().await.unwrap();
    channel.set_env(false, "GREETING", "good day").await.unwrap();
    channel.exec(true, "printf \"$GREETING\"").await.unwrap();
    assert_eq!(finish(channel).await.stdout, b"good day");
}

#[tokio::test]
async fn names_the_signal_that_killed_a_command() {
    let server = server().await;
    let client = login(&server).await;
    let ended = run(&client, "kill -SEGV $$").await;
    assert_eq!((ended.status, ended.signal.as_deref()), (None, Some("SEGV")));
}

#[tokio::test]
async fn a_signal_request_reaches_the_whole_process_group() {
    let server = server().await;
    let client = login(&server).await;
    let mut channel = start(&client, "sleep 1000 & echo $!; wait").await;
    let grandchild = first_number(&mut channel).await;
    channel.signal(Sig::TERM).await.unwrap();
    assert_eq!(finish(channel).await.signal.as_deref(), Some("TERM"));
    gone(grandchild).await;
}

#[tokio::test]
async fn refuses_channels_beyond_the_limit_and_frees_slots() {
    let user = User::new("demo").password("secret");
    let server = EmbeddedServer::builder().user(user).max_sessions(2).start().await.unwrap();
    let client = login(&server).await;
    let first = start(&client, "cat").await;
    let second = start(&client, "cat").await;
    assert!(client.channel_open_session().await.is_err());
    assert_eq!(server.stats().channels_refused, 1);
    first.eof().await.unwrap();
    assert_eq!(finish(first).await.status, Some(0));
    // At once, without a pause: the slot was free before the client learned of the close.
    for _ in 0..50 {
        assert_eq!(run(&client, "true").await.status, Some(0));
    }
    drop(second);
}

#[tokio::test]
async fn an_unread_channel_does_not_hold_up_its_neighbours() {
    let server = server().await;
    let client = login(&server).await;
    let mut unread = start(&client, "yes").await;
    // Its window is full now, or soon will be: either way the next command must not notice.
    assert!(next(&mut unread).await.is_some());
    for _ in 0..20 {
        assert_eq!(run(&client, "echo neighbour").await.stdout, b"neighbour\n");
    }
}

#[tokio::test]
async fn input_that_nobody_reads_does_not_hold_up_the_neighbours() {
    let server = server().await;
    let client = login(&server).await;
    let deaf = start(&client, "sleep 1000").await;
    deaf.data_bytes(vec![0_u8; 8 << 20]).await.unwrap();
    assert_eq!(run(&client, "echo neighbour").await.stdout, b"neighbour\n");
    deaf.signal(Sig::KILL).await.unwrap();
    assert_eq!(finish(deaf).await.signal.as_deref(), Some("KILL"));
}

#[tokio::test]
async fn a_pty_and_a_subsystem_are_refused_and_a_shell_is_not() {
    let server = server().await;
    let client = login(&server).await;
    let mut channel = client.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    assert!(matches!(next(&mut channel).await, Some(ChannelMsg::Failure)));
    channel.request_subsystem(true, "sftp").await.unwrap();
    assert!(matches!(next(&mut channel).await, Some(ChannelMsg::Failure)));
    channel.request_shell(true).await.unwrap();
    channel.data_bytes("echo from a shell\n").await.unwrap();
    channel.eof().await.unwrap();
    assert_eq!(finish(channel).await.stdout, b"from a shell\n");
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_commands_with_it() {
    let server = server().await;
    let client = login(&server).await;
    let mut channel = start(&client, "echo $$; exec sleep 1000").await;
    let pid = first_number(&mut channel).await;
    drop((channel, client));
    gone(pid).await;
}

#[tokio::test]
async fn stop_ends_everything_it_started() {
    let server = server().await;
    let (address, client) = (server.addr(), login(&server).await);
    let mut channel = start(&client, "trap '' TERM HUP; sleep 1000 & echo $!; wait").await;
    let grandchild = first_number(&mut channel).await;
    assert_eq!(server.stats().open_connections, 1);
    timeout(Duration::from_secs(5), server.stop()).await.expect("stop hangs");
    gone(grandchild).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    assert!(client.channel_open_session().await.is_err());
}

#[tokio::test]
async fn stop_does_not_wait_for_a_client_that_says_nothing() {
    let server = server().await;
    let silent = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    let busy = login(&server).await;
    timeout(Duration::from_secs(5), server.stop()).await.expect("stop hangs");
    drop((silent, busy));
}
