use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What the fake puts before the test, in order.
pub struct Mailbox<T> {
    sender: UnboundedSender<T>,
    receiver: Mutex<UnboundedReceiver<T>>,
    what: &'static str,
}

impl<T> Mailbox<T> {
    pub fn new(what: &'static str) -> Self {
        let (sender, receiver) = unbounded_channel();
        Self { sender, receiver: Mutex::new(receiver), what }
    }

    pub fn put(&self, letter: T) {
        // The receiver lives as long as the sender.
        let _ = self.sender.send(letter);
    }

    /// The next one. A test that waits for something that never happens fails instead of hanging.
    pub async fn next(&self) -> T {
        let mut receiver = self.receiver.lock().await;
        let letter = tokio::time::timeout(Duration::from_secs(24 * 3600), receiver.recv()).await;
        letter.unwrap_or_else(|_| panic!("waited for {} that never came", self.what)).unwrap()
    }

    pub fn try_next(&self) -> Option<T> {
        self.receiver.try_lock().ok()?.try_recv().ok()
    }
}
