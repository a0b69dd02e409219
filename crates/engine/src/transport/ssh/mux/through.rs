//! A channel of a visitor in proxy mode that is a connection to somewhere behind the server.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::feed::{Feed, Flooded};
use super::master::Master;
use super::shared_channel::{MAX_DATA, WINDOW};
use super::ssh_message::SshMessage;
use crate::transport::ssh::forward::{Address, Attachments, Opened};

pub struct Through {
    ours: u32,
    /// The number that the visitor has given it.
    theirs: u32,
    outgoing: UnboundedSender<Bytes>,
    inbound: UnboundedReceiver<SshMessage>,
    /// What we may still send, and in what pieces.
    window: usize,
    max_packet: usize,
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
        Self { ours, theirs, outgoing, inbound, window, max_packet }
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
        let mut buffer = vec![0; self.max_packet];
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
                Some(more) = feed.taken() => {
                    self.say(&SshMessage::WindowAdjust { channel: self.theirs, more });
                    Ok(())
                }
                piece = read(&mut reader, buffer.get_mut(..room).unwrap_or_default()), if reading && room > 0 => {
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
            Some(SshMessage::Data { data, .. }) => feed.push(data).map_err(|_: Flooded| Dismissed)?,
            Some(SshMessage::Eof { .. }) => feed.end(),
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

    fn refuse(&self, reason: String) {
        self.say(&SshMessage::OpenFailure { channel: self.theirs, reason });
    }

    fn say(&self, message: &SshMessage) {
        // Fails only when the visitor is gone, which the reading side finds out.
        let _ = self.outgoing.send(message.encode());
    }
}

/// What there is, as much as there is room for; nothing at the end, whichever way it came. Cancel-safe.
async fn read(reader: &mut OwnedReadHalf, room: &mut [u8]) -> Bytes {
    let count = reader.read(room).await.unwrap_or(0);
    Bytes::copy_from_slice(room.get(..count).unwrap_or_default())
}
