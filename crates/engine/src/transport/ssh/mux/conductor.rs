//! What happens on a passenger's control socket, from its request to its exit code.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::client;
use super::descriptor::send_descriptor;
use super::packet::{Reply, Request, Session};
use super::wire::{malformed, read_packet};
use crate::command::ExitStatus;
use crate::transport::ChannelEvent;

/// stdin, stdout and stderr, for the master to hold.
pub type Descriptors = [OwnedFd; 3];

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_millis(200);
/// For output to end after the control socket has.
const LINGER: Duration = Duration::from_secs(5);
const PIECE: usize = 64 * 1024;

pub struct Conductor {
    pub path: PathBuf,
    /// How long the server may have no room for the session.
    pub patience: Duration,
    pub session: Session,
    pub events: mpsc::Sender<ChannelEvent>,
    pub outputs: (Receiver, Receiver),
}

enum Answer {
    Opened,
    /// The server has no room: the command has not run.
    Full(String),
    Denied(String),
}

impl Conductor {
    /// The reader sees a CLOSE, unless the master is gone.
    pub async fn run(
        self,
        stream: UnixStream,
        descriptors: Descriptors,
        hang_up: Arc<Notify>,
        mut over: watch::Receiver<bool>,
    ) {
        let events = self.events.clone();
        let closed = tokio::select! {
            closed = self.ride(stream, descriptors) => closed,
            () = hang_up.notified() => true,
            _ = over.wait_for(|over| *over) => false,
        };
        if closed {
            // The reader may have gone first.
            let _ = events.send(ChannelEvent::Closed).await;
        }
    }

    async fn ride(self, stream: UnixStream, descriptors: Descriptors) -> bool {
        let stream = match self.board(stream, &descriptors).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(reason)) => {
                self.say(ChannelEvent::NotOpened(reason)).await;
                return true;
            }
            Err(error) => {
                tracing::debug!(%error, "the ControlMaster hung up");
                return false;
            }
        };
        // The master has its own by now, and who else holds them would keep them open.
        drop(descriptors);
        if self.session.tty {
            self.say(ChannelEvent::Started).await;
        }
        self.say(ChannelEvent::Started).await;
        match self.travel(stream).await {
            Some(code) => {
                self.say(ChannelEvent::Exited(ExitStatus::Code(code))).await;
                true
            }
            // Of a signal the protocol has no word. If the master is well, it was that; if not, nobody knows.
            None => client::is_alive(&self.path).await.is_ok(),
        }
    }

    /// Asks for the session until there is room for it. The inner error is the master's refusal.
    async fn board(&self, mut stream: UnixStream, descriptors: &Descriptors) -> io::Result<Result<UnixStream, String>> {
        let deadline = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.ask(&mut stream, descriptors).await? {
                Answer::Opened => return Ok(Ok(stream)),
                Answer::Denied(reason) => return Ok(Err(reason)),
                Answer::Full(reason) if Instant::now() + pause > deadline => return Ok(Err(reason)),
                Answer::Full(_) => sleep(pause).await,
            }
            pause = (pause * 2).min(LAST_PAUSE);
            stream = client::greeted(&self.path, self.patience).await?.0;
        }
    }

    async fn ask(&self, stream: &mut UnixStream, descriptors: &Descriptors) -> io::Result<Answer> {
        let request = Request::NewSession { id: 0, session: self.session.clone() };
        stream.write_all(&request.encode()).await?;
        for descriptor in descriptors {
            send_descriptor(stream, descriptor).await?;
        }
        // A master that is stopped says nothing for ever.
        let packet = timeout(self.patience, read_packet(stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let packet = packet.ok_or(io::ErrorKind::UnexpectedEof)?;
        match Reply::decode(packet).ok_or_else(|| malformed("an unknown message"))? {
            Reply::SessionOpened { id: 0, .. } => Ok(Answer::Opened),
            // The words are OpenSSH's: it has only one code for everything that fails.
            Reply::Failure { reason, .. } if reason.contains("refused by peer") => Ok(Answer::Full(reason)),
            Reply::Failure { reason, .. } | Reply::PermissionDenied { reason, .. } => Ok(Answer::Denied(reason)),
            _ => Err(malformed("something else than an answer")),
        }
    }

    /// Carries output until everything has ended; the exit code, if there was one.
    async fn travel(&self, mut stream: UnixStream) -> Option<u32> {
        let outputs = async {
            let stdout = self.carry(&self.outputs.0, ChannelEvent::Stdout);
            let stderr = self.carry(&self.outputs.1, ChannelEvent::Stderr);
            tokio::join!(stdout, stderr);
            self.say(ChannelEvent::Eof).await;
        };
        tokio::pin!(outputs);
        let mut carrying = true;
        let code = {
            let code = exit_code(&mut stream);
            tokio::pin!(code);
            loop {
                tokio::select! {
                    code = &mut code => break code,
                    () = &mut outputs, if carrying => carrying = false,
                }
            }
        };
        // What is in the pipes belongs to the command, however long its reader takes; but no other process may hold them.
        if carrying && code.is_none() {
            let _ = timeout(LINGER, outputs).await;
        } else if carrying {
            outputs.await;
        }
        code
    }

    async fn carry(&self, pipe: &Receiver, event: fn(Bytes) -> ChannelEvent) {
        let mut piece = vec![0; PIECE];
        loop {
            if pipe.readable().await.is_err() {
                return;
            }
            match pipe.try_read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return,
                Ok(count) => self.say(event(Bytes::copy_from_slice(piece.get(..count).unwrap_or_default()))).await,
            }
        }
    }

    async fn say(&self, event: ChannelEvent) {
        // The reader may have gone; then the hang-up is on its way.
        let _ = self.events.send(event).await;
    }
}

/// What the master says until it hangs up.
async fn exit_code(stream: &mut UnixStream) -> Option<u32> {
    let mut code = None;
    loop {
        match read_packet(stream).await {
            Ok(Some(packet)) => match Reply::decode(packet) {
                Some(Reply::ExitMessage { code: said, .. }) => code = Some(said),
                Some(Reply::TtyAllocFail { .. }) => tracing::debug!("the server gives no terminal"),
                other => tracing::debug!(?other, "a ControlMaster said something out of turn"),
            },
            Ok(None) => return code,
            Err(error) => {
                tracing::debug!(%error, "a ControlMaster broke off");
                return code;
            }
        }
    }
}
