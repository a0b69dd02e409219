use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::preamble::Preamble;
use crate::error::Stream;
use crate::transport::ChannelEvent;

/// Nothing more is to be said.
pub struct Over;

/// What an exec says to whoever reads its channel.
pub struct Output {
    events: mpsc::Sender<ChannelEvent>,
    preamble: Arc<Mutex<Preamble>>,
    out_of_reach: Arc<OnceLock<&'static str>>,
}

impl Output {
    pub fn new(events: mpsc::Sender<ChannelEvent>) -> Self {
        Self { events, preamble: Arc::new(Mutex::new(Preamble::none())), out_of_reach: Arc::default() }
    }

    /// No signal will get to what runs, and why.
    pub fn out_of_reach(&self, why: &'static str) {
        self.out_of_reach.get_or_init(|| why);
    }

    pub fn reach(&self) -> Arc<OnceLock<&'static str>> {
        Arc::clone(&self.out_of_reach)
    }

    /// What comes before the command's own output from now on.
    pub fn expect(&self, preamble: Preamble) {
        *self.preamble.lock() = preamble;
    }

    pub fn preamble(&self) -> &Arc<Mutex<Preamble>> {
        &self.preamble
    }

    /// Nobody listens: the orders say so as well.
    pub async fn say(&self, event: ChannelEvent) {
        let _ = self.events.send(event).await;
    }

    /// What of `data` is the command's own.
    pub fn own(&self, stream: Stream, data: Bytes) -> Bytes {
        self.preamble.lock().pass(stream, data)
    }

    pub async fn hand_on(&self, stream: Stream, data: Bytes) {
        if data.is_empty() {
            return;
        }
        self.say(match stream {
            Stream::Stdout => ChannelEvent::Stdout(data),
            Stream::Stderr => ChannelEvent::Stderr(data),
        })
        .await;
    }

    /// What was held back, once nothing more comes.
    pub async fn rest(&self) {
        let rest = self.preamble.lock().rest();
        if let Some((stream, rest)) = rest {
            self.hand_on(stream, rest).await;
        }
    }
}
