use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::connection::Cluster;
use super::feeding::{Feeding, endless};
use super::frames::Status;
use super::gate::{Gate, without_shell};
use super::kill::Process;
use super::pods::{Shell, path_of, wants_container};
use super::refusal::{KubeRefusal, KubeRefusalKind};
use super::socket::{self, Sink, Version};
use super::starts::Turn;
use super::talk::{SocketEnd, Talk, lost};
use crate::command::{ExitStatus, Pod, Pty};
use crate::error::Error;
use crate::transport::container::preamble::Preamble;
use crate::transport::container::{ApiRequest, Input, Orders, Output, Over, What};
use crate::transport::{ChannelEvent, Expected};

/// For the goodbye of a socket.
const GOODBYE: Duration = Duration::from_millis(500);

/// Why what runs in some containers goes on although nobody wants it any more.
const NO_SHELL: &str =
    "The container has no sh by which its processes could be signalled, so the command may still run there";

/// One exec, from its request to its status.
pub struct Exec {
    cluster: Arc<Cluster>,
    output: Arc<Output>,
    /// The signals it was sent, by name.
    sent: Arc<Mutex<Vec<&'static str>>>,
}

/// A socket that runs a command.
struct Started {
    stream: socket::Stream,
    version: Version,
    gate: Gate,
    process: Process,
    /// Nobody knows yet whether the gate's shell is there.
    unsure: bool,
}

/// What became of one attempt.
enum Attempt {
    Ended(SocketEnd),
    /// The container has no shell; the program may run without.
    NoShell,
}

impl Exec {
    pub fn new(cluster: Arc<Cluster>, output: Arc<Output>) -> Self {
        Self { cluster, output, sent: Arc::default() }
    }

    /// The exec's life. `Err`: there is nobody to close a channel for.
    pub async fn run(self, mut orders: Orders, input: mpsc::Receiver<Input>) -> Result<(), Over> {
        let Some((what, about_to)) = orders.first().await else { return Ok(()) };
        let mut turn = tokio::select! {
            turn = self.cluster.starts.turn() => turn,
            // Nothing has run, and nothing will.
            () = orders.unwanted() => return Ok(()),
        };
        // Whoever waited may be gone; the orders say what then.
        let _ = about_to.send(());
        let mut input = input;
        let end = loop {
            // Bounded. What is asked meanwhile waits: once the request is sent the command may run, and must be found to be ended.
            let attempt = match self.start(&what).await {
                Ok(started) => self.converse(started, &mut turn, &what, &mut input, &mut orders).await,
                Err(error) => Attempt::Ended(SocketEnd::Failed(error)),
            };
            if let Attempt::Ended(end) = attempt {
                break end;
            }
        };
        match end {
            SocketEnd::Status(Status::Code(code)) => {
                let status = ExitStatus::reported(code, &self.sent.lock());
                self.output.say(ChannelEvent::Exited(status)).await;
                self.output.say(ChannelEvent::Eof).await;
            }
            SocketEnd::Status(Status::Failure(said)) if tells_of_loss(&said) => {
                self.failed(lost(io::Error::other(said))).await;
            }
            SocketEnd::Status(Status::Failure(said)) => self.failed(KubeRefusal::new(500, &said).error()).await,
            SocketEnd::Lost(error) | SocketEnd::Failed(error) => self.failed(error).await,
            SocketEnd::Unwanted => {}
        }
        Ok(())
    }

    /// Everything from a socket's opening to its end.
    async fn converse(
        &self,
        started: Started,
        turn: &mut Turn,
        what: &What,
        input: &mut mpsc::Receiver<Input>,
        orders: &mut Orders,
    ) -> Attempt {
        let Started { stream, version, mut gate, process, unsure } = started;
        let terminal = what.pty.is_some();
        if !gate.has_shell() && !terminal {
            self.output.out_of_reach(NO_SHELL);
        }
        self.output.expect(std::mem::replace(&mut gate.preamble, Preamble::none()));
        self.output.say(ChannelEvent::Started).await;
        let (sink, stream) = stream.split();
        let sink: Sink = Arc::new(tokio::sync::Mutex::new(sink));
        let talk = Talk {
            cluster: Arc::clone(&self.cluster),
            output: Arc::clone(&self.output),
            process: Arc::new(process),
            sink: Arc::clone(&sink),
            sent: Arc::clone(&self.sent),
            keys: !gate.has_shell() && terminal,
        };
        if let Some(Pty { columns, rows, .. }) = what.pty {
            talk.resize(columns, rows);
        }
        let (head, spelling) = gate.open(version, terminal);
        let complaint = gate.complaint(spelling);
        // What this attempt does not read can be read by another one.
        let held = unsure && gate.has_shell();
        let after = held.then(|| Arc::clone(self.output.preamble()));
        let feeding = Feeding { sink: Arc::clone(&sink), version, spelling, attached: gate.attach, after };
        let reads = what.has_input() || terminal;
        let end = talk.run(stream, turn, feeding.feed(head, reads.then_some(input)), complaint, orders).await;
        let SocketEnd::Status(status) = &end else { return Attempt::Ended(end) };
        if let Some(lacking) = self.lacks_shell(&gate, status, &talk.process) {
            match without_shell(what) {
                None if held || !reads => return Attempt::NoShell,
                None => {}
                Some(refusal) if lacking => return Attempt::Ended(SocketEnd::Failed(refusal.error())),
                Some(_) => {}
            }
        } else if gate.has_shell() && matches!(status, Status::Code(_)) {
            self.cluster.containers.note_shell(&talk.process.pod, &talk.process.container, Shell::There);
        }
        farewell(sink).await;
        Attempt::Ended(end)
    }

    /// Did the container only lack the shell that we put before the program? Then nothing has run. `false`: whoever says that something
    /// is missing does not say what.
    fn lacks_shell(&self, gate: &Gate, status: &Status, process: &Process) -> Option<bool> {
        let Status::Failure(said) = status else { return None };
        if !gate.has_shell() || KubeRefusal::new(500, said).why != KubeRefusalKind::NoProgram {
            return None;
        }
        let missing = Shell::Missing { since: Instant::now() };
        self.cluster.containers.note_shell(&process.pod, &process.container, missing);
        Some(["\"sh\"", "`sh`", "/sh:"].iter().any(|shell| said.contains(shell)))
    }

    /// Opens the socket that starts the command.
    async fn start(&self, what: &What) -> Result<Started, Error> {
        let Some(pod) = &what.place.pod else {
            return Err(Error::InvalidOption { option: "pod", problem: "it is missing".to_owned() });
        };
        let named = Some(&what.place.container).filter(|name| !name.is_empty()).cloned();
        let known = named.clone().or_else(|| self.cluster.containers.known(pod));
        match self.start_in(pod, known.as_deref().unwrap_or_default(), what).await {
            // A pod of the same name may have come since, with other containers.
            Err(error) if named.is_none() && wants_container(&error) => {
                let chosen = self.cluster.containers.choose(&self.cluster.client, pod).await?;
                self.start_in(pod, &chosen, what).await
            }
            Err(error) => {
                self.cluster.containers.forget(pod);
                Err(error)
            }
            started => started,
        }
    }

    async fn start_in(&self, pod: &Pod, container: &str, what: &What) -> Result<Started, Error> {
        let known = self.cluster.containers.shell(pod, container);
        // What cannot do without one looks for it again.
        let shell = !matches!(known, Some(Shell::Missing { .. })) || without_shell(what).is_some();
        let gate = Gate::new(what, shell)?;
        let terminal = what.pty.is_some();
        let request = exec_request(pod, container, &gate.words, gate.attach, terminal);
        let offered: &[Version] = if gate.needs_v5() { &[Version::V5] } else { &[Version::V5, Version::V4] };
        let opened = socket::open(&self.cluster.client, &request, offered).await;
        let (stream, version, gate) = match opened {
            Ok((stream, version)) => (stream, version, gate),
            Err(Error::Kube(refusal)) if gate.needs_v5() && refusal.why == KubeRefusalKind::Upgrade => {
                if what.input != Expected::Perhaps {
                    return Err(endless().error());
                }
                let gate = gate.detached();
                let request = exec_request(pod, container, &gate.words, false, terminal);
                let (stream, version) = socket::open(&self.cluster.client, &request, &[Version::V4]).await?;
                (stream, version, gate)
            }
            Err(error) => return Err(error),
        };
        let process = Process { pod: pod.clone(), container: container.to_owned() };
        Ok(Started { stream, version, gate, process, unsure: known != Some(Shell::There) })
    }

    /// An API server that is gone makes the pool hear of it; the failure is this exec's.
    async fn failed(&self, error: Error) {
        self.cluster.note(&error);
        self.output.say(ChannelEvent::Failed(error)).await;
    }
}

/// The request that starts a command in a pod's container.
pub fn exec_request(pod: &Pod, container: &str, words: &[String], stdin: bool, terminal: bool) -> ApiRequest {
    let flag = |name: &str, on: bool| (name.to_owned(), on.to_string());
    let mut query: Vec<(String, String)> = words.iter().map(|word| ("command".to_owned(), word.clone())).collect();
    if !container.is_empty() {
        query.push(("container".to_owned(), container.to_owned()));
    }
    query.extend([flag("stdin", stdin), flag("stdout", true), flag("stderr", !terminal), flag("tty", terminal)]);
    ApiRequest { query, ..ApiRequest::new("GET", format!("{}/exec", path_of(pod))) }
}

/// Says goodbye; the command has ended, so nobody waits for an answer.
async fn farewell(sink: Sink) {
    let closing = async move { sink.lock().await.close().await };
    match timeout(GOODBYE, closing).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a socket was gone before its goodbye"),
    }
}

/// An API server that has lost the node, or the node its runtime, says so in a status.
fn tells_of_loss(said: &str) -> bool {
    let said = said.to_lowercase();
    [
        "connection reset",
        "unexpected eof",
        "broken pipe",
        "transport is closing",
        "closed network connection",
        "lost connection",
    ]
    .iter()
    .any(|words| said.contains(words))
}
