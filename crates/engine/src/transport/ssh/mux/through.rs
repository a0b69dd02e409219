//! A channel of a visitor in proxy mode that is a connection to somewhere behind the server.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::master::Master;
use super::shared_channel::WINDOW;
use super::ssh_message::SshMessage;
use crate::transport::ssh::forward::{Address, Attachments, Opened};

/// The largest piece of data in one message, either way.
const MAX_DATA: u32 = 32 * 1024;

pub struct Through {
    ours: u32,
    /// The number that the visitor has given it.
    theirs: u32,
    outgoing: UnboundedSender<Bytes>,
    inbound: UnboundedReceiver<SshMessage>,
    /// What we may still send, and in what pieces.
    window: usize,
    max_packet: usize,
    /// What we may still be sent.
    granted: usize,
}

/// What the visitor sends, in order, with room for it granted as it goes.
struct Feed {
    pieces: Option<UnboundedSender<Bytes>>,
    taken: UnboundedReceiver<usize>,
}

/// The visitor has closed it or left, or sent what it must not.
struct Dismissed;

impl Through {
    pub fn new(
        ours: u32,
        theirs: u32,
        (window, max_packet): (u32, u32),
        outgoing: UnboundedSender<Bytes>,
        inbound: UnboundedReceiver<SshMessage>,
    ) -> Self {
        let (window, max_packet) = (window as usize, max_packet.clamp(1, MAX_DATA) as usize);
        Self { ours, theirs, outgoing, inbound, window, max_packet, granted: WINDOW as usize }
    }

    /// Opens it and sees it to its end.
    pub async fn open(mut self, master: Arc<Master>, to: Address) {
        let attachments = master.forwards.attachments();
        let Some(_stay) = master.lender.stay(attachments.link()) else {
            return self.refuse("this master is about to end".to_owned());
        };
        // Until it knows the channel's number it has nothing to say to it: its end is all that may come.
        let opened = tokio::select! {
            opened = attachments.open(&to) => opened,
            () = async { while self.inbound.recv().await.is_some() {} } => return,
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => return self.refuse(error.to_string()),
        };
        let Ok((ours, theirs)) = UnixStream::pair() else {
            return self.refuse("this master has no descriptors left".to_owned());
        };
        let (channel, sender) = (self.theirs, self.ours);
        self.say(&SshMessage::OpenConfirmation { channel, sender, window: WINDOW, max_packet: MAX_DATA });
        self.carry(attachments, opened, ours, theirs).await;
        self.say(&SshMessage::Close { channel });
    }

    async fn carry(&mut self, attachments: &Attachments, opened: Opened, ours: UnixStream, theirs: UnixStream) {
        let gone = Notify::new();
        let carrying = async {
            let carried = attachments.carry(ours, opened, gone.notified()).await;
            if let Err(error) = carried {
                tracing::warn!(%error, "a channel of a visitor was cut off");
            }
        };
        tokio::pin!(carrying);
        let (mut reader, writer) = theirs.into_split();
        let (mut feed, feeding) = Feed::new(writer);
        tokio::pin!(feeding);
        let (mut carried, mut fed, mut reading) = (false, false, true);
        // All that comes before the end is the visitor's, however long it takes to make room for it.
        while !carried || reading {
            let room = self.window.min(self.max_packet);
            let taken = tokio::select! {
                () = &mut carrying, if !carried => {
                    carried = true;
                    Ok(())
                }
                () = &mut feeding, if !fed => {
                    fed = true;
                    Ok(())
                }
                Some(count) = feed.taken.recv() => {
                    self.room_for(count);
                    Ok(())
                }
                piece = read(&mut reader, room), if reading && room > 0 => {
                    reading = self.pass_on(piece);
                    Ok(())
                }
                message = self.inbound.recv() => self.take(message, &mut feed),
            };
            if taken.is_err() {
                break;
            }
        }
        if !carried {
            gone.notify_one();
            carrying.await;
        }
    }

    fn take(&mut self, message: Option<SshMessage>, feed: &mut Feed) -> Result<(), Dismissed> {
        match message {
            None | Some(SshMessage::Close { .. }) => return Err(Dismissed),
            Some(SshMessage::WindowAdjust { more, .. }) => self.window = self.window.saturating_add(more as usize),
            Some(SshMessage::Data { data, .. }) => {
                self.granted = self.granted.checked_sub(data.len()).ok_or(Dismissed)?;
                feed.push(data);
            }
            Some(SshMessage::Eof { .. }) => feed.pieces = None,
            Some(SshMessage::Request { want_reply: true, .. }) => {
                self.say(&SshMessage::Failure { channel: self.theirs });
            }
            // Answers to questions that we do not ask.
            Some(_) => {}
        }
        Ok(())
    }

    /// Answers whether there is more to come.
    fn pass_on(&mut self, data: Bytes) -> bool {
        let channel = self.theirs;
        let more = !data.is_empty();
        self.window -= data.len();
        self.say(&if more { SshMessage::Data { channel, data } } else { SshMessage::Eof { channel } });
        more
    }

    /// What was sent has gone on.
    fn room_for(&mut self, count: usize) {
        self.granted += count;
        let more = u32::try_from(count).unwrap_or(0);
        self.say(&SshMessage::WindowAdjust { channel: self.theirs, more });
    }

    fn refuse(&self, reason: String) {
        self.say(&SshMessage::OpenFailure { channel: self.theirs, reason });
    }

    fn say(&self, message: &SshMessage) {
        // Fails only when the visitor is gone, which the reading side finds out.
        let _ = self.outgoing.send(message.encode());
    }
}

impl Feed {
    fn new(writer: OwnedWriteHalf) -> (Self, impl Future<Output = ()>) {
        let (pieces, queue) = unbounded_channel();
        let (report, taken) = unbounded_channel();
        (Self { pieces: Some(pieces), taken }, write(writer, queue, report))
    }

    fn push(&self, data: Bytes) {
        if let Some(pieces) = &self.pieces {
            // Nobody takes it any more: that side is over.
            let _ = pieces.send(data);
        }
    }
}

/// A failing write means that the connection is over, which the reading side finds out.
async fn write(mut writer: OwnedWriteHalf, mut queue: UnboundedReceiver<Bytes>, report: UnboundedSender<usize>) {
    while let Some(data) = queue.recv().await {
        if writer.write_all(&data).await.is_err() {
            return;
        }
        // Nobody counts any more.
        let _ = report.send(data.len());
    }
    // It shuts down when dropped as well.
    let _ = writer.shutdown().await;
}

/// At most `room` bytes; none at the end, whichever way it came. Cancel-safe.
async fn read(reader: &mut OwnedReadHalf, room: usize) -> Bytes {
    let mut piece = BytesMut::zeroed(room);
    let count = reader.read(&mut piece).await.unwrap_or(0);
    piece.truncate(count);
    piece.freeze()
}
