use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::control::{Controls, Saying};
use super::feed::Feed;
use super::reply::{Failure, Reply};
use super::sink::Sink;
use super::stop::Why;
use super::sudo::{Elevated, Gate};
use super::tail;
use crate::command::{Command, ExitStatus, Output, Timings};
use crate::error::{Cause, Error, Phase, Reached, Stream};
use crate::pool::{CloseReason, Permit};
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Connection, Transport};

pub(crate) type ChannelOf<T> = <<T as Transport>::Connection as Connection>::Channel;

/// How long the server may take to close a channel after exit status and EOF before the caller gets its answer anyway.
const LINGER: Duration = Duration::from_millis(250);
/// sshd says that a command has started before the process has a group of its own, and loses signals until it has. What the
/// caller has to say waits for output, or for this long.
const SETTLE: Duration = Duration::from_millis(100);
/// How long to wait for a lost connection to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A command under way.
pub(super) struct Running<T: Transport> {
    channel: ChannelOf<T>,
    permit: Permit<T>,
    sink: Sink,
    reached: Reached,
    /// Something came from it: its process is up.
    heard: bool,
    status: Option<ExitStatus>,
    eof: bool,
    /// A terminal was asked for, and the server has not answered.
    pty_asked: bool,
    /// Its stdin cannot be read a second time.
    streams: bool,
    /// Until sudo has let the command begin; and on which stream it says so.
    gate: Option<(Gate, Stream)>,
    /// Told when it has, for what is typed into its terminal.
    turn: Option<oneshot::Sender<()>>,
}

/// How the reading loop ended.
pub(super) enum Ended {
    Closed,
    /// Exit status and EOF are here, the server's CLOSE is not.
    Lingering,
    Lost,
    Stopped(Why),
    Refused,
    /// For a reason of the transport's own.
    Failed(Error),
    /// There was no channel for it after all.
    NotOpened(String),
    /// The server gives no terminal; the command may run without one.
    NoTerminal,
    Overflow(Error),
}

impl<T: Transport> Running<T> {
    pub fn new(channel: ChannelOf<T>, permit: Permit<T>, sink: Sink, command: &Command) -> Self {
        Self {
            channel,
            permit,
            sink,
            reached: Reached::No,
            heard: false,
            status: None,
            eof: false,
            pty_asked: command.pty.is_some(),
            streams: command.stdin_stream.is_some(),
            gate: None,
            turn: None,
        }
    }

    /// The connection is dead and the command runs again: what this attempt collected is forgotten.
    pub fn suspect(mut self) -> Sink {
        self.permit.suspect();
        drop(self.sink.end());
        self.sink
    }

    /// Sends the request and stdin while reading, until the channel is done or must be.
    pub async fn read(
        &mut self,
        command: &Command,
        controls: &mut Controls,
        stop: &mut (impl Future<Output = Why> + Unpin),
    ) -> Ended {
        let writer = self.channel.writer();
        let (sent, mut was_sent) = oneshot::channel();
        let terminal = command.pty.is_some();
        let elevated = command.sudo.as_ref().map(|sudo| Elevated::new(sudo, terminal));
        let says = if terminal { Stream::Stdout } else { Stream::Stderr };
        self.gate = elevated.as_ref().map(|elevated| (elevated.gate(), says));
        let (begun, turn) = oneshot::channel();
        let waits = terminal && elevated.is_some();
        self.turn = waits.then_some(begun);
        let feed = Feed::of(command, elevated.as_ref(), waits.then_some(turn)).send(writer.clone(), sent);
        tokio::pin!(feed);
        let mut feeding = true;
        let linger = tokio::time::sleep(LINGER);
        tokio::pin!(linger);
        let mut lingering = false;
        let mut saying = Saying::default();
        let settle = tokio::time::sleep(SETTLE);
        tokio::pin!(settle);
        let (mut settling, mut settled) = (false, false);
        loop {
            // Whoever has something to say must be heard although nobody reads: so what arrives meanwhile is taken.
            let full = self.sink.is_full() && !saying.is_under_way();
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
                () = &mut settle, if settling && !settled => settled = true,
                control = controls.next(), if settled && !saying.is_under_way() => {
                    saying.begin(control, writer.clone());
                }
                () = saying.done(), if saying.is_under_way() => {}
                () = self.sink.until_room(), if full => {}
                event = self.channel.next(), if !full => {
                    self.note_sent(&mut was_sent);
                    let Some(event) = event else {
                        // Exit status and all output are here: the command has ended, and must not run twice.
                        return if self.eof && self.status.is_some() { Ended::Lingering } else { Ended::Lost };
                    };
                    if let Some(ended) = self.take(event) {
                        return ended;
                    }
                    if self.reached == Reached::Yes && !settling {
                        settling = true;
                        settle.as_mut().reset(Instant::now() + SETTLE);
                    }
                    settled |= self.heard;
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
            ChannelEvent::Started if std::mem::take(&mut self.pty_asked) => Ok(()),
            ChannelEvent::Started => {
                self.reached = Reached::Yes;
                Ok(())
            }
            ChannelEvent::Stdout(data) => self.push(Stream::Stdout, data),
            ChannelEvent::Stderr(data) => self.push(Stream::Stderr, data),
            ChannelEvent::Exited(status) => {
                self.reached = Reached::Yes;
                self.status = Some(status);
                Ok(())
            }
            ChannelEvent::Eof => {
                self.eof = true;
                Ok(())
            }
            ChannelEvent::ExecRefused if self.pty_asked => return Some(Ended::NoTerminal),
            ChannelEvent::ExecRefused => return Some(Ended::Refused),
            ChannelEvent::Failed(error) => return Some(Ended::Failed(error)),
            ChannelEvent::NotOpened(reason) => return Some(Ended::NotOpened(reason)),
            ChannelEvent::Closed => return Some(Ended::Closed),
        };
        pushed.err().map(Ended::Overflow)
    }

    fn push(&mut self, stream: Stream, data: Bytes) -> Result<(), Error> {
        self.reached = Reached::Yes;
        self.heard = true;
        match (&mut self.gate, stream) {
            (Some((gate, says)), stream) if *says == stream => {
                let own = gate.pass(data);
                if gate.has_begun()
                    && let Some(turn) = self.turn.take()
                {
                    // The feed may have ended with its writer.
                    let _ = turn.send(());
                }
                if own.is_empty() { Ok(()) } else { self.sink.push(stream, own) }
            }
            _ => self.sink.push(stream, data),
        }
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
        let sent = self.reached != Reached::No;
        let left = if sent { reruns } else { unsent };
        let again = *left > 0 && !(sent && self.streams) && self.permit.close_reason().is_none();
        *left = left.saturating_sub(1);
        again
    }

    /// What was to end and cannot be ended is told as what is behind the error.
    fn stopped(&self, why: Why) -> Error {
        match (why.error(Phase::Run, self.reached), self.channel.writer().out_of_reach()) {
            (Error::Timeout { phase, limit, reached, source: None }, Some(reason)) => {
                Error::Timeout { phase, limit, reached, source: Some(Arc::new(std::io::Error::other(reason))) }
            }
            (error, _) => error,
        }
    }

    /// Answers the caller first, then sees the channel to its end.
    pub async fn finish(mut self, ended: Ended, timings: Timings, started: Instant, reply: &mut Reply) {
        let error = match &ended {
            Ended::Closed | Ended::Lingering => self.gate.as_ref().and_then(|(gate, _)| gate.refusal()),
            Ended::Lost => Some(lost(&self.permit, self.reached).await),
            Ended::Stopped(why) => Some(self.stopped(*why)),
            Ended::Overflow(error) | Ended::Failed(error) => Some(error.clone()),
            Ended::Refused => Some(Error::ExecRefused),
            Ended::NotOpened(reason) => Some(Error::ChannelRefused { reason: reason.clone() }),
            Ended::NoTerminal => Some(Error::PtyRefused),
        };
        let captured = self.sink.end();
        let duration = started.elapsed();
        let outcome = match (error, self.status.take()) {
            (Some(error), _) => Err(Box::new(Failure { error, captured })),
            (None, Some(status)) => Ok(Output { captured, status, timings, duration }),
            (None, None) => Err(Box::new(Failure { error: Error::NoExitStatus, captured })),
        };
        let Self { channel, permit, sink, .. } = self;
        // Ends the reader's streams: everything there was has been pushed.
        drop(sink);
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
            Ended::Lingering | Ended::Refused | Ended::Failed(_) | Ended::NotOpened(_) => {
                reply.send(outcome);
                tail::close::<T>(channel, permit).await;
            }
            Ended::Stopped(_) | Ended::Overflow(_) | Ended::NoTerminal => {
                reply.send(outcome);
                tail::end::<T>(channel, permit).await;
            }
        }
    }
}

/// Why a connection ended under a running command.
pub(crate) async fn lost<T: Transport>(permit: &Permit<T>, reached: Reached) -> Error {
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
