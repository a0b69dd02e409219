use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::{ConnectionOf, Inner};
use crate::error::{Error, Phase, Reached};
use crate::pool::config::HealthConfig;
use crate::pool::core::{ConnectionId, DialId};
use crate::pool::hold::Hops;
use crate::pool::key::Key;
use crate::run::{Left, probe};
use crate::transport::{Connection, Transport};

pub(super) async fn dial_task<T: Transport>(inner: Arc<Inner<T>>, dial: DialId, key: Key, target: Arc<T::Target>) {
    let unfinished = UnfinishedDial { inner: Arc::clone(&inner), dial };
    match inner.transport.connect(&target, &Hops::new(&inner)).await {
        Err(error) => inner.update(|core, now| core.dial_failed(dial, error, now)),
        Ok(connection) => {
            let connection = Arc::new(connection);
            let (single, most) = (connection.is_single(), connection.most_channels());
            let id = inner.update(|core, now| match core.note_single(dial, single, now) {
                true => None,
                false => core.dial_succeeded(dial, Arc::clone(&connection), most, now),
            });
            drop(unfinished);
            match id {
                Some(id) => {
                    inner.offer(&key, &target, &connection);
                    watch(&inner, key, id, connection);
                }
                // Needless, or abandoned in the very moment it succeeded.
                None => connection.close().await,
            }
        }
    }
}

/// Ends the pool's account of a dial whatever becomes of its task: a panic must not leave callers waiting.
struct UnfinishedDial<T: Transport> {
    inner: Arc<Inner<T>>,
    dial: DialId,
}

impl<T: Transport> Drop for UnfinishedDial<T> {
    fn drop(&mut self) {
        self.inner.state.lock().dials.remove(&self.dial);
        // A dial that has been answered or abandoned is no longer known to the core, and this changes nothing.
        self.inner.update(|core, now| core.dial_failed(self.dial, Error::Internal { what: "a dial" }, now));
        self.inner.changed.notify_waiters();
    }
}

/// Tells the pool when the connection ends by itself.
fn watch<T: Transport>(inner: &Arc<Inner<T>>, key: Key, id: ConnectionId, connection: ConnectionOf<T>) {
    let pool: Weak<Inner<T>> = Arc::downgrade(inner);
    inner.runtime.spawn(async move {
        let error = connection.closed().await;
        drop(connection);
        if let Some(inner) = pool.upgrade() {
            inner.update(|core, now| core.lost(&key, id, error, now));
            inner.changed.notify_waiters();
        }
    });
}

pub(super) async fn close_task<T: Transport>(
    inner: Arc<Inner<T>>,
    key: Key,
    id: ConnectionId,
    connection: ConnectionOf<T>,
) {
    connection.close().await;
    drop(connection);
    inner.update(|core, now| core.closed(&key, id, now));
    inner.changed.notify_waiters();
}

pub(super) async fn check_task<T: Transport>(
    inner: Arc<Inner<T>>,
    key: Key,
    id: ConnectionId,
    connection: ConnectionOf<T>,
    health: HealthConfig,
) {
    let limit = health.timeout;
    let judge = |outcome| inner.update(|core, now| core.checked(&key, id, outcome, now));
    let left = match &health.command {
        Some(command) => probe(&*connection, command, limit, judge).await,
        None => {
            judge(match tokio::time::timeout(limit, connection.ping()).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Error::Timeout { phase: Phase::Run, limit, reached: Reached::Unknown, source: None }),
            });
            Left::Free
        }
    };
    drop(connection);
    inner.update(|core, now| core.check_over(&key, id, left, now));
}

/// Looks after idle and old connections; ends when there is nothing to look after.
pub(super) async fn sweep_task<T: Transport>(inner: Arc<Inner<T>>) {
    let pool = Arc::downgrade(&inner);
    drop(inner);
    while let Some(inner) = pool.upgrade() {
        let next = {
            let mut state = inner.state.lock();
            let next = state.core.sweep(Instant::now());
            inner.perform(&mut state);
            state.sweeping = next.is_some();
            next
        };
        inner.events.wake();
        inner.recall_leases();
        let Some(next) = next else { return };
        // Holding the pool here keeps it alive no longer than its own connections do.
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = inner.deadline.notified() => {}
        }
    }
}
