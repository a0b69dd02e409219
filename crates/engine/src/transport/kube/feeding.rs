use std::sync::Arc;

use bytes::Bytes;
use futures_util::SinkExt;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::frames;
use super::gate::Spelling;
use super::refusal::{KubeRefusal, KubeRefusalKind};
use super::socket::{Sink, Version};
use crate::error::Error;
use crate::transport::container::Input;
use crate::transport::container::preamble::{LOOK, Preamble};

/// stdin, as this server and this container take it.
pub struct Feeding {
    pub sink: Sink,
    pub version: Version,
    pub spelling: Spelling,
    pub attached: bool,
    /// Nothing is written before this was heard: who says it may not be there. Then somebody else wants the input, and what was written to
    /// nobody may cost the word that there is nobody.
    pub after: Option<Arc<Mutex<Preamble>>>,
}

/// An input that nobody could end.
pub fn endless() -> KubeRefusal {
    KubeRefusal::of_kind(
        KubeRefusalKind::NotSupported,
        0,
        "This API server cannot say that stdin has ended (it speaks v4.channel.k8s.io only), and the container has no sh to help with it",
    )
}

impl Feeding {
    /// A process that reads no more takes its stdin with it, which is no error. Input for what has no stdin is one.
    pub async fn feed(
        mut self,
        head: Option<Bytes>,
        mut input: Option<&mut mpsc::Receiver<Input>>,
    ) -> Result<(), Error> {
        if !self.attached
            && let Some(input) = input.as_deref_mut()
            && let Some(Input::Data(_)) = input.recv().await
        {
            return Err(endless().error());
        }
        if let Err(error) = self.feed_all(head, input.as_deref_mut()).await {
            tracing::debug!(%error, "stdin could not be sent to its end");
        }
        // Whoever still writes must not wait for ever.
        if let Some(input) = input {
            while input.recv().await.is_some() {}
        }
        Ok(())
    }

    async fn feed_all(
        &mut self,
        head: Option<Bytes>,
        input: Option<&mut mpsc::Receiver<Input>>,
    ) -> Result<(), SocketError> {
        if !self.attached {
            return Ok(());
        }
        if let Some(preamble) = &self.after {
            while preamble.lock().is_expected() {
                sleep(LOOK).await;
            }
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
