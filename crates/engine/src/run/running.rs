use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::capture::Capture;
use super::line::compose;
use super::reply::{Failure, Reply};
use super::stop::Why;
use super::tail;
use crate::command::{Command, ExitStatus, Output, Timings};
use crate::error::{Cause, Error, Phase, Reached, Stream};
use crate::pool::{CloseReason, Permit};
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Connection, Transport};

pub(super) type ChannelOf<T> = <<T as Transport>::Connection as Connection>::Channel;

/// How long the server may take to close a channel after exit status and EOF before the caller gets its answer anyway.
const LINGER: Duration = Duration::from_millis(250);
/// How long to wait for a lost connection to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A command under way.
pub(super) struct Running<T: Transport> {
    channel: ChannelOf<T>,
    permit: Permit<T>,
    capture: Capture,
    reached: Reached,
    status: Option<ExitStatus>,
    eof: bool,
}

/// How the reading loop ended.
pub(super) enum Ended {
    Closed,
    /// Exit status and EOF are here, the server's CLOSE is not.
    Lingering,
    Lost,
    Stopped(Why),
    Refused,
    Overflow(Error),
}

impl<T: Transport> Running<T> {
    pub fn new(channel: ChannelOf<T>, permit: Permit<T>, command: &Command) -> Self {
        let capture = Capture::new(command.max_buffer, command.collect_all);
        Self { channel, permit, capture, reached: Reached::No, status: None, eof: false }
    }

    /// The connection is dead and the command runs again: this attempt's output is forgotten.
    pub fn suspect(self) {
        self.permit.suspect();
    }

    /// Sends the request and stdin while reading, until the channel is done or must be.
    pub async fn read(&mut self, command: &Command, stop: &mut (impl Future<Output = Why> + Unpin)) -> Ended {
        let writer = self.channel.writer();
        let (sent, mut was_sent) = oneshot::channel();
        let feed = feed(writer, compose(command), command.stdin.clone(), sent);
        tokio::pin!(feed);
        let mut feeding = true;
        let linger = tokio::time::sleep(LINGER);
        tokio::pin!(linger);
        let mut lingering = false;
        loop {
            tokio::select! {
                biased;
                why = &mut *stop => {
                    self.note_sent(&mut was_sent);
                    return Ended::Stopped(why);
                }
                () = &mut feed, if feeding => {
                    feeding = false;
                    self.note_sent(&mut was_sent);
                }
                event = self.channel.next() => {
                    self.note_sent(&mut was_sent);
                    let Some(event) = event else {
                        // Exit status and all output are here: the command has ended, and must not run twice.
                        return if self.eof && self.status.is_some() { Ended::Lingering } else { Ended::Lost };
                    };
                    if let Some(ended) = self.take(event) {
                        return ended;
                    }
                    if self.eof && self.status.is_some() && !lingering {
                        lingering = true;
                        linger.as_mut().reset(Instant::now() + LINGER);
                    }
                }
                () = &mut linger, if lingering => return Ended::Lingering,
            }
        }
    }

    fn take(&mut self, event: ChannelEvent) -> Option<Ended> {
        let pushed = match event {
            ChannelEvent::Started => {
                self.reached = Reached::Yes;
                Ok(())
            }
            ChannelEvent::Stdout(data) => self.push(Stream::Stdout, &data),
            ChannelEvent::Stderr(data) => self.push(Stream::Stderr, &data),
            ChannelEvent::Exited(status) => {
                self.reached = Reached::Yes;
                self.status = Some(status);
                Ok(())
            }
            ChannelEvent::Eof => {
                self.eof = true;
                Ok(())
            }
            ChannelEvent::ExecRefused => return Some(Ended::Refused),
            ChannelEvent::Closed => return Some(Ended::Closed),
        };
        pushed.err().map(Ended::Overflow)
    }

    fn push(&mut self, stream: Stream, data: &Bytes) -> Result<(), Error> {
        self.reached = Reached::Yes;
        self.capture.push(stream, data)
    }

    /// Once the request is handed over, nobody can tell whether it reached the server until the server answers.
    fn note_sent(&mut self, was_sent: &mut oneshot::Receiver<()>) {
        if self.reached == Reached::No && was_sent.try_recv().is_ok() {
            self.reached = Reached::Unknown;
        }
    }

    /// May a command whose connection was lost run again? Always (in reason) when it provably never left; else only as
    /// often as the caller has asked for.
    pub fn may_rerun(&self, reruns: &mut u32, unsent: &mut u32) -> bool {
        let left = if self.reached == Reached::No { unsent } else { reruns };
        let again = *left > 0 && self.permit.close_reason().is_none();
        *left = left.saturating_sub(1);
        again
    }

    /// Answers the caller first, then sees the channel to its end.
    pub async fn finish(mut self, ended: Ended, timings: Timings, started: Instant, reply: &mut Reply) {
        let error = match &ended {
            Ended::Closed | Ended::Lingering => None,
            Ended::Lost => Some(lost(&self.permit, self.reached).await),
            Ended::Stopped(why) => Some(why.error(Phase::Run, self.reached)),
            Ended::Overflow(error) => Some(error.clone()),
            Ended::Refused => Some(Error::ExecRefused),
        };
        let captured = self.capture.take();
        let duration = started.elapsed();
        let outcome = match (error, self.status.take()) {
            (Some(error), _) => Err(Box::new(Failure { error, captured })),
            (None, Some(status)) => Ok(Output { captured, status, timings, duration }),
            (None, None) => Err(Box::new(Failure { error: Error::NoExitStatus, captured })),
        };
        let Self { channel, permit, .. } = self;
        match ended {
            // The permit first: whoever looks at the pool after its command ended finds it returned.
            Ended::Closed => {
                permit.release();
                reply.send(outcome);
            }
            Ended::Lost => {
                permit.suspect();
                reply.send(outcome);
            }
            Ended::Lingering | Ended::Refused => {
                reply.send(outcome);
                tail::close::<T>(channel, permit).await;
            }
            Ended::Stopped(_) | Ended::Overflow(_) => {
                reply.send(outcome);
                tail::end::<T>(channel, permit).await;
            }
        }
    }
}

/// Why a connection ended under a running command.
async fn lost<T: Transport>(permit: &Permit<T>, reached: Reached) -> Error {
    if let Some(CloseReason::Removed) = permit.close_reason() {
        return Error::PoolClosed { phase: Phase::Run, reached };
    }
    let last_words = tokio::time::timeout(LAST_WORDS, permit.connection().closed()).await;
    let source = match last_words.ok().flatten() {
        // Its cause, not itself: the same sentence twice says nothing new.
        Some(Error::ConnectionLost { source, .. }) => source,
        other => other.map(|error| Arc::new(error) as Cause),
    };
    Error::ConnectionLost { phase: Phase::Run, reached, source }
}

/// Everything the server gets, in one go: the request, stdin, EOF. A failing write means that the connection is gone,
/// which the reading side reports with its cause.
async fn feed<W: ChannelWriter>(writer: W, line: Vec<u8>, stdin: Option<Bytes>, sent: oneshot::Sender<()>) {
    if writer.exec(line).await.is_err() {
        return;
    }
    // The reader may have ended; then nobody needs to know.
    let _ = sent.send(());
    if let Some(data) = stdin
        && writer.write(data).await.is_err()
    {
        return;
    }
    let _ = writer.eof().await;
}
