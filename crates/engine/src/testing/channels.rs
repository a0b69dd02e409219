//! What runs on which channel of one connection.

use std::collections::HashMap;
use std::sync::Arc;

use nix::sys::signal::Signal;
use parking_lot::Mutex;
use russh::server::Msg;
use russh::{ChannelId, ChannelWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::process_group::ProcessGroup;
use super::stdin::StdinQueue;

/// A channel that waits for its command.
pub(super) struct Opened {
    /// Only this half is kept: russh would wait for the other one to be read, and everything in it also comes to the
    /// session handler.
    pub(super) output: ChannelWriteHalf<Msg>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) slot: OwnedSemaphorePermit,
}

/// A channel whose command runs.
pub(super) struct Busy {
    pub(super) group: Arc<ProcessGroup>,
    pub(super) stdin: StdinQueue,
    /// Dropped with the entry: tells the command that nobody listens any more.
    pub(super) _listening: oneshot::Sender<()>,
}

enum State {
    Opened(Opened),
    Busy(Busy),
}

/// Shared by a connection, which adds, and its commands, which remove themselves when they end: russh does not
/// report the client's CLOSE of a channel that the server closed first.
#[derive(Clone, Default)]
pub(super) struct Channels(Arc<Mutex<HashMap<ChannelId, State>>>);

impl Channels {
    pub(super) fn opened(&self, id: ChannelId, opened: Opened) {
        self.0.lock().insert(id, State::Opened(opened));
    }

    pub(super) fn busy(&self, id: ChannelId, busy: Busy) {
        self.0.lock().insert(id, State::Busy(busy));
    }

    /// Takes the channel for a command; `None` when one runs already, for a channel runs one command only.
    pub(super) fn take_opened(&self, id: ChannelId) -> Option<Opened> {
        let mut channels = self.0.lock();
        match channels.remove(&id)? {
            State::Opened(opened) => Some(opened),
            busy @ State::Busy(_) => {
                channels.insert(id, busy);
                None
            }
        }
    }

    pub(super) fn set_environment(&self, id: ChannelId, name: &str, value: &str) -> bool {
        match self.0.lock().get_mut(&id) {
            Some(State::Opened(opened)) => {
                opened.environment.push((name.to_owned(), value.to_owned()));
                true
            }
            _ => false,
        }
    }

    pub(super) fn stdin(&self, id: ChannelId) -> Option<StdinQueue> {
        match self.0.lock().get(&id) {
            Some(State::Busy(busy)) => Some(busy.stdin.clone()),
            _ => None,
        }
    }

    pub(super) fn signal(&self, id: ChannelId, signal: Signal) {
        if let Some(State::Busy(busy)) = self.0.lock().get(&id) {
            busy.group.signal(signal);
        }
    }

    pub(super) fn remove(&self, id: ChannelId) {
        self.0.lock().remove(&id);
    }

    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}
