use std::sync::Arc;

use bytes::Bytes;

use crate::input::InputSender;
use crate::run::Pipes;

/// A call whose answer comes piece by piece, at its reader's pace. It ends when it is cancelled, or its future dropped.
pub struct Exchange {
    pub pipes: Arc<Pipes>,
    pub input: InputSender,
}

/// Where an answer goes. However its call ends, its readers do not wait for ever.
pub struct Answer(pub Arc<Pipes>);

impl Answer {
    /// Waits for its reader.
    pub async fn push(&self, data: Bytes) {
        self.0.stdout.push(data);
        self.0.stdout.until_room().await;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.stdout.end();
        self.0.stderr.end();
    }
}
