//! Telling every task to stop, and knowing when the last one has.

use std::convert::Infallible;

use tokio::sync::{mpsc, watch};

/// The server's side. Dropping it asks the tasks to stop as well, only without waiting for them.
pub(super) struct Shutdown {
    request: watch::Sender<bool>,
    alive: mpsc::Receiver<Infallible>,
}

/// A task's side. It counts as running until it drops this.
#[derive(Clone)]
pub(super) struct Running {
    request: watch::Receiver<bool>,
    _alive: mpsc::Sender<Infallible>,
}

impl Shutdown {
    pub(super) fn new() -> (Self, Running) {
        let (request, requested) = watch::channel(false);
        let (token, alive) = mpsc::channel(1);
        (Self { request, alive }, Running { request: requested, _alive: token })
    }

    /// Asks every task to stop and waits until the last one has dropped its [`Running`].
    pub(super) async fn stop(mut self) {
        self.request.send_replace(true);
        // Nothing is ever sent: the answer is that all senders are gone.
        let ended = self.alive.recv().await;
        debug_assert!(ended.is_none());
    }
}

impl Running {
    /// Completes when the server stops, also when it was dropped without [`Shutdown::stop`]. Cancel-safe.
    pub(super) async fn stop_requested(&mut self) {
        // An error means that the server is gone, which says the same as `true`.
        let _answer = self.request.wait_for(|stop| *stop).await.map(drop);
    }
}
