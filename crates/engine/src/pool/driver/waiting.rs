use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Answer, ConnectionOf, Inner, Request, State};
use crate::error::{Cause, Error, Reached};
use crate::pool::core::Grant;
use crate::pool::key::Key;
use crate::pool::lease::Home;
use crate::pool::permit::Permit;
use crate::pool::queue::Place;
use crate::transport::Transport;

pub(super) fn grant_to_waiter<T: Transport>(state: &mut State<T>, key: &Key, grant: Grant<ConnectionOf<T>>) {
    let id = grant.id;
    let undelivered = match state.waiters.remove(&grant.place.ticket()) {
        Some(waiter) => waiter.send(Ok(grant)).is_err(),
        None => true,
    };
    if undelivered {
        // The caller left between its grant and now; the next one in line gets it.
        state.core.release_unused(key, id, Instant::now());
    }
}

pub(super) enum Asked<T: Transport> {
    Granted(Permit<T>),
    Waiting(Waiting<T>),
}

/// A caller in the queue. Leaves it when dropped.
pub(super) struct Waiting<T: Transport> {
    inner: Arc<Inner<T>>,
    key: Key,
    place: Place,
    lease: Option<Weak<Home<T>>>,
    answer: oneshot::Receiver<Answer<T>>,
}

impl<T: Transport> Waiting<T> {
    pub(super) fn new(inner: &Arc<Inner<T>>, request: &Request<T>, place: Place) -> Self {
        Self::registered(inner, request, place, &mut inner.state.lock())
    }

    pub(super) fn registered(inner: &Arc<Inner<T>>, request: &Request<T>, place: Place, state: &mut State<T>) -> Self {
        let (sender, answer) = oneshot::channel();
        state.waiters.insert(place.ticket(), sender);
        let (key, lease) = (request.key.clone(), request.lease.clone());
        Self { inner: Arc::clone(inner), key, place, lease, answer }
    }

    pub(super) async fn outcome(mut self, limit: Option<Duration>) -> Result<Permit<T>, Error> {
        let answered = match limit {
            None => Some((&mut self.answer).await),
            Some(limit) => tokio::time::timeout(limit, &mut self.answer).await.ok(),
        };
        match answered {
            Some(Ok(Ok(grant))) => {
                let permit = Permit::new(Arc::clone(&self.inner), self.key.clone(), grant);
                Ok(permit.lent_by(self.lease.as_ref()))
            }
            Some(Ok(Err(error))) => Err(error),
            // The sender lives in the pool's state, which outlives every waiter.
            Some(Err(_)) => Err(Error::Internal { what: "the pool's queue" }),
            None => Err(self.timed_out(limit.unwrap_or_default())),
        }
    }

    /// The error of a caller whose wait ran out; it carries what the last failed dial said, if there was one.
    fn timed_out(&self, limit: Duration) -> Error {
        let (phase, source) = self.inner.update(|core, _| {
            core.count_acquire_timeout();
            let source = core.last_dial_error(&self.key).map(|error| Arc::new(error) as Cause);
            (core.waiting_phase(&self.key), source)
        });
        Error::Timeout { phase, limit, reached: Reached::No, source }
    }
}

impl<T: Transport> Drop for Waiting<T> {
    fn drop(&mut self) {
        self.answer.close();
        // A grant that was sent and not picked up goes to the next in line.
        let undelivered = self.answer.try_recv();
        let (inner, key, place) = (Arc::clone(&self.inner), &self.key, self.place);
        let mut state = inner.state.lock();
        if state.waiters.remove(&place.ticket()).is_some() {
            state.core.cancel(key, place, Instant::now());
        }
        if let Ok(Ok(grant)) = undelivered {
            state.core.release_unused(key, grant.id, Instant::now());
        }
        inner.perform(&mut state);
        drop(state);
        inner.events.wake();
    }
}
