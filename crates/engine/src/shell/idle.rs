use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::warm::Warm;
use crate::command::Place;
use crate::pool::ConnectionId;
use crate::transport::{Channel, ChannelWriter};

/// Idle shells of one connection that may wait for long. More wait only for the next burst.
const KEPT: usize = 2;
const KEPT_FOR: Duration = Duration::from_secs(10);
const BURST: Duration = Duration::from_secs(1);
/// For saying goodbye to one.
const GOODBYE: Duration = Duration::from_secs(1);
/// Between two looks at them.
const LOOK: Duration = Duration::from_millis(500);

/// Shells without a command, each on a channel that the pool does not count: a connection on which nothing but such a
/// shell is left is idle. The channel is taken from the server only while that is not in anybody's way, so they are few
/// and do not wait for long.
pub struct Idle<C: Channel>(Mutex<State<C>>);

struct State<C: Channel> {
    /// The one used last is last.
    shells: Vec<Parked<C>>,
    watched: bool,
}

struct Parked<C: Channel> {
    on: ConnectionId,
    place: Option<Arc<Place>>,
    since: Instant,
    shell: Warm<C>,
}

impl<C: Channel> Default for Idle<C> {
    fn default() -> Self {
        Self(Mutex::new(State { shells: Vec::new(), watched: false }))
    }
}

impl<C: Channel> Idle<C> {
    /// The shell used last on this connection, in this place, if it is as it was left.
    pub fn take(&self, on: ConnectionId, place: Option<&Arc<Place>>) -> Option<Warm<C>> {
        loop {
            let mut shell = {
                let mut state = self.0.lock();
                let at = state.shells.iter().rposition(|parked| parked.on == on && parked.place.as_ref() == place)?;
                state.shells.remove(at).shell
            };
            if shell.is_untouched() {
                return Some(shell);
            }
        }
    }

    pub fn put(self: &Arc<Self>, on: ConnectionId, place: Option<&Arc<Place>>, shell: Warm<C>, runtime: &Handle) {
        let mut state = self.0.lock();
        state.shells.push(Parked { on, place: place.cloned(), since: Instant::now(), shell });
        if !std::mem::replace(&mut state.watched, true) {
            runtime.spawn(watch(Arc::downgrade(self)));
        }
    }

    /// All of them, from now on nobody's.
    pub fn take_all(&self) -> Vec<Warm<C>> {
        std::mem::take(&mut self.0.lock().shells).into_iter().map(|parked| parked.shell).collect()
    }

    pub fn len(&self) -> usize {
        self.0.lock().shells.len()
    }

    /// Those whose time is over; `false`: there are no others.
    fn due(&self) -> (Vec<Warm<C>>, bool) {
        let mut state = self.0.lock();
        let newest_first = std::mem::take(&mut state.shells).into_iter().rev();
        let (mut stay, mut go) = (Vec::new(), Vec::new());
        for mut parked in newest_first {
            let rank =
                stay.iter().filter(|other: &&Parked<C>| other.on == parked.on && other.place == parked.place).count();
            let patience = if rank < KEPT { KEPT_FOR } else { BURST };
            if parked.since.elapsed() < patience && parked.shell.is_untouched() {
                stay.push(parked);
            } else {
                go.push(parked.shell);
            }
        }
        stay.reverse();
        state.watched = !stay.is_empty();
        state.shells = stay;
        (go, state.watched)
    }
}

/// Ends shells that nobody needs; ends itself when there are none, and with the last who could need one.
async fn watch<C: Channel>(idle: Weak<Idle<C>>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(idle) = idle.upgrade() else { return };
        let (go, more) = idle.due();
        for shell in go {
            dismiss(shell).await;
        }
        if !more {
            return;
        }
    }
}

/// A shell that has nothing more to do ends by itself, and its channel with it.
pub async fn dismiss<C: Channel>(shell: Warm<C>) {
    let writer = shell.into_channel().writer();
    let ending = async {
        // Failing writes mean that the connection is gone, and the shell with it.
        let _ = writer.eof().await;
        let _ = writer.close().await;
    };
    // On a line that is stuck they wait; the connection's own end is the shell's then.
    let _ = tokio::time::timeout(GOODBYE, ending).await;
}
