//! One channel of a visitor in proxy mode.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::congestion::{Congestion, Verdict};
use super::feed::{Feed, Flooded};
use super::guest_request::request;
use super::master::Master;
use super::shared_channel::{MAX_DATA, WINDOW};
use super::ssh_message::{BULK_SESSION, LOST, SESSION, STDERR, SshMessage};
use super::wire::Payload;
use crate::command::ExitStatus;
use crate::error::Error;
use crate::pool::Permit;
use crate::run::tail;
use crate::transport::ssh::SshTransport;
use crate::transport::ssh::link::{LinkChannel, LinkWriter};
use crate::transport::{Channel, ChannelEvent};

pub struct Guest {
    ours: u32,
    /// The number that the visitor has given it.
    theirs: u32,
    outgoing: UnboundedSender<Bytes>,
    inbound: UnboundedReceiver<SshMessage>,
    /// What we may still send, and in what pieces.
    window: usize,
    max_packet: usize,
    waiting: VecDeque<Piece>,
    bytes: usize,
    sent: usize,
}

/// What a channel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Command,
    /// What is read at a visitor's pace.
    Bulk,
}

impl Sort {
    pub fn named(kind: &str) -> Option<Self> {
        match kind {
            SESSION => Some(Self::Command),
            BULK_SESSION => Some(Self::Bulk),
            _ => None,
        }
    }
}

/// Output that the visitor has no room for yet.
enum Piece {
    Stdout(Bytes),
    Stderr(Bytes),
    Eof,
}

enum Ended {
    /// The server has closed it.
    Closed,
    Lost,
    /// The visitor has closed it.
    Dismissed,
    /// The visitor reads nothing, and others suffer for it.
    Unread,
    /// The visitor is gone, or sent what it must not.
    Left,
}

impl Guest {
    pub fn new(
        ours: u32,
        theirs: u32,
        (window, max_packet): (u32, u32),
        outgoing: UnboundedSender<Bytes>,
        inbound: UnboundedReceiver<SshMessage>,
    ) -> Self {
        Self {
            ours,
            theirs,
            outgoing,
            inbound,
            window: window as usize,
            max_packet: max_packet.clamp(1, MAX_DATA) as usize,
            waiting: VecDeque::new(),
            bytes: 0,
            sent: 0,
        }
    }

    /// Opens it and sees it to its end.
    pub async fn open(mut self, master: Arc<Master>, sort: Sort) {
        // Until it knows the channel's number it has nothing to say to it: its end is all that may come.
        let inbound = &mut self.inbound;
        let left = async { while inbound.recv().await.is_some() {} };
        let lender = match sort {
            Sort::Command => &master.lender,
            Sort::Bulk => &master.bulk,
        };
        let opened = lender.open(left).await;
        drop(master);
        let (permit, channel) = match opened {
            None => return,
            Some(Ok(opened)) => opened,
            Some(Err(error)) => {
                return self.say(&SshMessage::OpenFailure { channel: self.theirs, reason: error.to_string() });
            }
        };
        self.say(&SshMessage::OpenConfirmation {
            channel: self.theirs,
            sender: self.ours,
            window: WINDOW,
            max_packet: MAX_DATA,
        });
        self.serve(permit, channel).await;
    }

    async fn serve(&mut self, permit: Permit<SshTransport>, mut channel: LinkChannel) {
        let ended = self.pump(&permit, &mut channel).await;
        match ended {
            Ended::Closed => permit.release(),
            Ended::Lost => {
                permit.suspect();
                let kind = LOST.to_owned();
                self.say(&SshMessage::Request { channel: self.theirs, kind, want_reply: false, rest: Bytes::new() });
            }
            Ended::Dismissed => tail::close::<SshTransport>(channel, permit).await,
            Ended::Unread => {
                tracing::warn!("a visitor of the control socket reads nothing: its command is ended");
                tail::end::<SshTransport>(channel, permit).await;
            }
            Ended::Left => return tail::end::<SshTransport>(channel, permit).await,
        }
        // Its last output first.
        while !self.waiting.is_empty() && matches!(ended, Ended::Closed) {
            match self.inbound.recv().await {
                Some(SshMessage::WindowAdjust { more, .. }) => self.grant(more),
                Some(SshMessage::Close { .. }) | None => break,
                Some(_) => {}
            }
        }
        self.say(&SshMessage::Close { channel: self.theirs });
    }

    async fn pump(&mut self, permit: &Permit<SshTransport>, channel: &mut LinkChannel) -> Ended {
        let writer = channel.writer();
        let (mut input, feeding) = Feed::new(writer.clone());
        tokio::pin!(feeding);
        let mut fed = false;
        let mut congestion = Congestion::new();
        let mut aside = false;
        loop {
            congestion.note(self.bytes, self.sent);
            if congestion.lasts() && !std::mem::replace(&mut aside, true) {
                permit.set_aside();
            }
            let verdict = congestion.verdict(|| permit.is_alone());
            if verdict == Verdict::End {
                return Ended::Unread;
            }
            tokio::select! {
                event = channel.next(), if verdict == Verdict::Read => match event {
                    None => return Ended::Lost,
                    Some(ChannelEvent::Closed) => return Ended::Closed,
                    Some(event) => self.pass_on(event),
                },
                message = self.inbound.recv() => match message {
                    None => return Ended::Left,
                    Some(SshMessage::Close { .. }) => return Ended::Dismissed,
                    Some(message) => if self.take(message, &writer, &mut input).await.is_err() {
                        return Ended::Left;
                    },
                },
                () = &mut feeding, if !fed => fed = true,
                Some(more) = input.taken() => self.say(&SshMessage::WindowAdjust { channel: self.theirs, more }),
                () = congestion.look_again() => {}
            }
        }
    }

    /// `Err` for what the protocol does not allow, and when the connection is gone.
    async fn take(&mut self, message: SshMessage, writer: &LinkWriter, input: &mut Feed) -> Result<(), ()> {
        match message {
            SshMessage::WindowAdjust { more, .. } => self.grant(more),
            SshMessage::Data { data, .. } => input.push(data).map_err(|_: Flooded| ())?,
            SshMessage::Eof { .. } => input.end(),
            SshMessage::Request { kind, want_reply, rest, .. } => {
                let known = request(writer, &kind, want_reply, rest).await.map_err(|_: Error| ())?;
                if !known && want_reply {
                    self.say(&SshMessage::Failure { channel: self.theirs });
                }
            }
            // Answers to questions that we do not ask, and what is only for servers.
            _ => {}
        }
        Ok(())
    }

    fn pass_on(&mut self, event: ChannelEvent) {
        let channel = self.theirs;
        match event {
            ChannelEvent::Stdout(data) => self.push(Piece::Stdout(data)),
            ChannelEvent::Stderr(data) => self.push(Piece::Stderr(data)),
            ChannelEvent::Eof => self.push(Piece::Eof),
            ChannelEvent::Started => self.say(&SshMessage::Success { channel }),
            ChannelEvent::ExecRefused => self.say(&SshMessage::Failure { channel }),
            ChannelEvent::Exited(status) => self.say(&exit(channel, &status)),
            // Of connections that are not ours.
            ChannelEvent::NotOpened(_) | ChannelEvent::Failed(_) | ChannelEvent::Closed => {}
        }
    }

    fn push(&mut self, piece: Piece) {
        self.bytes += piece.len();
        self.waiting.push_back(piece);
        self.flush();
    }

    fn grant(&mut self, more: u32) {
        self.window = self.window.saturating_add(more as usize);
        self.flush();
    }

    /// Sends what there is room for.
    fn flush(&mut self) {
        while let Some(piece) = self.waiting.front_mut() {
            let count = piece.len().min(self.window).min(self.max_packet);
            if count == 0 && piece.len() > 0 {
                return;
            }
            let message = piece.take(count, self.theirs);
            if piece.len() == 0 {
                self.waiting.pop_front();
            }
            self.window -= count;
            self.bytes -= count;
            self.sent = self.sent.wrapping_add(count);
            self.say(&message);
        }
    }

    fn say(&self, message: &SshMessage) {
        // Fails only when the visitor is gone, which the reading side finds out.
        let _ = self.outgoing.send(message.encode());
    }
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Stdout(data) | Self::Stderr(data) => data.len(),
            Self::Eof => 0,
        }
    }

    fn take(&mut self, count: usize, channel: u32) -> SshMessage {
        match self {
            Self::Stdout(data) => SshMessage::Data { channel, data: data.split_to(count) },
            Self::Stderr(data) => SshMessage::ExtendedData { channel, code: STDERR, data: data.split_to(count) },
            Self::Eof => SshMessage::Eof { channel },
        }
    }
}

fn exit(channel: u32, status: &ExitStatus) -> SshMessage {
    let (kind, rest) = match status {
        ExitStatus::Code(code) => ("exit-status", Payload::default().u32(*code)),
        // No core dump that we know of, no message.
        ExitStatus::Signal(name) => ("exit-signal", Payload::default().text(name).u8(0).text("").text("")),
    };
    SshMessage::Request { channel, kind: kind.to_owned(), want_reply: false, rest: rest.finish() }
}
