use std::time::Duration;

use tokio::time::Instant;

/// The record of one connection's health checks.
#[derive(Debug, Clone, Copy)]
pub struct Health {
    failures: u32,
    next: Instant,
}

impl Health {
    /// A fresh connection is healthy; its first check is one interval away.
    pub fn new(interval: Duration, now: Instant) -> Self {
        Self { failures: 0, next: now + interval }
    }

    /// When to check next.
    pub fn due(&self) -> Instant {
        self.next
    }

    pub fn on_pass(&mut self, interval: Duration, now: Instant) {
        *self = Self::new(interval, now);
    }

    /// A check failed. Answers whether the connection is to be given up: `threshold` failures in a row.
    pub fn on_failure(&mut self, threshold: u32, interval: Duration, now: Instant) -> bool {
        self.failures += 1;
        self.next = now + interval;
        self.failures >= threshold.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    #[test]
    fn gives_up_after_the_threshold_in_a_row() {
        let now = Instant::now();
        let mut health = Health::new(INTERVAL, now);
        assert!(!health.on_failure(3, INTERVAL, now));
        assert!(!health.on_failure(3, INTERVAL, now));
        health.on_pass(INTERVAL, now);
        assert!(!health.on_failure(3, INTERVAL, now));
        assert!(!health.on_failure(3, INTERVAL, now));
        assert!(health.on_failure(3, INTERVAL, now));
    }

    #[test]
    fn is_due_one_interval_after_the_last_check() {
        let now = Instant::now();
        let mut health = Health::new(INTERVAL, now);
        assert_eq!(health.due(), now + INTERVAL);
        health.on_pass(INTERVAL, now + INTERVAL);
        assert_eq!(health.due(), now + INTERVAL * 2);
    }
}
