//! The two ends of a session's channel: what is asked goes out, what is answered finds who asked.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout};

use super::assembler::Assembler;
use super::reply::understand;
use super::shared::Shared;
use crate::error::{Cause, Error, Phase, Reached};
use crate::run::sudo::Gate;
use crate::transport::{Channel, ChannelEvent, ChannelWriter};

/// Packets up to this size are sent together with their neighbours: each SSH packet has its price.
const SMALL: usize = 8 * 1024;
/// What a channel of OpenSSH takes in one SSH packet.
const FULL: usize = 32 * 1024;
const BATCH: usize = 128;
/// How much of what a broken server prints is kept.
const LAST_WORDS: usize = 1024;
/// How long the server may take to end a session that we have ended.
const GOODBYE: Duration = Duration::from_secs(5);

/// How a session's channel ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// By the server's CLOSE.
    Closed,
    /// With its connection.
    Lost,
    /// By us; the channel is still open.
    Unfinished,
}

/// Runs a session until its channel ends, or must. `gate`: sudo is to let it begin. `silence`: how long the server may say
/// nothing while somebody waits.
pub async fn drive<C: Channel>(
    channel: &mut C,
    shared: &Arc<Shared>,
    packets: UnboundedReceiver<Bytes>,
    gate: Option<Gate>,
    silence: Option<Duration>,
) -> Ended {
    let writer = channel.writer();
    let sending = send_all(channel.writer(), Arc::clone(shared), packets);
    tokio::pin!(sending);
    let (mut sent_all, mut ended) = (false, false);
    let mut inbox = Inbox { gate, ..Inbox::default() };
    let goodbye = tokio::time::sleep(GOODBYE);
    tokio::pin!(goodbye);
    loop {
        // Only now: OpenSSH's sftp-server leaves at the end of its input, whatever answers it still has to write.
        if sent_all && !ended && shared.is_answered() {
            ended = true;
            goodbye.as_mut().reset(Instant::now() + GOODBYE);
            // A failing write means that the connection is gone; the reading side says so.
            let _ = timeout(GOODBYE, writer.eof()).await;
        }
        let event = tokio::select! {
            event = channel.next() => event,
            () = &mut sending, if !sent_all => {
                sent_all = true;
                goodbye.as_mut().reset(Instant::now() + GOODBYE);
                continue;
            }
            // Nothing more is asked: what is still to be answered must keep coming.
            () = &mut goodbye, if sent_all => return Ended::Unfinished,
            limit = too_silent(shared, silence) => {
                shared.fail(Error::Timeout { phase: Phase::Transfer, limit, reached: Reached::Unknown, source: None });
                return Ended::Unfinished;
            }
        };
        let Some(event) = event else { return Ended::Lost };
        // After our own end nothing that it says gains it time.
        if sent_all && !ended {
            goodbye.as_mut().reset(Instant::now() + GOODBYE);
        }
        match inbox.take(event, shared) {
            Ok(false) => {}
            Ok(true) => return Ended::Closed,
            Err(error) => {
                shared.fail(error);
                return Ended::Unfinished;
            }
        }
    }
}

/// Sends what is queued until the session closes or the line is gone.
async fn send_all<W: ChannelWriter>(writer: W, shared: Arc<Shared>, mut packets: UnboundedReceiver<Bytes>) {
    let mut batch = Vec::with_capacity(BATCH);
    while packets.recv_many(&mut batch, BATCH).await > 0 {
        for bytes in coalesce(batch.drain(..)) {
            // A failing write means that the connection is gone; the reading side says so.
            if writer.write(bytes).await.is_err() {
                return;
            }
            shared.note_sent();
        }
    }
}

/// Small packets in a row become one piece; large ones are not copied.
fn coalesce(packets: impl Iterator<Item = Bytes>) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut gathered = BytesMut::new();
    for packet in packets {
        if packet.len() > SMALL || gathered.len() + packet.len() > FULL {
            pieces.extend(Some(gathered.split().freeze()).filter(|bytes| !bytes.is_empty()));
        }
        if packet.len() > SMALL {
            pieces.push(packet);
        } else {
            gathered.extend_from_slice(&packet);
        }
    }
    pieces.extend(Some(gathered.freeze()).filter(|bytes| !bytes.is_empty()));
    pieces
}

/// Resolves with the limit when the server has been silent for that long. Cancel-safe.
async fn too_silent(shared: &Shared, limit: Option<Duration>) -> Duration {
    let Some(limit) = limit else { return std::future::pending().await };
    loop {
        let silent = shared.silent_for();
        if silent >= limit {
            return limit;
        }
        tokio::time::sleep(limit - silent).await;
    }
}

/// What has arrived.
#[derive(Default)]
struct Inbox {
    assembler: Assembler,
    greeted: bool,
    gate: Option<Gate>,
    last_words: Vec<u8>,
}

impl Inbox {
    /// `true`: the channel is closed.
    fn take(&mut self, event: ChannelEvent, shared: &Shared) -> Result<bool, Error> {
        match event {
            ChannelEvent::Stdout(data) => self.read(data, shared).map(|()| false),
            ChannelEvent::Stderr(data) => {
                let data = match &mut self.gate {
                    Some(gate) => gate.pass(data),
                    None => data,
                };
                let room = LAST_WORDS.saturating_sub(self.last_words.len());
                self.last_words.extend(data.iter().take(room));
                Ok(false)
            }
            ChannelEvent::ExecRefused if self.gate.is_some() => Err(Error::ExecRefused),
            ChannelEvent::Failed(error) => Err(error),
            ChannelEvent::ExecRefused | ChannelEvent::NotOpened(_) => Err(Error::NoSftp { source: None }),
            ChannelEvent::Closed => {
                shared.fail(self.closed_early(shared));
                Ok(true)
            }
            // Whether it started shows in its greeting, and that it ended in the CLOSE that follows.
            ChannelEvent::Started | ChannelEvent::Exited(_) | ChannelEvent::Eof => Ok(false),
        }
    }

    fn read(&mut self, data: Bytes, shared: &Shared) -> Result<(), Error> {
        self.assembler.push(data);
        while let Some(frame) = self.assembler.next().map_err(|error| self.broken(error.0))? {
            let (id, reply) = understand(frame).map_err(|error| self.broken(error.0))?;
            self.greeted |= id.is_none();
            if !shared.answer(id, reply) {
                return Err(self.broken("it answers what nobody asked"));
            }
        }
        Ok(())
    }

    /// Text before the greeting is what a login shell prints, and people wonder about it for hours.
    fn broken(&self, problem: &'static str) -> Error {
        let problem = if self.greeted {
            problem
        } else {
            "what it says first is not SFTP; perhaps the start-up files of its shell print something"
        };
        Error::SftpProtocol { problem }
    }

    /// What whoever still waits gets to know.
    fn closed_early(&self, shared: &Shared) -> Error {
        if let Some(refusal) = self.gate.as_ref().and_then(Gate::refusal) {
            return refusal;
        }
        if !self.greeted {
            return Error::NoSftp { source: said(&self.last_words) };
        }
        if shared.is_closing() {
            return Error::SftpClosed;
        }
        let source = said(&self.last_words).or_else(|| said(b"the server's SFTP process ended"));
        Error::ConnectionLost { phase: Phase::Transfer, reached: Reached::Unknown, source }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

fn said(words: &[u8]) -> Option<Cause> {
    let text = String::from_utf8_lossy(words).trim().to_owned();
    if text.is_empty() { None } else { Some(Arc::new(Said(text))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_packets_travel_together_and_nothing_changes_places() {
        let sizes = [10, 20, SMALL + 1, 30, 40, SMALL, SMALL, SMALL, SMALL, SMALL, FULL * 3, 5];
        let packets: Vec<Bytes> = sizes.iter().zip(0..).map(|(&size, byte)| Bytes::from(vec![byte; size])).collect();
        let pieces = coalesce(packets.clone().into_iter());
        assert_eq!(pieces.concat(), packets.concat());
        assert_eq!(
            pieces.iter().map(Bytes::len).collect::<Vec<_>>(),
            [30, SMALL + 1, 70 + 3 * SMALL, 2 * SMALL, FULL * 3, 5]
        );
    }
}
