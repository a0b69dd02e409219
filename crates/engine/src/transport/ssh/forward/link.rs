use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::error::{Error, Phase, Reached};
use crate::pool::{CloseReason, HostConfig, Permit, Pool, Request};
use crate::transport::Connection;
use crate::transport::ssh::{Link as SshLink, SshTransport};

/// Between two connections that were both lost at once.
const BREATH: Duration = Duration::from_millis(100);

/// A forward's place on a pooled connection. It counts as one channel in use, so nothing idle, old or surplus about its
/// connection cuts it.
pub struct Link {
    pool: Arc<Pool<SshTransport>>,
    request: Request<SshTransport>,
    /// Absent while there is no connection.
    permit: Option<Permit<SshTransport>>,
    /// Nothing new comes to its connection.
    aside: bool,
    drains: watch::Receiver<u64>,
}

impl Link {
    /// Waits for a connection as a command does.
    pub async fn make(pool: Arc<Pool<SshTransport>>, request: Request<SshTransport>) -> Result<Self, Error> {
        let drains = pool.drains();
        let permit = pool.acquire(&request).await?;
        // The first wait has a limit. A forward that exists waits for as long as the pool tries.
        let config = HostConfig { acquire_timeout: None, ..(*request.config).clone() };
        let request = Request { config: Arc::new(config), ..request };
        Ok(Self { pool, request, permit: Some(permit), aside: false, drains })
    }

    pub fn connection(&self) -> Option<Arc<SshLink>> {
        self.permit.as_ref().map(Permit::connection_handle)
    }

    /// Its connection is held up by what runs there: nothing new is to come.
    pub fn set_aside(&mut self) {
        self.aside = true;
        if let Some(permit) = &self.permit {
            permit.set_aside();
        }
    }

    pub fn is_aside(&self) -> bool {
        self.aside
    }

    /// Resolves when the connection was lost, or with an error when the pool wants it back. Cancel-safe.
    pub async fn ended(&mut self) -> Result<(), Error> {
        let lost = async {
            if let Some(connection) = self.permit.as_ref().map(Permit::connection_handle) {
                connection.closed().await;
            }
        };
        tokio::select! {
            // The pool, whose sender this listens to, lives as long as we do.
            _ = self.drains.changed() => return Err(closed()),
            () = lost => {}
        }
        match self.permit.as_ref().and_then(Permit::close_reason) {
            Some(CloseReason::Removed) => Err(closed()),
            _ => Ok(()),
        }
    }

    /// Takes another connection, in place of one that is lost. What it is made by, and how often, is the pool's policy.
    pub async fn again(&mut self) -> Result<(), Error> {
        if let Some(permit) = self.permit.take() {
            permit.suspect();
            tokio::time::sleep(BREATH).await;
        }
        tokio::select! {
            _ = self.drains.changed() => Err(closed()),
            permit = self.pool.acquire(&self.request) => {
                self.permit = Some(permit?);
                self.aside = false;
                Ok(())
            }
        }
    }

    /// Gives the connection back; all that was opened on it is closed.
    pub fn release(mut self) {
        if let Some(permit) = self.permit.take() {
            if permit.connection().is_closed() { permit.suspect() } else { permit.release() }
        }
    }
}

fn closed() -> Error {
    Error::PoolClosed { phase: Phase::Close, reached: Reached::No }
}
