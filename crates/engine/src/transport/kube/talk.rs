use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::SplitStream;
use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::connection::Cluster;
use super::frames::{self, Frame, Status};
use super::gate::Complaint;
use super::kill::{Process, kill};
use super::peer::Peer;
use super::refusal::KubeRefusal;
use super::socket::{self, Sink};
use super::starts::Turn;
use crate::error::{Error, Phase, Reached, Stream};
use crate::transport::Signal;
use crate::transport::container::preamble::LOOK;
use crate::transport::container::{Order, Orders, Output, Over};

/// Servers end the socket when they have said how the command ended. What does not come by then does not come.
const AFTER_STATUS: Duration = Duration::from_millis(250);
/// For the word of a command that is to be signalled, and whose socket nobody wants any more.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How an exec's socket ended.
pub enum SocketEnd {
    Status(Status),
    /// Without a status.
    Lost(Error),
    Failed(Error),
    /// Whoever asked wants no more.
    Unwanted,
}

/// A socket that runs a command, until the command's end is known, or nobody wants it.
pub struct Talk {
    pub cluster: Arc<Cluster>,
    pub output: Arc<Output>,
    pub process: Arc<Process>,
    pub sink: Sink,
    pub sent: Arc<Mutex<Vec<&'static str>>>,
    /// Its terminal's keys are the only way to signal it.
    pub keys: bool,
}

impl Talk {
    pub async fn run(
        &self,
        stream: SplitStream<socket::Stream>,
        turn: &mut Turn,
        feeding: impl Future<Output = Result<(), Error>>,
        complaint: Option<Complaint>,
        orders: &mut Orders,
    ) -> SocketEnd {
        let peer = Peer::default();
        let reading = self.read(stream, turn, complaint, &peer);
        let watching = peer.gone(&self.sink);
        tokio::pin!(reading, feeding, watching);
        let (mut fed, mut signalled) = (false, false);
        loop {
            tokio::select! {
                end = &mut reading => return end,
                outcome = &mut feeding, if !fed => match outcome {
                    Ok(()) => fed = true,
                    Err(error) => return SocketEnd::Failed(error),
                },
                () = &mut watching => return SocketEnd::Lost(lost(io::Error::from(io::ErrorKind::TimedOut))),
                order = orders.next() => {
                    signalled |= matches!(order, Some(Order::Signal(_)));
                    if self.obey(order).is_err() {
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
            while self.output.preamble().lock().is_expected() {
                sleep(LOOK).await;
            }
        };
        tokio::select! {
            _ = reading => {}
            _ = timeout(LAST_WORD, heard) => {}
        }
    }

    /// Hands on what comes. What its reader does not take is not read.
    async fn read(
        &self,
        mut stream: SplitStream<socket::Stream>,
        turn: &mut Turn,
        mut complaint: Option<Complaint>,
        peer: &Peer,
    ) -> SocketEnd {
        let mut status = None;
        let mut deadline = None;
        let end = loop {
            let next = tokio::select! {
                biased;
                next = stream.next() => next,
                () = at(deadline) => break SocketEnd::Failed(Error::NoExitStatus),
                () = turn.outlasted() => continue,
            };
            peer.note(&next);
            let message = match heard(next) {
                Ok(Some(message)) => message,
                Ok(None) => continue,
                Err(end) => break end,
            };
            // More than its channel's number: the command runs.
            if message.len() > 1 {
                turn.end();
            }
            match self.hand_on(message, &mut complaint).await {
                Ok(None) => {}
                Ok(Some(said)) => {
                    // The first one holds.
                    status.get_or_insert(said);
                    deadline.get_or_insert(Instant::now() + AFTER_STATUS);
                }
                Err(error) => break SocketEnd::Failed(error),
            }
        };
        self.output.rest().await;
        if let Some(rest) = complaint.as_mut().map(Complaint::rest) {
            self.output.hand_on(Stream::Stderr, rest).await;
        }
        match (status, end) {
            // However the socket ends after it.
            (Some(status), SocketEnd::Lost(_) | SocketEnd::Failed(Error::NoExitStatus)) => SocketEnd::Status(status),
            (_, end) => end,
        }
    }

    /// What a message holds, to whom it is for; a status is for the caller.
    async fn hand_on(&self, message: Bytes, complaint: &mut Option<Complaint>) -> Result<Option<Status>, Error> {
        let (stream, data) = match frames::decode(message) {
            Ok(Frame::Stdout(data)) => (Stream::Stdout, data),
            Ok(Frame::Stderr(data)) => (Stream::Stderr, data),
            Ok(Frame::Nothing) => return Ok(None),
            Ok(Frame::Status(said)) => return Ok(Some(said)),
            Err(problem) => return Err(protocol(&problem.to_string())),
        };
        let own = self.output.own(stream, data);
        let own = match complaint {
            Some(complaint) => complaint.pass(stream, own)?,
            None => own,
        };
        self.output.hand_on(stream, own).await;
        Ok(None)
    }

    /// `Err`: whoever asked wants no more.
    fn obey(&self, order: Option<Order>) -> Result<(), Over> {
        match order {
            None | Some(Order::Close) => return Err(Over),
            // One exec for one channel; whoever waits for the start of another one learns it.
            Some(Order::Start(..)) => {}
            Some(Order::Resize(columns, rows)) => self.resize(columns, rows),
            Some(Order::Signal(signal)) => {
                self.sent.lock().push(signal.name());
                if self.keys {
                    self.press(signal);
                    return Ok(());
                }
                let (cluster, preamble) = (Arc::clone(&self.cluster), Arc::clone(self.output.preamble()));
                let process = Arc::clone(&self.process);
                tokio::spawn(async move { kill(&cluster.client, &process, &preamble, signal).await });
            }
        }
        Ok(())
    }

    /// What a person at the terminal would do; as far as the program has left its keys their meaning.
    fn press(&self, signal: Signal) {
        let key: &[u8] = match signal {
            Signal::Int | Signal::Term | Signal::Hup => b"\x03",
            Signal::Quit => b"\x1c",
            _ => return tracing::debug!(signal = signal.name(), "no key of a terminal means this signal"),
        };
        let sink = Arc::clone(&self.sink);
        tokio::spawn(async move {
            if let Err(error) = sink.lock().await.send(Message::Binary(frames::stdin(key))).await {
                tracing::debug!(%error, "a key could not be pressed");
            }
        });
    }

    pub fn resize(&self, columns: u32, rows: u32) {
        let sink = Arc::clone(&self.sink);
        tokio::spawn(async move {
            if let Err(error) = sink.lock().await.send(Message::Binary(frames::resize(columns, rows))).await {
                tracing::debug!(%error, "a terminal could not be given its size");
            }
        });
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// A message, if it is one of a server's own; how the socket ended, if it has.
fn heard(next: Option<Result<Message, socket::SocketError>>) -> Result<Option<Bytes>, SocketEnd> {
    match next {
        Some(Ok(Message::Binary(message))) => Ok(Some(message)),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Text(_))) => Err(SocketEnd::Failed(protocol("a text where only bytes may be"))),
        Some(Ok(Message::Close(said))) => {
            let said = said.map(|frame| frame.reason.to_string()).filter(|said| !said.is_empty());
            let said = said.unwrap_or_else(|| "the server closed the socket".to_owned());
            Err(SocketEnd::Lost(lost(io::Error::new(io::ErrorKind::ConnectionAborted, said))))
        }
        Some(Err(error)) => Err(match socket::failure(error) {
            error @ Error::ConnectionLost { .. } => SocketEnd::Lost(error),
            error => SocketEnd::Failed(error),
        }),
        None => Err(SocketEnd::Lost(lost(io::Error::from(io::ErrorKind::UnexpectedEof)))),
    }
}

fn protocol(problem: &str) -> Error {
    KubeRefusal::protocol(problem).error()
}

/// The command was on its way, and nobody knows how it ended.
pub fn lost(source: io::Error) -> Error {
    Error::ConnectionLost { phase: Phase::Run, reached: Reached::Yes, source: Some(Arc::new(source)) }
}
