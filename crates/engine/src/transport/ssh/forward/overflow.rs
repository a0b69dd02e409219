use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::link::Link;
use crate::pool::{Pool, Request};
use crate::transport::ssh::SshTransport;

/// How long a new client waits for a connection of less traffic; then it takes its forward's.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a forward's clients find a connection while its own one is held up.
#[derive(Clone)]
pub struct Overflow {
    pool: Arc<Pool<SshTransport>>,
    request: Request<SshTransport>,
}

impl Overflow {
    pub fn new(pool: &Arc<Pool<SshTransport>>, request: &Request<SshTransport>) -> Self {
        Self { pool: Arc::clone(pool), request: request.clone() }
    }

    /// A place on another connection, if the pool has one in time.
    pub async fn link(&self) -> Option<Link> {
        let making = Link::make(Arc::clone(&self.pool), self.request.clone());
        timeout(PATIENCE, making).await.ok()?.ok()
    }
}
