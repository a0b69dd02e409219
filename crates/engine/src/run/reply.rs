use tokio::sync::oneshot;

use crate::command::{Captured, Output};
use crate::error::Error;

/// A command that did not end by itself, and the output that had arrived.
#[derive(Debug)]
pub struct Failure {
    pub error: Error,
    pub captured: Captured,
}

impl From<Error> for Box<Failure> {
    fn from(error: Error) -> Self {
        Self::new(Failure { error, captured: Captured::default() })
    }
}

/// How a command ended.
pub type Outcome = Result<Output, Box<Failure>>;

/// Answers the caller, once. The command's task goes on afterwards until its channel is closed.
pub(crate) struct Reply(Option<oneshot::Sender<Outcome>>);

impl Reply {
    pub fn channel() -> (Self, oneshot::Receiver<Outcome>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(sender)), receiver)
    }

    pub fn send(&mut self, outcome: Outcome) {
        if let Some(sender) = self.0.take() {
            // A caller that is gone needs no answer: its command was cancelled with it.
            let _ = sender.send(outcome);
        }
    }
}
