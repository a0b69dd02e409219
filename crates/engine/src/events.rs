//! What happened, for whoever listens.
//!
//! The engine writes events into a bounded [`EventBuffer`]; a listener is woken once per burst and drains it. An event of
//! a kind that nobody asked for is never built. When the buffer is full the oldest event is dropped and counted: the
//! engine never waits for a listener.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use crate::error::Error;
use crate::pool::{CloseReason, ConnectionId, Key};

/// The kinds, in the order of their bit in the mask. Bindings rely on this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EventKind {
    ConnectionCreated = 0,
    ConnectionReused = 1,
    ConnectionClosed = 2,
    ConnectionFailed = 3,
    ConnectionError = 4,
    PoolFull = 5,
    ConnectionIdle = 6,
    Acquire = 7,
    Queue = 8,
    Retire = 9,
    Cleanup = 10,
    Drain = 11,
    Reconnecting = 12,
    Reconnected = 13,
    Healthy = 14,
    Unhealthy = 15,
}

impl EventKind {
    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

#[derive(Debug, Clone)]
pub struct Event {
    pub kind: EventKind,
    pub at: SystemTime,
    /// `None` for events of the whole pool.
    pub key: Option<Key>,
    pub connection: Option<ConnectionId>,
    pub duration: Option<Duration>,
    pub reason: Option<CloseReason>,
    pub error: Option<Error>,
    /// Which attempt to reconnect, from 1.
    pub attempt: Option<u32>,
    /// How many connections a clean-up closed, and how many it left.
    pub cleaned: Option<(usize, usize)>,
}

impl Event {
    pub fn new(kind: EventKind, key: Option<&Key>) -> Self {
        Self {
            kind,
            at: SystemTime::now(),
            key: key.cloned(),
            connection: None,
            duration: None,
            reason: None,
            error: None,
            attempt: None,
            cleaned: None,
        }
    }

    pub fn connection(mut self, id: ConnectionId) -> Self {
        self.connection = Some(id);
        self
    }

    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    pub fn reason(mut self, reason: CloseReason) -> Self {
        self.reason = Some(reason);
        self
    }

    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = Some(attempt);
        self
    }

    pub fn error(mut self, error: Error) -> Self {
        self.error = Some(error);
        self
    }
}

/// Called when there is something to drain. Must not block and must not call back into the engine.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// Events the buffer holds before it drops the oldest.
const CAPACITY: usize = 16_384;

#[derive(Default)]
pub struct EventBuffer {
    mask: AtomicU32,
    events: Mutex<VecDeque<Event>>,
    dropped: AtomicU64,
    wake: Mutex<Option<Wake>>,
    wake_due: AtomicBool,
}

impl EventBuffer {
    /// Which kinds are wanted: one bit each.
    pub fn set_mask(&self, mask: u32) {
        self.mask.store(mask, Ordering::Release);
    }

    /// Replaces the wake-up; `None` silences it.
    pub fn set_wake(&self, wake: Option<Wake>) {
        *self.wake.lock() = wake;
    }

    /// Adds the event that `build` makes, if its kind is wanted. Wakes nobody: that is [`wake`](Self::wake)'s part, to be
    /// called after the pool's lock is released.
    pub fn emit(&self, kind: EventKind, build: impl FnOnce() -> Event) {
        if self.mask.load(Ordering::Acquire) & kind.bit() == 0 {
            return;
        }
        let event = build();
        let mut events = self.events.lock();
        if events.len() >= CAPACITY {
            events.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        events.push_back(event);
        self.wake_due.store(true, Ordering::Release);
    }

    /// Wakes the listener when something was added since the last wake-up or drain.
    pub fn wake(&self) {
        if self.wake_due.swap(false, Ordering::AcqRel)
            && let Some(wake) = self.wake.lock().as_ref()
        {
            wake();
        }
    }

    /// Takes all events, oldest first.
    pub fn drain(&self) -> Vec<Event> {
        self.events.lock().drain(..).collect()
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn emit(buffer: &EventBuffer, kind: EventKind) {
        buffer.emit(kind, || Event::new(kind, None));
    }

    #[test]
    fn unwanted_events_are_never_built() {
        let buffer = EventBuffer::default();
        buffer.set_mask(EventKind::PoolFull.bit());
        buffer.emit(EventKind::Cleanup, || unreachable!("nobody listens"));
        emit(&buffer, EventKind::PoolFull);
        assert_eq!(buffer.drain().len(), 1);
        assert_eq!(buffer.drain().len(), 0);
    }

    #[test]
    fn wakes_once_per_burst() {
        let buffer = EventBuffer::default();
        let woken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&woken);
        buffer.set_wake(Some(Box::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        })));
        buffer.set_mask(u32::MAX);
        emit(&buffer, EventKind::Queue);
        emit(&buffer, EventKind::Queue);
        buffer.wake();
        buffer.wake();
        assert_eq!(woken.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn drops_the_oldest_and_counts_it() {
        let buffer = EventBuffer::default();
        buffer.set_mask(u32::MAX);
        for _ in 0..CAPACITY + 3 {
            emit(&buffer, EventKind::Queue);
        }
        assert_eq!(buffer.drain().len(), CAPACITY);
        assert_eq!(buffer.dropped(), 3);
    }
}
