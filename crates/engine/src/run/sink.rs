use std::sync::Arc;

use bytes::Bytes;

use super::capture::Capture;
use super::pipe::Pipe;
use crate::command::Captured;
use crate::error::{Error, Stream};

/// The two output streams of a command whose reader takes them as they come.
#[derive(Debug, Default)]
pub struct Pipes {
    pub stdout: Pipe,
    pub stderr: Pipe,
}

/// Where a command's output goes.
pub(super) enum Sink {
    /// Into memory, up to a limit that is an error.
    Capture(Capture),
    /// To a reader, up to a limit that makes the command wait.
    Pipes(Arc<Pipes>),
}

impl Sink {
    pub fn push(&mut self, stream: Stream, data: Bytes) -> Result<(), Error> {
        match (self, stream) {
            (Self::Capture(capture), stream) => capture.push(stream, &data),
            (Self::Pipes(pipes), Stream::Stdout) => {
                pipes.stdout.push(data);
                Ok(())
            }
            (Self::Pipes(pipes), Stream::Stderr) => {
                pipes.stderr.push(data);
                Ok(())
            }
        }
    }

    pub fn is_full(&self) -> bool {
        match self {
            Self::Capture(_) => false,
            // Both arrive on one channel: to wait for one is to wait for both.
            Self::Pipes(pipes) => !(pipes.stdout.has_room() && pipes.stderr.has_room()),
        }
    }

    /// Resolves when it is not full. Cancel-safe.
    pub async fn until_room(&self) {
        if let Self::Pipes(pipes) = self {
            pipes.stdout.until_room().await;
            pipes.stderr.until_room().await;
        }
    }

    /// The command has ended: what was collected, if it was.
    pub fn end(&mut self) -> Captured {
        match self {
            Self::Capture(capture) => capture.take(),
            Self::Pipes(_) => Captured::default(),
        }
    }
}

impl Drop for Sink {
    // However the command ended, and even if its task panicked: a reader must not wait for ever.
    fn drop(&mut self) {
        if let Self::Pipes(pipes) = self {
            pipes.stdout.end();
            pipes.stderr.end();
        }
    }
}
