use std::time::Duration;

/// How long to wait before attempt `n + 1` after `n` failures: doubling from `initial` up to `max`.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    pub initial: Duration,
    pub max: Duration,
}

impl Backoff {
    /// The delay after `failures` failures in a row; none after zero.
    pub fn delay(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings.min(31)).unwrap_or(u32::MAX);
        self.initial.saturating_mul(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(5), max: Duration::from_millis(100) };

    #[test]
    fn doubles_up_to_the_maximum() {
        let delays: Vec<u128> = (0..8).map(|n| BACKOFF.delay(n).as_millis()).collect();
        assert_eq!(delays, [0, 5, 10, 20, 40, 80, 100, 100]);
    }

    #[test]
    fn never_overflows() {
        assert_eq!(BACKOFF.delay(u32::MAX), BACKOFF.max);
    }
}
