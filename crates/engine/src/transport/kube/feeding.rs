use bytes::Bytes;
use futures_util::SinkExt;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::frames;
use super::gate::Spelling;
use super::socket::{Sink, Version};
use crate::transport::container::Input;

/// stdin, as this server and this container take it.
pub struct Feeding {
    pub sink: Sink,
    pub version: Version,
    pub spelling: Spelling,
    pub attached: bool,
}

impl Feeding {
    /// A process that reads no more takes its stdin with it, which is no error.
    pub async fn feed(mut self, head: Option<Bytes>, mut input: Option<mpsc::Receiver<Input>>) {
        if let Err(error) = self.feed_all(head, input.as_mut()).await {
            tracing::debug!(%error, "stdin could not be sent to its end");
        }
        // Whoever still writes must not wait for ever.
        if let Some(mut input) = input {
            while input.recv().await.is_some() {}
        }
    }

    async fn feed_all(
        &mut self,
        head: Option<Bytes>,
        input: Option<&mut mpsc::Receiver<Input>>,
    ) -> Result<(), SocketError> {
        if !self.attached {
            return Ok(());
        }
        if let Some(head) = head {
            self.send(&head).await?;
        }
        let Some(input) = input else { return Ok(()) };
        while let Some(Input::Data(data)) = input.recv().await {
            for piece in self.spelling.pieces(&data) {
                self.send(&piece).await?;
            }
        }
        match self.spelling.end() {
            Some(end) => self.send(&end).await,
            None if self.version == Version::V5 => {
                self.sink.lock().await.send(Message::Binary(frames::end_of_stdin())).await
            }
            // Its stdin is at its end without us.
            None => Ok(()),
        }
    }

    async fn send(&self, data: &[u8]) -> Result<(), SocketError> {
        self.sink.lock().await.send(Message::Binary(frames::stdin(data))).await
    }
}
