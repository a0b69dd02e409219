//! A visitor in proxy mode: it speaks SSH's channel messages itself, as this package's own clients do. Its channels are
//! channels of the pool; numbers and windows are translated.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::BufReader;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::errand::target;
use super::guest::{Guest, Sort};
use super::master::Master;
use super::packet::UNIX;
use super::ssh_message::SshMessage;
use super::through::Through;
use super::visitor::Visitor;
use super::wire::{Fields, malformed, read_packet, write_queue};
use crate::transport::ssh::forward::Address;

/// Channels of one visitor, open or waiting for their turn.
const MAX_CHANNELS: usize = 4096;

/// Serves it until it leaves or must; what it runs then ends.
pub async fn run(visitor: Visitor) -> io::Result<()> {
    let Visitor { stream, master } = visitor;
    let (reader, writer) = stream.into_split();
    // Bounded by the windows that the visitor grants.
    let (outgoing, queue) = unbounded_channel();
    tokio::select! {
        outcome = read(reader, &master, &outgoing) => outcome,
        outcome = write_queue(writer, queue) => outcome,
        () = master.over() => Ok(()),
    }
}

async fn read(reader: OwnedReadHalf, master: &Arc<Master>, outgoing: &UnboundedSender<Bytes>) -> io::Result<()> {
    let mut reader = BufReader::new(reader);
    let mut channels = HashMap::new();
    while let Some(packet) = read_packet(&mut reader).await? {
        let message = SshMessage::decode(packet).ok_or_else(|| malformed("a message that is cut short"))?;
        match message {
            SshMessage::Open { kind, sender, window, max_packet, rest } => {
                let Some(wanted) = Wanted::read(&kind, rest).filter(|_| channels.len() < MAX_CHANNELS) else {
                    let reason = "this master opens no such channel".to_owned();
                    // Fails only when the writing side has ended, and this one with it.
                    let _ = outgoing.send(SshMessage::OpenFailure { channel: sender, reason }.encode());
                    continue;
                };
                let number = master.new_session();
                let (messages, inbound) = unbounded_channel();
                channels.insert(number, messages);
                let (limits, outgoing, master) = ((window, max_packet), outgoing.clone(), Arc::clone(master));
                match wanted {
                    Wanted::Session(sort) => {
                        tokio::spawn(Guest::new(number, sender, limits, outgoing, inbound).open(master, sort));
                    }
                    Wanted::Connection(to) => {
                        tokio::spawn(Through::new(number, sender, limits, outgoing, inbound).open(master, to));
                    }
                }
            }
            // What it may ask of the whole connection is asked otherwise (`-O forward`).
            SshMessage::GlobalRequest { want_reply: true, .. } => {
                // As above.
                let _ = outgoing.send(SshMessage::RequestFailure.encode());
            }
            message => pass_on(&mut channels, message)?,
        }
    }
    Ok(())
}

/// What a channel is to be.
enum Wanted {
    Session(Sort),
    /// A connection from the server to there.
    Connection(Address),
}

impl Wanted {
    fn read(kind: &str, rest: Bytes) -> Option<Self> {
        let mut fields = Fields::new(rest);
        let end = match kind {
            "direct-tcpip" => (fields.bytes()?, fields.u32()?),
            "direct-streamlocal@openssh.com" => (fields.bytes()?, UNIX),
            _ => return Sort::named(kind).map(Self::Session),
        };
        target(&end).ok().map(Self::Connection)
    }
}

/// A channel is known until the visitor has closed it: what it sent before it saw our CLOSE goes nowhere.
fn pass_on(channels: &mut HashMap<u32, UnboundedSender<SshMessage>>, message: SshMessage) -> io::Result<()> {
    let Some(number) = message.channel() else { return Ok(()) };
    let closes = matches!(message, SshMessage::Close { .. });
    let channel = channels.get(&number).ok_or_else(|| malformed("a message for no channel of ours"))?;
    // As above.
    let _ = channel.send(message);
    if closes {
        channels.remove(&number);
    }
    Ok(())
}
