use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::shared_channel::WINDOW;
use crate::transport::ChannelWriter;
use crate::transport::ssh::link::LinkWriter;

/// What a visitor sends on a channel, in order, with room for it granted as it goes on.
pub struct Feed {
    pieces: Option<UnboundedSender<Bytes>>,
    taken: UnboundedReceiver<usize>,
    /// What we may still be sent.
    granted: usize,
}

/// The visitor has sent more than it was granted.
pub struct Flooded;

/// Where it goes.
pub trait Taker: Send {
    /// `false`: nobody takes any more.
    fn take(&mut self, data: Bytes) -> impl Future<Output = bool> + Send;
    /// There is no more.
    fn end(&mut self) -> impl Future<Output = ()> + Send;
}

impl Feed {
    /// The other half is to be polled until it has ended.
    pub fn new(taker: impl Taker) -> (Self, impl Future<Output = ()>) {
        let (pieces, queue) = unbounded_channel();
        let (report, taken) = unbounded_channel();
        (Self { pieces: Some(pieces), taken, granted: WINDOW as usize }, pass_on(taker, queue, report))
    }

    pub fn push(&mut self, data: Bytes) -> Result<(), Flooded> {
        self.granted = self.granted.checked_sub(data.len()).ok_or(Flooded)?;
        if let Some(pieces) = &self.pieces {
            // Nobody takes it any more: that side is over.
            let _ = pieces.send(data);
        }
        Ok(())
    }

    pub fn end(&mut self) {
        self.pieces = None;
    }

    /// How much has gone on, which the visitor is to be granted again; `None` when nothing more will. Cancel-safe.
    pub async fn taken(&mut self) -> Option<u32> {
        let count = self.taken.recv().await?;
        self.granted += count;
        Some(u32::try_from(count).unwrap_or(0))
    }
}

/// What nobody takes means that the connection is over, which the reading side finds out.
async fn pass_on(mut taker: impl Taker, mut queue: UnboundedReceiver<Bytes>, report: UnboundedSender<usize>) {
    while let Some(data) = queue.recv().await {
        let count = data.len();
        if !taker.take(data).await {
            return;
        }
        // Nobody counts any more.
        let _ = report.send(count);
    }
    taker.end().await;
}

impl Taker for LinkWriter {
    async fn take(&mut self, data: Bytes) -> bool {
        self.write(data).await.is_ok()
    }

    async fn end(&mut self) {
        // As for data.
        let _ = self.eof().await;
    }
}

impl Taker for OwnedWriteHalf {
    async fn take(&mut self, data: Bytes) -> bool {
        self.write_all(&data).await.is_ok()
    }

    async fn end(&mut self) {
        // It shuts down when dropped as well.
        let _ = self.shutdown().await;
    }
}
