//! A command and all its children, as one thing that can be signalled and ended.

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use parking_lot::Mutex;

/// The group is killed when this is dropped or retired: nothing that a command started outlives it.
pub(super) struct ProcessGroup(Mutex<Option<Pid>>);

impl ProcessGroup {
    /// `leader` must have been started as the leader of a new group.
    pub(super) fn led_by(leader: Option<u32>) -> Self {
        let pid = leader.and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
        Self(Mutex::new(pid))
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(group) = *self.0.lock() {
            send(group, signal);
        }
    }

    /// Ends what is left of the group. Later signals go nowhere: its number may soon belong to somebody else.
    pub(super) fn retire(&self) {
        if let Some(group) = self.0.lock().take() {
            send(group, Signal::SIGKILL);
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.retire();
    }
}

fn send(group: Pid, signal: Signal) {
    match killpg(group, signal) {
        // Already gone: that is what was wanted.
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => {
            tracing::warn!(%group, %signal, %error, "cannot signal a command's process group")
        }
    }
}
