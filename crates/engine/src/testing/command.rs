//! One command: a shell in a process group of its own, its streams, and how it ended.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use bytes::BytesMut;
use nix::sys::signal::Signal;
use russh::server::{Handle, Msg};
use russh::{ChannelWriteHalf, Sig};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use super::process_group::ProcessGroup;
use super::shutdown::Running;
use super::stdin::StdinSource;

const READ_SIZE: usize = 32 << 10;
const STDERR: u32 = 1;

/// What the client asked to run.
pub(super) enum Program<'a> {
    /// `exec`: one line for `/bin/sh -c`.
    Line(&'a [u8]),
    /// `shell`: a shell that reads its commands from stdin.
    Shell,
}

pub(super) fn spawn(program: Program<'_>, environment: Vec<(String, String)>) -> io::Result<Child> {
    let mut command = Command::new("/bin/sh");
    if let Program::Line(line) = program {
        command.arg("-c").arg(OsStr::from_bytes(line));
    }
    command.envs(environment).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// The client's end of a command.
pub(super) struct Client {
    pub(super) handle: Handle,
    pub(super) output: ChannelWriteHalf<Msg>,
}

/// Everything that a running command holds.
pub(super) struct Execution {
    pub(super) child: Child,
    pub(super) group: Arc<ProcessGroup>,
    pub(super) stdin: StdinSource,
    pub(super) client: Client,
}

impl Execution {
    /// Runs until the command ends, the client stops listening or the server stops; in every case the process
    /// group is gone afterwards. Returns how it ended, for whoever still listens.
    pub(super) async fn run(
        self,
        listening: oneshot::Receiver<()>,
        mut running: Running,
    ) -> Option<(ExitStatus, Client)> {
        let Self { mut child, group, stdin, client } = self;
        let finished = tokio::select! {
            biased;
            () = running.stop_requested() => false,
            _gone = listening => false,
            () = drive(&mut child, stdin, &client.output) => true,
        };
        group.retire();
        let status = reap(child).await?;
        finished.then_some((status, client))
    }
}

/// Immediate: the process has ended, or SIGKILL is on its way to it.
async fn reap(mut child: Child) -> Option<ExitStatus> {
    child.wait().await.inspect_err(|error| tracing::warn!(%error, "cannot learn how a command ended")).ok()
}

/// Moves bytes until both outputs are at their end and the process is. Input that is left over does not hold it up.
async fn drive(child: &mut Child, stdin: StdinSource, output: &ChannelWriteHalf<Msg>) {
    let feeding = child.stdin.take().map(|pipe| stdin.feed(pipe));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = async { tokio::join!(pump(stdout, output, None), pump(stderr, output, Some(STDERR)), child.wait()) };
    let feed_forever = async {
        if let Some(feeding) = feeding {
            feeding.await;
        }
        std::future::pending().await
    };
    tokio::select! {
        // Its status is asked for again, and any error seen, when it is reaped.
        _ended = ended => {}
        () = feed_forever => {}
    }
}

/// Sends one stream to the client as fast as the client's window lets it. Stopping early closes the pipe, which the
/// process notices as any program does whose reader has left.
async fn pump(stream: Option<impl AsyncRead + Unpin>, output: &ChannelWriteHalf<Msg>, kind: Option<u32>) {
    let Some(mut stream) = stream else { return };
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_SIZE);
        match stream.read_buf(&mut buffer).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => return tracing::warn!(%error, "cannot read a command's output"),
        }
        let data = buffer.split().freeze();
        let sent = match kind {
            None => output.data_bytes(data).await,
            Some(kind) => output.extended_data_bytes(kind, data).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

impl Client {
    /// EOF, exit status or exit signal, CLOSE. Every step fails the same way: the connection is gone, nobody is left
    /// to be told.
    pub(super) async fn tell(self, status: ExitStatus) -> Result<(), ()> {
        let id = self.output.id();
        self.handle.eof(id).await?;
        match (status.code(), status.signal()) {
            (Some(code), _) => self.handle.exit_status_request(id, code.unsigned_abs()).await?,
            (None, Some(signal)) => self.exit_signal(signal, status.core_dumped()).await?,
            (None, None) => {}
        }
        self.handle.close(id).await
    }

    async fn exit_signal(&self, signal: i32, core_dumped: bool) -> Result<(), ()> {
        let (id, name) = (self.output.id(), ssh_name(signal));
        self.handle.exit_signal_request(id, name, core_dumped, String::new(), String::new()).await
    }
}

/// The protocol knows signals by name, without the `SIG`.
fn ssh_name(signal: i32) -> Sig {
    let name =
        Signal::try_from(signal).map_or_else(|_| format!("{signal}@embedded"), |known| known.as_str().to_owned());
    let short = name.strip_prefix("SIG").unwrap_or(&name);
    match short {
        "ABRT" => Sig::ABRT,
        "ALRM" => Sig::ALRM,
        "FPE" => Sig::FPE,
        "HUP" => Sig::HUP,
        "ILL" => Sig::ILL,
        "INT" => Sig::INT,
        "KILL" => Sig::KILL,
        "PIPE" => Sig::PIPE,
        "QUIT" => Sig::QUIT,
        "SEGV" => Sig::SEGV,
        "TERM" => Sig::TERM,
        "USR1" => Sig::USR1,
        other => Sig::Custom(other.to_owned()),
    }
}

/// The signal that a client means; `None` for a name this system does not know.
pub(super) fn local_signal(signal: &Sig) -> Option<Signal> {
    Some(match signal {
        Sig::ABRT => Signal::SIGABRT,
        Sig::ALRM => Signal::SIGALRM,
        Sig::FPE => Signal::SIGFPE,
        Sig::HUP => Signal::SIGHUP,
        Sig::ILL => Signal::SIGILL,
        Sig::INT => Signal::SIGINT,
        Sig::KILL => Signal::SIGKILL,
        Sig::PIPE => Signal::SIGPIPE,
        Sig::QUIT => Signal::SIGQUIT,
        Sig::SEGV => Signal::SIGSEGV,
        Sig::TERM => Signal::SIGTERM,
        Sig::USR1 => Signal::SIGUSR1,
        Sig::Custom(name) => return format!("SIG{name}").parse().ok(),
    })
}
