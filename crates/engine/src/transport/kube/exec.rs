use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::channel::{Input, Order};
use super::connection::{Cluster, until};
use super::frames::{self, Frame, Status};
use super::gate::{Complaint, Gate, Spelling};
use super::kill::{LOOK, Process, WORD, kill};
use super::pods::{path_of, wants_container};
use super::refusal::{KubeRefusal, KubeRefusalKind};
use super::socket::{self, Version};
use crate::command::{ExitStatus, Place, Pod, Pty};
use crate::error::{Cause, Error, Phase, Reached, Stream};
use crate::transport::ChannelEvent;
use crate::transport::docker::ApiRequest;
use crate::transport::docker::preamble::Preamble;

/// Servers end the socket when they have said how the command ended. What does not come by then does not come.
const AFTER_STATUS: Duration = Duration::from_millis(250);
/// Between two looks at whether the other side is there.
const PING: Duration = Duration::from_secs(15);
/// Pings without an answer, from a side that has answered before, after which it is not there.
const MISSED: u32 = 3;
/// For the goodbye of a socket.
const GOODBYE: Duration = Duration::from_millis(500);

/// What is to run.
pub struct What {
    pub place: Arc<Place>,
    pub env: Vec<(String, String)>,
    pub pty: Option<Pty>,
    pub line: Vec<u8>,
    /// Something will be written to its stdin.
    pub input: bool,
}

/// One exec, from its request to its status.
pub struct Exec {
    cluster: Arc<Cluster>,
    events: mpsc::Sender<ChannelEvent>,
    preamble: Arc<Mutex<Preamble>>,
}

/// How an exec's socket ended.
enum SocketEnd {
    Status(Status),
    Broken(Cause),
    Failed(Error),
    /// The container has no shell; the program may run without.
    NoShell,
    /// Whoever asked wants no more.
    Unwanted,
}

/// A socket that runs a command.
struct Started {
    stream: socket::Stream,
    version: Version,
    gate: Gate,
    process: Process,
}

/// Nothing more is to be said.
struct Over;

type Sink = Arc<tokio::sync::Mutex<SplitSink<socket::Stream, Message>>>;

impl Exec {
    pub fn new(cluster: Arc<Cluster>, events: mpsc::Sender<ChannelEvent>) -> Self {
        Self { cluster, events, preamble: Arc::new(Mutex::new(Preamble::none())) }
    }

    /// The exec's life. Ends without a word, as a lost connection does, when the connection is cut.
    pub async fn serve(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        input: mpsc::Receiver<Input>,
        mut cut: watch::Receiver<bool>,
    ) {
        tokio::select! {
            biased;
            () = until(&mut cut, |cut| *cut) => {}
            outcome = self.run(&mut orders, input) => {
                if outcome.is_ok() {
                    self.say(ChannelEvent::Closed).await;
                }
            }
        }
    }

    /// `Err`: there is nobody to close a channel for.
    async fn run(
        &mut self,
        orders: &mut mpsc::UnboundedReceiver<Order>,
        input: mpsc::Receiver<Input>,
    ) -> Result<(), Over> {
        let Some((what, about_to)) = first(orders).await else { return Ok(()) };
        // Whoever waited may be gone; the orders say what then.
        let _ = about_to.send(());
        let mut input = Some(input);
        loop {
            // Bounded. What is asked meanwhile waits: once the request is sent the command may run, and must be found to be ended.
            let end = match self.start(&what).await {
                Ok(started) => self.converse(started, &what, &mut input, orders).await,
                Err(error) => SocketEnd::Failed(error),
            };
            return match end {
                SocketEnd::Status(Status::Code(code)) => {
                    self.say(ChannelEvent::Exited(ExitStatus::of_number(code))).await;
                    self.say(ChannelEvent::Eof).await;
                    Ok(())
                }
                SocketEnd::Status(Status::Failure(said)) if tells_of_loss(&said) => {
                    self.failed(lost(Arc::new(io::Error::other(said)))).await
                }
                SocketEnd::Status(Status::Failure(said)) => self.failed(KubeRefusal::new(500, &said).error()).await,
                SocketEnd::NoShell => continue,
                SocketEnd::Broken(source) => self.failed(lost(source)).await,
                SocketEnd::Failed(error) => self.failed(error).await,
                SocketEnd::Unwanted => Ok(()),
            };
        }
    }

    /// Everything from a socket's opening to its end.
    async fn converse(
        &self,
        started: Started,
        what: &What,
        input: &mut Option<mpsc::Receiver<Input>>,
        orders: &mut mpsc::UnboundedReceiver<Order>,
    ) -> SocketEnd {
        let Started { stream, version, mut gate, process } = started;
        *self.preamble.lock() = std::mem::replace(&mut gate.preamble, Preamble::none());
        self.say(ChannelEvent::Started).await;
        let (sink, stream) = stream.split();
        let sink: Sink = Arc::new(tokio::sync::Mutex::new(sink));
        if let Some(Pty { columns, rows, .. }) = what.pty {
            self.resize(&sink, columns, rows);
        }
        let (head, spelling) = gate.open(version, what.pty.is_some());
        let complaint = gate.complaint(spelling);
        let feeding = Feeding { sink: Arc::clone(&sink), version, spelling, attached: gate.attach };
        // What is not read now can be read by another attempt.
        let source = if what.input || what.pty.is_some() { input.take() } else { None };
        let process = Arc::new(process);
        let end = self.talk(&process, stream, &sink, feeding.feed(head, source), complaint, orders).await;
        if let SocketEnd::Status(status) = &end {
            if self.lacks_shell(&gate, status, &process) && what.place.argv.is_some() && source_is_whole(input) {
                return SocketEnd::NoShell;
            }
            farewell(sink).await;
        }
        end
    }

    /// Did the container only lack the shell that we put before the program? Then nothing has run.
    fn lacks_shell(&self, gate: &Gate, status: &Status, process: &Process) -> bool {
        let Status::Failure(said) = status else { return false };
        let lacks = gate.has_shell() && KubeRefusal::new(500, said).why == KubeRefusalKind::NoProgram;
        if lacks {
            self.cluster.containers.note_no_shell(&process.pod, &process.container);
        }
        lacks
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
        let shell = !self.cluster.containers.has_no_shell(pod, container);
        let gate = Gate::new(what, shell)?;
        let offered: &[Version] = if gate.needs_v5() { &[Version::V5] } else { &[Version::V5, Version::V4] };
        let request = exec_request(pod, container, &gate.words, gate.attach, what.pty.is_some());
        let (stream, version) = socket::open(&self.cluster.client, &request, offered).await.map_err(|error| {
            match error {
                Error::Kube(refusal) if gate.needs_v5() && refusal.why == KubeRefusalKind::Upgrade => {
                    KubeRefusal::of_kind(
                        KubeRefusalKind::NotSupported,
                        refusal.status,
                        "This API server cannot say that stdin has ended (it speaks v4.channel.k8s.io only), and the container has no sh to help with it",
                    )
                    .error()
                }
                error => error,
            }
        })?;
        let process = Process { pod: pod.clone(), container: container.to_owned() };
        Ok(Started { stream, version, gate, process })
    }

    /// Reads and writes until the command's end is known, or nobody wants it.
    async fn talk(
        &self,
        process: &Arc<Process>,
        stream: SplitStream<socket::Stream>,
        sink: &Sink,
        feeding: impl Future<Output = ()>,
        complaint: Option<Complaint>,
        orders: &mut mpsc::UnboundedReceiver<Order>,
    ) -> SocketEnd {
        let heard = Heard::default();
        let reading = self.read(stream, complaint, &heard);
        let watching = watch_peer(sink, &heard);
        tokio::pin!(reading, feeding, watching);
        let (mut fed, mut signalled) = (false, false);
        loop {
            tokio::select! {
                end = &mut reading => return end,
                () = &mut feeding, if !fed => fed = true,
                () = &mut watching => return SocketEnd::Broken(Arc::new(io::Error::from(io::ErrorKind::TimedOut))),
                order = orders.recv() => {
                    signalled |= matches!(order, Some(Order::Signal(_)));
                    if self.obey(order, process, sink).is_err() {
                        if signalled {
                            self.hear_pid(&mut reading).await;
                        }
                        return SocketEnd::Unwanted;
                    }
                }
            }
        }
    }

    /// A signal that is on its way needs the process id, which may be about to come.
    async fn hear_pid(&self, reading: &mut (impl Future<Output = SocketEnd> + Unpin)) {
        let heard = async {
            while self.preamble.lock().is_expected() {
                sleep(LOOK).await;
            }
        };
        tokio::select! {
            _ = reading => {}
            _ = timeout(WORD, heard) => {}
        }
    }

    /// Hands on what comes. What its reader does not take is not read.
    async fn read(
        &self,
        mut stream: SplitStream<socket::Stream>,
        mut complaint: Option<Complaint>,
        heard: &Heard,
    ) -> SocketEnd {
        let mut status = None;
        let mut deadline = None;
        let end = loop {
            let next = match deadline {
                None => stream.next().await,
                Some(deadline) => match tokio::time::timeout_at(deadline, stream.next()).await {
                    Ok(next) => next,
                    Err(_) => break None,
                },
            };
            heard.note(&next);
            let message = match next {
                Some(Ok(Message::Binary(message))) => message,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Text(_))) => {
                    break Some(SocketEnd::Failed(protocol("a text where only bytes may be")));
                }
                Some(Ok(Message::Close(said))) => {
                    let said = said.map(|frame| frame.reason.to_string()).filter(|said| !said.is_empty());
                    let said = said.unwrap_or_else(|| "the server closed the socket".to_owned());
                    break Some(SocketEnd::Broken(Arc::new(io::Error::new(io::ErrorKind::ConnectionAborted, said))));
                }
                Some(Err(error)) => break Some(broken(error)),
                None => break Some(SocketEnd::Broken(Arc::new(io::Error::from(io::ErrorKind::UnexpectedEof)))),
            };
            let output = match frames::decode(message) {
                Ok(Frame::Stdout(data)) => self.output(Stream::Stdout, data, &mut complaint).await,
                Ok(Frame::Stderr(data)) => self.output(Stream::Stderr, data, &mut complaint).await,
                Ok(Frame::Nothing) => Ok(()),
                Ok(Frame::Status(said)) => {
                    // The first one holds.
                    status.get_or_insert(said);
                    deadline.get_or_insert(Instant::now() + AFTER_STATUS);
                    Ok(())
                }
                Err(problem) => Err(protocol(&problem.to_string())),
            };
            if let Err(error) = output {
                break Some(SocketEnd::Failed(error));
            }
        };
        let rest = self.preamble.lock().rest();
        if let Some((stream, rest)) = rest {
            self.hand_on(stream, rest).await;
        }
        if let Some(rest) = complaint.as_mut().map(Complaint::rest) {
            self.hand_on(Stream::Stderr, rest).await;
        }
        match (status, end) {
            (_, Some(SocketEnd::Failed(error))) => SocketEnd::Failed(error),
            // However the socket ends after it.
            (Some(status), _) => SocketEnd::Status(status),
            (None, Some(end)) => end,
            (None, None) => SocketEnd::Failed(Error::NoExitStatus),
        }
    }

    async fn output(&self, stream: Stream, data: Bytes, complaint: &mut Option<Complaint>) -> Result<(), Error> {
        let own = self.preamble.lock().pass(stream, data);
        let own = match complaint {
            Some(complaint) => complaint.pass(stream, own)?,
            None => own,
        };
        self.hand_on(stream, own).await;
        Ok(())
    }

    async fn hand_on(&self, stream: Stream, data: Bytes) {
        if data.is_empty() {
            return;
        }
        self.say(match stream {
            Stream::Stdout => ChannelEvent::Stdout(data),
            Stream::Stderr => ChannelEvent::Stderr(data),
        })
        .await;
    }

    /// `Err`: whoever asked wants no more.
    fn obey(&self, order: Option<Order>, process: &Arc<Process>, sink: &Sink) -> Result<(), Over> {
        match order {
            None | Some(Order::Close) => return Err(Over),
            // One exec for one channel; whoever waits for the start of another one learns it.
            Some(Order::Start(..)) => {}
            Some(Order::Resize(columns, rows)) => self.resize(sink, columns, rows),
            Some(Order::Signal(signal)) => {
                let (cluster, preamble) = (Arc::clone(&self.cluster), Arc::clone(&self.preamble));
                let process = Arc::clone(process);
                tokio::spawn(async move { kill(&cluster.client, &process, &preamble, signal).await });
            }
        }
        Ok(())
    }

    fn resize(&self, sink: &Sink, columns: u32, rows: u32) {
        let sink = Arc::clone(sink);
        tokio::spawn(async move {
            if let Err(error) = sink.lock().await.send(Message::Binary(frames::resize(columns, rows))).await {
                tracing::debug!(%error, "a terminal could not be given its size");
            }
        });
    }

    /// An API server that is gone ends the channel without a word, so that the pool's connection is blamed; other failures
    /// are this exec's.
    async fn failed(&self, error: Error) -> Result<(), Over> {
        self.cluster.note(&error);
        self.say(ChannelEvent::Failed(error)).await;
        Ok(())
    }

    /// Nobody listens: the orders say so as well.
    async fn say(&self, event: ChannelEvent) {
        let _ = self.events.send(event).await;
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

/// stdin that an attempt has taken may be gone.
fn source_is_whole(input: &Option<mpsc::Receiver<Input>>) -> bool {
    input.is_some()
}

/// The command. What is said before it has no meaning yet.
async fn first(orders: &mut mpsc::UnboundedReceiver<Order>) -> Option<(Box<What>, oneshot::Sender<()>)> {
    loop {
        match orders.recv().await {
            Some(Order::Start(what, about_to)) => return Some((what, about_to)),
            None | Some(Order::Close) => return None,
            Some(Order::Signal(_) | Order::Resize(..)) => {}
        }
    }
}

/// stdin, as this server and this container take it.
struct Feeding {
    sink: Sink,
    version: Version,
    spelling: Spelling,
    attached: bool,
}

impl Feeding {
    /// A process that reads no more takes its stdin with it, which is no error.
    async fn feed(mut self, head: Option<Bytes>, mut input: Option<mpsc::Receiver<Input>>) {
        if let Err(error) = self.feed_all(head, input.as_mut()).await {
            tracing::debug!(%error, "stdin could not be sent to its end");
        }
        // Whoever still writes must not wait for ever.
        if let Some(mut input) = input {
            while input.recv().await.is_some() {}
        }
    }

    async fn feed_all(
        &mut self,
        head: Option<Bytes>,
        input: Option<&mut mpsc::Receiver<Input>>,
    ) -> Result<(), SocketError> {
        if !self.attached {
            return Ok(());
        }
        if let Some(head) = head {
            self.send(&head).await?;
        }
        let Some(input) = input else { return Ok(()) };
        while let Some(Input::Data(data)) = input.recv().await {
            for piece in self.spelling.pieces(&data) {
                self.send(&piece).await?;
            }
        }
        match self.spelling.end() {
            Some(end) => self.send(&end).await,
            None if self.version == Version::V5 => {
                self.sink.lock().await.send(Message::Binary(frames::end_of_stdin())).await
            }
            // Its stdin is at its end without us.
            None => Ok(()),
        }
    }

    async fn send(&self, data: &[u8]) -> Result<(), SocketError> {
        self.sink.lock().await.send(Message::Binary(frames::stdin(data))).await
    }
}

/// When the other side was heard, and whether it answers pings at all.
#[derive(Default)]
struct Heard {
    since_ping: Mutex<bool>,
    answers: Mutex<bool>,
}

impl Heard {
    fn note(&self, message: &Option<Result<Message, SocketError>>) {
        *self.since_ping.lock() = true;
        if matches!(message, Some(Ok(Message::Pong(_)))) {
            *self.answers.lock() = true;
        }
    }
}

/// Resolves when a side that answers pings has stopped to.
async fn watch_peer(sink: &Sink, heard: &Heard) {
    let mut ticks = interval(PING);
    ticks.tick().await;
    let mut missed = 0;
    loop {
        ticks.tick().await;
        missed = if std::mem::take(&mut *heard.since_ping.lock()) { 0 } else { missed + 1 };
        if missed >= MISSED && *heard.answers.lock() {
            return;
        }
        // Where somebody writes, the line itself tells when nobody takes it.
        if let Ok(mut sink) = sink.try_lock()
            && let Err(error) = sink.send(Message::Ping(Bytes::new())).await
        {
            tracing::debug!(%error, "a ping could not be sent");
        }
    }
}

/// Says goodbye; the command has ended, so nobody waits for an answer.
async fn farewell(sink: Sink) {
    let closing = async move { sink.lock().await.close().await };
    match timeout(GOODBYE, closing).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a socket was gone before its goodbye"),
    }
}

fn broken(error: SocketError) -> SocketEnd {
    match error {
        SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => SocketEnd::Broken(socket::broken(error)),
        SocketError::Protocol(_) | SocketError::Capacity(_) | SocketError::Utf8(_) => {
            SocketEnd::Failed(protocol(&error.to_string()))
        }
        error => SocketEnd::Broken(socket::broken(error)),
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

fn protocol(problem: &str) -> Error {
    KubeRefusal::protocol(problem).error()
}

fn lost(source: Cause) -> Error {
    Error::ConnectionLost { phase: Phase::Run, reached: Reached::Yes, source: Some(source) }
}
