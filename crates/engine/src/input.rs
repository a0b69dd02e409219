//! A stdin that comes piece by piece.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex, mpsc};

/// Pieces that may wait for the server's window before the source has to.
const WAITING: usize = 4;

/// The end that the source writes to. Dropping it, or [`end`](Self::end), is EOF.
#[derive(Debug)]
pub struct InputSender(parking_lot::Mutex<Option<mpsc::Sender<Bytes>>>);

/// The end that the command reads. Clones share it; what one has taken, the others do not see.
#[derive(Debug, Clone)]
pub struct InputStream(Arc<Mutex<mpsc::Receiver<Bytes>>>);

/// A new stdin.
pub fn input() -> (InputSender, InputStream) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (InputSender(parking_lot::Mutex::new(Some(sender))), InputStream(Arc::new(Mutex::new(receiver))))
}

impl InputSender {
    /// Resolves when there is room for more; to `false` when the command reads no more. The piece keeps its place even
    /// when the future is not polled at once only if the caller sends one piece at a time.
    pub fn send(&self, data: Bytes) -> impl Future<Output = bool> + Send + use<> {
        self.send_all(vec![data])
    }

    /// As [`send`](Self::send), of several pieces.
    pub fn send_all(&self, pieces: Vec<Bytes>) -> impl Future<Output = bool> + Send + use<> {
        let sender = self.0.lock().clone();
        async move {
            let Some(sender) = sender else { return false };
            for data in pieces {
                if sender.send(data).await.is_err() {
                    return false;
                }
            }
            true
        }
    }

    /// Nothing more will come.
    pub fn end(&self) {
        self.0.lock().take();
    }
}

impl InputStream {
    /// The next piece; `None` at the end. Cancel-safe.
    pub async fn next(&self) -> Option<Bytes> {
        self.0.lock().await.recv().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_arrive_in_order_and_then_the_end() {
        let (sender, stream) = input();
        for piece in ["a", "b"] {
            assert!(sender.send(Bytes::from_static(piece.as_bytes())).await);
        }
        sender.end();
        assert!(!sender.send(Bytes::from_static(b"late")).await, "the end is the end");
        assert_eq!(stream.next().await.unwrap(), "a");
        assert_eq!(stream.next().await.unwrap(), "b");
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn a_source_waits_for_its_reader_and_hears_that_it_is_gone() {
        let (sender, stream) = input();
        for _ in 0..WAITING {
            assert!(sender.send(Bytes::from_static(b"x")).await);
        }
        let waiting = tokio::spawn(sender.send(Bytes::from_static(b"one too many")));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(stream);
        assert!(!waiting.await.unwrap());
    }
}
