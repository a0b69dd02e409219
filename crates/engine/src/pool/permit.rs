use std::sync::{Arc, Weak};
use std::time::Duration;

use super::core::{ConnectionId, Grant, Refusal};
use super::driver::{ConnectionOf, Inner, Request};
use super::key::Key;
use super::lease::Home;
use super::queue::Place;
use super::slot::{CloseReason, Fate};
use crate::transport::Transport;

/// The right to open one channel on one connection.
///
/// Dropping it gives it back unused. Whoever opened a channel says how that ended: [`release`](Self::release),
/// [`refused`](Self::refused), [`abandon`](Self::abandon) or [`suspect`](Self::suspect).
pub struct Permit<T: Transport> {
    inner: Arc<Inner<T>>,
    key: Key,
    id: ConnectionId,
    connection: ConnectionOf<T>,
    place: Place,
    connect: Duration,
    fate: Fate,
    returned: bool,
    /// The lease it goes back to instead of to the pool, when its channel has ended well.
    home: Option<Weak<Home<T>>>,
}

impl<T: Transport> Permit<T> {
    pub(super) fn new(inner: Arc<Inner<T>>, key: Key, grant: Grant<ConnectionOf<T>>) -> Self {
        let Grant { connection, id, place, connect, fate } = grant;
        Self { inner, key, id, connection, place, connect, fate, returned: false, home: None }
    }

    /// On behalf of a lease.
    pub(super) fn lent_by(self, home: Option<&Weak<Home<T>>>) -> Self {
        let mut permit = self;
        permit.home = home.cloned();
        permit
    }

    /// Back at its lease, or about to leave it: dropping it gives it to the pool.
    pub(super) fn at_home(self) -> Self {
        self.lent_by(None)
    }

    /// For a [`Hold`](super::Hold), which returns it from now on.
    pub(super) fn into_parts(mut self) -> (Arc<Inner<T>>, Key, ConnectionId, ConnectionOf<T>) {
        self.returned = true;
        (Arc::clone(&self.inner), self.key.clone(), self.id, Arc::clone(&self.connection))
    }

    /// Itself, anew: so that it can be handed on from where it can only be borrowed.
    fn moved(&mut self) -> Self {
        self.returned = true;
        Self {
            inner: Arc::clone(&self.inner),
            key: self.key.clone(),
            id: self.id,
            connection: Arc::clone(&self.connection),
            place: self.place,
            connect: Duration::ZERO,
            fate: Arc::clone(&self.fate),
            returned: false,
            home: None,
        }
    }

    pub fn key(&self) -> &Key {
        &self.key
    }

    pub fn connection(&self) -> &T::Connection {
        &self.connection
    }

    pub fn connection_handle(&self) -> Arc<T::Connection> {
        Arc::clone(&self.connection)
    }

    /// Why the pool has closed this connection; `None` when it has not.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.fate.get().copied()
    }

    /// How much of the wait went into making this connection.
    pub fn connect_time(&self) -> Duration {
        self.connect
    }

    pub fn connection_id(&self) -> ConnectionId {
        self.id
    }

    /// The place in the queue that this permit was granted for.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The channel has ended on both sides.
    pub fn release(mut self) {
        if let Some(home) = self.home.as_ref().and_then(Weak::upgrade) {
            return home.put(self);
        }
        self.returned = true;
        self.inner.update(|core, now| core.release(&self.key, self.id, now));
    }

    /// The server refused the channel.
    pub(super) fn refused(mut self, request: &Request<T>) -> Refusal {
        self.returned = true;
        let limits = (&request.target, &request.config);
        self.inner.update(|core, now| core.refused(&self.key, self.id, self.place, limits, now))
    }

    /// The server did not close the channel in time: its slot there may be taken for good.
    pub fn abandon(mut self) {
        self.returned = true;
        self.inner.update(|core, now| core.abandon(&self.key, self.id, now));
    }

    /// Does nothing else run on its connection?
    pub fn is_alone(&self) -> bool {
        self.inner.is_alone(&self.key, self.id)
    }

    /// What runs here may hold up its siblings: nothing new comes to its connection.
    pub fn set_aside(&self) {
        self.inner.update(|core, now| core.set_aside(&self.key, self.id, now));
    }

    /// Nobody wants its connection any more: it is closed when its last channel ends.
    pub(super) fn dismiss(mut self) {
        self.returned = true;
        self.inner.update(|core, now| core.dismiss(&self.key, self.id, now));
    }

    /// The connection turned out to be dead while its channel was in use.
    pub fn suspect(mut self) {
        self.returned = true;
        self.inner.update(|core, now| core.suspect(&self.key, self.id, now));
    }

    /// The connection turned out to be dead before a channel was open: its place in the queue is taken again.
    pub(super) fn replaced(mut self, request: &Request<T>) {
        self.returned = true;
        let limits = (&request.target, &request.config);
        self.inner.update(|core, now| core.replace(&self.key, self.id, self.place, limits, now));
    }
}

impl<T: Transport> Drop for Permit<T> {
    fn drop(&mut self) {
        if self.returned {
            return;
        }
        if let Some(home) = self.home.take().and_then(|home| home.upgrade()) {
            let permit = self.moved();
            home.put(permit);
        } else {
            self.inner.update(|core, now| core.release_unused(&self.key, self.id, now));
        }
    }
}
