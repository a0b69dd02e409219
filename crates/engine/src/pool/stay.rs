use std::sync::{Arc, Weak};

use super::core::ConnectionId;
use super::driver::Inner;
use super::key::Key;
use crate::transport::Transport;

/// Something that lives on a connection without being a command: while it does, the connection is in use. Gives itself back when
/// dropped, and keeps no pool alive.
pub struct Stay<T: Transport> {
    pool: Weak<Inner<T>>,
    key: Key,
    id: ConnectionId,
}

impl<T: Transport> Stay<T> {
    pub(super) fn new(pool: &Arc<Inner<T>>, key: Key, id: ConnectionId) -> Self {
        Self { pool: Arc::downgrade(pool), key, id }
    }

    /// What lives here may hold up commands: nothing new comes to its connection.
    pub fn set_aside(&self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.update(|core, now| core.set_aside(&self.key, self.id, now));
        }
    }
}

impl<T: Transport> Drop for Stay<T> {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.update(|core, now| core.leave(&self.key, self.id, now));
        }
    }
}
