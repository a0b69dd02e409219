use std::future::Future;
use std::sync::{Arc, Weak};

use super::core::ConnectionId;
use super::driver::{ConnectionOf, Inner, Request};
use super::key::Key;
use super::permit::Permit;
use crate::error::{Error, Phase, Reached};
use crate::transport::Transport;

/// Where a transport borrows the connections that others run through. Keeps no pool alive.
pub struct Hops<T: Transport>(Weak<Inner<T>>);

impl<T: Transport> Hops<T> {
    pub(super) fn new(pool: &Arc<Inner<T>>) -> Self {
        Self(Arc::downgrade(pool))
    }

    /// Of no pool: there is nothing to borrow.
    pub fn none() -> Self {
        Self(Weak::new())
    }

    /// A connection of the pool to run another one through; made first, if need be. Cancel-safe.
    pub fn borrow(&self, request: &Request<T>) -> impl Future<Output = Result<Hold<T>, Error>> + Send + use<T> {
        let asked = self.0.upgrade().map(|pool| pool.acquire(request));
        async move {
            match asked {
                Some(acquiring) => Ok(Hold::new(acquiring.await?)),
                None => Err(Error::PoolClosed { phase: Phase::Dial, reached: Reached::No }),
            }
        }
    }
}

/// A [`Permit`] for as long as another connection runs through this one. The pool holds that other connection, so this must
/// not hold the pool.
pub struct Hold<T: Transport> {
    pool: Weak<Inner<T>>,
    key: Key,
    id: ConnectionId,
    connection: ConnectionOf<T>,
    returned: bool,
}

impl<T: Transport> Hold<T> {
    fn new(permit: Permit<T>) -> Self {
        let (pool, key, id, connection) = permit.into_parts();
        Self { pool: Arc::downgrade(&pool), key, id, connection, returned: false }
    }

    pub fn connection(&self) -> &T::Connection {
        &self.connection
    }

    /// Nothing runs through it any more. Not to be called where the pool's lock may be held; dropping it is for everywhere.
    pub fn release(mut self) {
        self.returned = true;
        if let Some(pool) = self.pool.upgrade() {
            pool.update(|core, now| core.release_unused(&self.key, self.id, now));
        }
    }

    /// It turned out to be dead.
    pub fn suspect(mut self) {
        self.returned = true;
        if let Some(pool) = self.pool.upgrade() {
            pool.update(|core, now| core.suspect(&self.key, self.id, now));
        }
    }
}

impl<T: Transport> Drop for Hold<T> {
    fn drop(&mut self) {
        if self.returned {
            return;
        }
        let Some(pool) = self.pool.upgrade() else { return };
        // The connection that went through it may be dropped by the pool itself, under its lock.
        let (key, id) = (self.key.clone(), self.id);
        pool.runtime().clone().spawn(async move { pool.update(|core, now| core.release_unused(&key, id, now)) });
    }
}
