use std::sync::atomic::{AtomicU64, Ordering};

/// A forward's figures so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ForwardStats {
    /// Client connections that came, whatever became of them.
    pub connections: u64,
    /// Of those, the ones that are open now.
    pub active: u64,
    /// Of those, the ones whose other end could not be reached, and those that were cut off because they did not read.
    pub failed: u64,
    /// Bytes that came from the server.
    pub bytes_in: u64,
    /// Bytes that went to the server.
    pub bytes_out: u64,
    /// Times the lost connection was made again.
    pub reconnects: u64,
}

/// The same while it changes. The figures are independent of each other, so no order between them is kept.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicU64,
    active: AtomicU64,
    failed: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    reconnects: AtomicU64,
}

impl Counters {
    pub fn snapshot(&self) -> ForwardStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ForwardStats {
            connections: read(&self.connections),
            active: read(&self.active),
            failed: read(&self.failed),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            reconnects: read(&self.reconnects),
        }
    }

    /// A client connection; it is active until the guard is dropped.
    pub fn begin(&self) -> Active<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.active.fetch_add(1, Ordering::Relaxed);
        Active(self)
    }

    pub fn count_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_in(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn count_out(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn count_reconnect(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }
}

/// One open client connection.
pub struct Active<'a>(&'a Counters);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}
