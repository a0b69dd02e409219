use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt;
use parking_lot::Mutex;
use tokio::time::interval;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::socket::Sink;

/// Between two looks at whether the other side is there.
const PING: Duration = Duration::from_secs(15);
/// Pings without an answer, from a side that has answered before, after which it is not there.
const MISSED: u32 = 3;

/// The other side of a socket: when it was heard, and whether it answers pings at all.
#[derive(Default)]
pub struct Peer {
    since_ping: Mutex<bool>,
    answers: Mutex<bool>,
}

impl Peer {
    pub fn note(&self, message: &Option<Result<Message, SocketError>>) {
        *self.since_ping.lock() = true;
        if matches!(message, Some(Ok(Message::Pong(_)))) {
            *self.answers.lock() = true;
        }
    }

    /// Resolves when a side that answers pings has stopped to.
    pub async fn gone(&self, sink: &Sink) {
        let mut ticks = interval(PING);
        ticks.tick().await;
        let mut missed = 0;
        loop {
            ticks.tick().await;
            missed = if std::mem::take(&mut *self.since_ping.lock()) { 0 } else { missed + 1 };
            if missed >= MISSED && *self.answers.lock() {
                return;
            }
            // Where somebody writes, the line itself tells when nobody takes it.
            if let Ok(mut sink) = sink.try_lock()
                && let Err(error) = sink.send(Message::Ping(Bytes::new())).await
            {
                tracing::debug!(%error, "a ping could not be sent");
            }
        }
    }
}
