use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::channel::SshChannel;

/// Commands in a row that ran alone on the connection, after which the next one's channel is opened ahead of it.
const ALONE: u32 = 2;
/// How long to do without after the server refused a channel: it counts what we do not use.
const TIGHT: Duration = Duration::from_secs(60);

/// At most one channel that is open before a command needs it. With it a command costs one round trip instead of two.
///
/// Only for connections that run one command after the other: where many run at once, the server's limit is better spent
/// on commands than on waiting for them.
pub struct Spare {
    state: Mutex<State>,
    /// Some servers can stand no channel that nothing runs on.
    allowed: bool,
}

#[derive(Default)]
struct State {
    ready: Option<SshChannel>,
    opening: bool,
    in_use: usize,
    alone: u32,
    none_before: Option<Instant>,
}

/// A channel in use; counts until it is dropped.
pub struct InUse(Arc<Spare>);

impl Spare {
    pub fn new(allowed: bool) -> Self {
        Self { state: Mutex::default(), allowed }
    }

    /// A command begins: the spare channel, if there is one, and whether to open the next one meanwhile.
    pub fn begin(self: &Arc<Self>) -> (InUse, Option<SshChannel>, Option<Opening>) {
        let mut state = self.state.lock();
        state.alone = if state.in_use == 0 { state.alone.saturating_add(1) } else { 0 };
        state.in_use += 1;
        let spare = state.ready.take().and_then(still_open);
        let tight = state.none_before.is_some_and(|at| at > Instant::now());
        let open_next = self.allowed && state.alone >= ALONE && !state.opening && !tight;
        state.opening |= open_next;
        (InUse(Arc::clone(self)), spare, open_next.then(|| Opening(Arc::clone(self))))
    }

    /// The server refused a channel: it gets the spare one back, and no other for a while.
    pub fn give_up(&self) -> Option<SshChannel> {
        let mut state = self.state.lock();
        state.none_before = Some(Instant::now() + TIGHT);
        state.ready.take()
    }
}

/// The next channel is being opened. Dropped before, it is not.
pub struct Opening(Arc<Spare>);

impl Opening {
    /// It is open, or could not be opened.
    pub fn done(self, channel: Option<SshChannel>) {
        let mut state = self.0.state.lock();
        if channel.is_none() {
            state.none_before = Some(Instant::now() + TIGHT);
        }
        state.ready = channel;
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.state.lock().opening = false;
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.in_use = state.in_use.saturating_sub(1);
    }
}

/// A channel on which nothing has happened: a server that closed it would have said so.
fn still_open(mut channel: SshChannel) -> Option<SshChannel> {
    let silent = pin!(channel.next_message()).poll(&mut Context::from_waker(Waker::noop())).is_pending();
    silent.then_some(channel)
}
