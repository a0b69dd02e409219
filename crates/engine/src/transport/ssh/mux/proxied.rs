//! A visitor in proxy mode: it speaks SSH's channel messages itself, as this package's own clients do. Its channels are
//! channels of the pool; numbers and windows are translated.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::BufReader;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::guest::{Guest, Sort};
use super::master::Master;
use super::ssh_message::SshMessage;
use super::visitor::Visitor;
use super::wire::{malformed, read_packet, write_queue};

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
            SshMessage::Open { kind, sender, window, max_packet } => {
                let Some(sort) = Sort::named(&kind).filter(|_| channels.len() < MAX_CHANNELS) else {
                    let reason = "this master opens no such channel".to_owned();
                    // Fails only when the writing side has ended, and this one with it.
                    let _ = outgoing.send(SshMessage::OpenFailure { channel: sender, reason }.encode());
                    continue;
                };
                let number = master.new_session();
                let (messages, inbound) = unbounded_channel();
                channels.insert(number, messages);
                let guest = Guest::new(number, sender, (window, max_packet), outgoing.clone(), inbound);
                tokio::spawn(guest.open(Arc::clone(master), sort));
            }
            message => pass_on(&mut channels, message)?,
        }
    }
    Ok(())
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
