//! A visitor's command on a channel of ours.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{MissedTickBehavior, interval};

use super::congestion::{Congestion, Verdict};
use super::packet::{Reply, Session};
use super::stdio::{Input, Output};
use super::terminal;
use super::visitor::Visitor;
use crate::command::ExitStatus;
use crate::error::Error;
use crate::pool::Permit;
use crate::run::tail;
use crate::transport::ssh::SshTransport;
use crate::transport::ssh::link::{LinkChannel, LinkWriter};
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Signal};

/// Pieces of the visitor's input.
const PIECE: usize = 64 * 1024;
/// How often a terminal is asked for its size. OpenSSH's client tells its master by a signal, which belongs to Node.js here.
const RESIZE: Duration = Duration::from_secs(1);

/// Runs it to its end, the visitor's or the connection's.
pub async fn run(mut visitor: Visitor, id: u32, session: Session, stdio: (Input, Output, Output)) -> io::Result<()> {
    let master = Arc::clone(&visitor.master);
    let unwanted = async {
        tokio::select! {
            () = visitor.gone() => {}
            () = master.over() => {}
        }
    };
    let (permit, channel) = match master.lender.open(unwanted).await {
        Some(Ok(opened)) => opened,
        Some(Err(error)) => return visitor.say(&Reply::Failure { id, reason: error.to_string() }).await,
        // Its turn has not come in time: nothing ran.
        None => return Ok(()),
    };
    let number = visitor.master.new_session();
    let (stdin, stdout, stderr) = stdio;
    let requests = match request(&channel, &session, &stdin).await {
        Ok(requests) => requests,
        Err(error) => {
            tail::close::<SshTransport>(channel, permit).await;
            return visitor.say(&Reply::Failure { id, reason: error.to_string() }).await;
        }
    };
    if let Err(error) = visitor.say(&Reply::SessionOpened { id, session: number }).await {
        tail::end::<SshTransport>(channel, permit).await;
        return Err(error);
    }
    let served = Served { visitor, number, channel, requests, status: None, terminal: session.tty };
    served.run(permit, stdin, [stdout, stderr]).await
}

/// What the server has not answered yet, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaiting {
    Terminal,
    Command,
    Nothing,
}

async fn request(channel: &LinkChannel, session: &Session, stdin: &Input) -> Result<Awaiting, Error> {
    let not_ours = Error::Internal { what: "a session of a visitor on somebody else's connection" };
    let LinkWriter::Direct(writer) = channel.writer() else { return Err(not_ours) };
    let raw = writer.raw();
    let asked = async {
        if session.tty {
            let (columns, rows, width, height) = terminal::size(stdin);
            let modes = terminal::modes(stdin);
            raw.request_pty(true, &session.term, columns, rows, width, height, &modes).await?;
        }
        for (name, value) in session.env.iter().filter_map(|variable| variable.split_once('=')) {
            // The server takes those that it accepts, and says nothing about the others.
            raw.set_env(false, name, value).await?;
        }
        if session.subsystem {
            raw.request_subsystem(true, String::from_utf8_lossy(&session.command)).await
        } else if session.command.is_empty() {
            raw.request_shell(true).await
        } else {
            raw.exec(true, session.command.to_vec()).await
        }
    };
    asked.await.map_err(|error: russh::Error| Error::ConnectionLost {
        phase: crate::error::Phase::OpenChannel,
        reached: crate::error::Reached::Unknown,
        source: Some(Arc::new(error)),
    })?;
    Ok(if session.tty { Awaiting::Terminal } else { Awaiting::Command })
}

struct Served {
    visitor: Visitor,
    number: u32,
    channel: LinkChannel,
    requests: Awaiting,
    status: Option<ExitStatus>,
    terminal: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Closed,
    Lost,
    Refused,
    /// The visitor reads nothing, and others suffer for it.
    Unread,
    /// The visitor has left, or must.
    Left,
}

impl Served {
    async fn run(mut self, permit: Permit<SshTransport>, stdin: Input, outputs: [Output; 2]) -> io::Result<()> {
        let [(stdout, drain_stdout), (stderr, drain_stderr)] = outputs.map(outbox);
        let drains = async { tokio::join!(drain_stdout, drain_stderr) };
        tokio::pin!(drains);
        let ended = tokio::select! {
            ended = self.pump(&permit, &stdin, &stdout, &stderr) => ended,
            // They end when their senders are dropped, and those are here.
            _ = &mut drains => Ended::Lost,
        };
        match ended {
            Ended::Closed => permit.release(),
            Ended::Lost => permit.suspect(),
            Ended::Refused => {
                stderr.push(Bytes::from_static(b"the server refused to run the command\r\n"));
                // sshd takes its time to close a channel that never ran anything; the visitor need not wait for that.
                tokio::spawn(tail::close::<SshTransport>(self.channel, permit));
            }
            Ended::Unread => {
                tracing::warn!("a visitor of the control socket reads nothing: its command is ended");
                tail::end::<SshTransport>(self.channel, permit).await;
                return Ok(());
            }
            Ended::Left => {
                tail::end::<SshTransport>(self.channel, permit).await;
                return Ok(());
            }
        }
        drop((stdout, stderr));
        let master = Arc::clone(&self.visitor.master);
        tokio::select! {
            _ = drains => {}
            () = self.visitor.gone() => return Ok(()),
            () = master.over() => return Ok(()),
        }
        // Of a signal this protocol has no word: without an exit code, ssh reports 255, as it does without a master.
        match (ended, self.status) {
            (Ended::Closed, Some(ExitStatus::Code(code))) => {
                self.visitor.say(&Reply::ExitMessage { session: self.number, code }).await
            }
            _ => Ok(()),
        }
    }

    async fn pump(&mut self, permit: &Permit<SshTransport>, stdin: &Input, stdout: &Outbox, stderr: &Outbox) -> Ended {
        let writer = self.channel.writer();
        let feed = feed(stdin, writer.clone());
        tokio::pin!(feed);
        let mut feeding = true;
        let mut size = terminal::size(stdin);
        let mut look = interval(RESIZE);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let master = Arc::clone(&self.visitor.master);
        let mut broken = false;
        let mut congestion = Congestion::new();
        let mut aside = false;
        loop {
            congestion.note(stdout.waiting() + stderr.waiting(), stdout.taken() + stderr.taken());
            if congestion.lasts() && !std::mem::replace(&mut aside, true) {
                permit.set_aside();
            }
            let verdict = congestion.verdict(|| permit.is_alone());
            if verdict == Verdict::End {
                return Ended::Unread;
            }
            tokio::select! {
                event = self.channel.next(), if verdict == Verdict::Read => {
                    let Some(event) = event else { return Ended::Lost };
                    match event {
                        ChannelEvent::Stdout(data) => stdout.push(data),
                        ChannelEvent::Stderr(data) => stderr.push(data),
                        ChannelEvent::Exited(status) => self.status = Some(status),
                        ChannelEvent::Closed => return Ended::Closed,
                        ChannelEvent::Eof => {}
                        ChannelEvent::Started => self.answered(),
                        ChannelEvent::ExecRefused if self.requests == Awaiting::Terminal => {
                            self.answered();
                            if self.visitor.say(&Reply::TtyAllocFail { session: self.number }).await.is_err() {
                                return Ended::Left;
                            }
                        }
                        ChannelEvent::ExecRefused | ChannelEvent::NotOpened(_) | ChannelEvent::Failed(_) => {
                            return Ended::Refused;
                        }
                    }
                }
                () = stdout.progress(), if congestion.is_full() => {}
                () = stderr.progress(), if congestion.is_full() => {}
                () = congestion.look_again() => {}
                () = &mut feed, if feeding => feeding = false,
                () = stdout.broken(), if !broken => {
                    broken = true;
                    // As if it wrote to the closed pipe itself. A failing write shows in the next read.
                    let _ = writer.signal(Signal::Pipe).await;
                }
                _ = look.tick(), if self.terminal => {
                    let now = terminal::size(stdin);
                    if now != size {
                        size = now;
                        // As above.
                        let _ = writer.resize(now.0, now.1).await;
                    }
                }
                () = self.visitor.gone() => return Ended::Left,
                () = master.over() => return Ended::Left,
            }
        }
    }

    fn answered(&mut self) {
        self.requests = match self.requests {
            Awaiting::Terminal => Awaiting::Command,
            Awaiting::Command | Awaiting::Nothing => Awaiting::Nothing,
        };
    }
}

/// The visitor's input, to its end. A failing write means that the connection is gone, which the reading side finds out.
async fn feed(stdin: &Input, writer: LinkWriter) {
    let mut piece = vec![0; PIECE];
    while let Ok(count @ 1..) = stdin.read(&mut piece).await {
        let data = Bytes::copy_from_slice(piece.get(..count).unwrap_or_default());
        if writer.write(data).await.is_err() {
            return;
        }
    }
    let _ = writer.eof().await;
}

/// Output on its way to one of the visitor's descriptors.
struct Outbox {
    queue: UnboundedSender<Bytes>,
    state: Arc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    taken: AtomicUsize,
    changed: Notify,
    /// Nobody reads there any more.
    broken: Notify,
}

fn outbox(descriptor: Output) -> (Outbox, impl Future<Output = ()>) {
    let (queue, waiting) = unbounded_channel();
    let state = Arc::new(Waiting::default());
    (Outbox { queue, state: Arc::clone(&state) }, drain(descriptor, waiting, state))
}

/// What nobody reads any more is thrown away.
async fn drain(descriptor: Output, mut queue: UnboundedReceiver<Bytes>, state: Arc<Waiting>) {
    let mut open = true;
    while let Some(data) = queue.recv().await {
        if open && let Err(error) = descriptor.write_all(&data).await {
            tracing::debug!(%error, "a visitor has closed its output");
            open = false;
            state.broken.notify_one();
        }
        state.bytes.fetch_sub(data.len(), Ordering::AcqRel);
        state.taken.fetch_add(data.len(), Ordering::AcqRel);
        state.changed.notify_one();
    }
}

impl Outbox {
    fn push(&self, data: Bytes) {
        self.state.bytes.fetch_add(data.len(), Ordering::AcqRel);
        // The other end is dropped only after this one.
        let _ = self.queue.send(data);
    }

    fn waiting(&self) -> usize {
        self.state.bytes.load(Ordering::Acquire)
    }

    fn taken(&self) -> usize {
        self.state.taken.load(Ordering::Acquire)
    }

    /// Resolves when some of it has gone. Cancel-safe.
    async fn progress(&self) {
        self.state.changed.notified().await;
    }

    async fn broken(&self) {
        self.state.broken.notified().await;
    }
}
