use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::watch;

use super::client;
use super::ride::Ride;
use crate::error::{Cause, Error, Phase, Reached};
use crate::transport::{Connection, OpenError};

/// A connection through OpenSSH's own master, as one of its passengers: each session is a control socket of its own, over
/// which it is handed the descriptors of the command. Dropping the connection ends its sessions.
pub struct PassengerConnection {
    path: PathBuf,
    open_timeout: Duration,
    single: bool,
    /// We left ourselves: its end is no error.
    closing: AtomicBool,
    /// Set when it is over, whoever ended it.
    over: watch::Sender<bool>,
}

impl PassengerConnection {
    /// `lifeline`: a control socket that nothing is asked on. Its end is the master's. `single`: others of its key are of no
    /// use.
    pub fn new(path: PathBuf, lifeline: UnixStream, open_timeout: Duration, single: bool) -> Self {
        let (over, mut watched) = watch::channel(false);
        let end = over.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = client::until_gone(&lifeline) => {
                    end.send_replace(true);
                }
                // Or the connection was dropped or closed.
                _ = watched.wait_for(|over| *over) => {}
            }
        });
        Self { path, open_timeout, single, closing: AtomicBool::new(false), over }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn open_timeout(&self) -> Duration {
        self.open_timeout
    }

    /// Resolves when it is over, without holding it.
    pub fn until_over(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut over = self.over.subscribe();
        async move {
            // An error is its end as well.
            let _ = over.wait_for(|over| *over).await;
        }
    }

    pub fn lost(&self, phase: Phase, source: Option<Cause>) -> Error {
        let hung_up = || Arc::new(std::io::Error::other("the ControlMaster hung up")) as Cause;
        Error::ConnectionLost { phase, reached: Reached::No, source: source.or_else(|| Some(hung_up())) }
    }
}

impl Drop for PassengerConnection {
    fn drop(&mut self) {
        self.over.send_replace(true);
    }
}

impl Connection for PassengerConnection {
    type Channel = Ride;

    /// A control socket for the session. Whether the server has room for it shows only when the command is sent.
    async fn open(&self) -> Result<Ride, OpenError> {
        match client::greeted(&self.path, self.open_timeout).await {
            Ok((stream, _)) => Ok(Ride::new(self.path.clone(), stream, self.open_timeout, self.over.subscribe())),
            Err(error) => Err(OpenError::Lost(self.lost(Phase::OpenChannel, Some(Arc::new(error))))),
        }
    }

    async fn closed(&self) -> Option<Error> {
        // The sender is here.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
        if self.closing.load(Ordering::Acquire) { None } else { Some(self.lost(Phase::Run, None)) }
    }

    async fn ping(&self) -> Result<(), Error> {
        client::is_alive(&self.path).await.map_err(|error| self.lost(Phase::Run, Some(Arc::new(error))))
    }

    fn is_closed(&self) -> bool {
        *self.over.borrow()
    }

    /// All passengers of a master travel on the same connection to the server.
    fn is_single(&self) -> bool {
        self.single
    }

    async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.over.send_replace(true);
    }
}
