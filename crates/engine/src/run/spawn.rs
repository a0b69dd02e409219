use std::sync::Arc;

use tokio::sync::mpsc;

use super::control::{Control, Controls};
use super::exec::{Io, start};
use super::reply::Outcome;
use super::sink::Pipes;
use super::stop::Cancel;
use crate::command::Command;
use crate::pool::{Pool, Request};
use crate::transport::{Signal, Transport};

/// A command under way whose output is read as it comes.
///
/// What is not read makes the command wait, once about a megabyte of it has come. Dropping the handle changes nothing;
/// dropping the outcome's future ends the command.
pub struct Process {
    pipes: Arc<Pipes>,
    controls: mpsc::UnboundedSender<Control>,
}

impl Process {
    pub fn pipes(&self) -> &Arc<Pipes> {
        &self.pipes
    }

    /// Sends a signal, as soon as the command runs. Answers whether somebody is still there to hear it.
    pub fn signal(&self, signal: Signal) -> bool {
        self.controls.send(Control::Signal(signal)).is_ok()
    }

    /// Tells the command's terminal its new size.
    pub fn resize(&self, columns: u32, rows: u32) -> bool {
        self.controls.send(Control::Resize { columns, rows }).is_ok()
    }
}

/// Starts `command`. The future resolves to how it ended, without output, when it has ended; its pipes may still hold
/// output then.
pub fn spawn<T: Transport>(
    pool: Arc<Pool<T>>,
    request: Request<T>,
    command: Command,
    cancel: Cancel,
) -> (Process, impl Future<Output = Outcome> + Send) {
    let pipes = Arc::new(Pipes::default());
    let (controls, heard) = Controls::new();
    let io = Io::Streamed(Arc::clone(&pipes), heard);
    (Process { pipes, controls }, start(pool, request, command, io, cancel))
}
