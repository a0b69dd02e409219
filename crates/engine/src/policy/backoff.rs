use std::time::Duration;

/// How delays grow from one failure to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// Doubling.
    Exponential,
    /// By the initial delay each time.
    Linear,
    Fixed,
}

/// How long to wait before attempt `n + 1` after `n` failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    pub initial: Duration,
    pub max: Duration,
    pub growth: Growth,
}

impl Backoff {
    pub const fn exponential(initial: Duration, max: Duration) -> Self {
        Self { initial, max, growth: Growth::Exponential }
    }

    /// The longest delay after `failures` failures in a row; none after zero.
    pub fn ceiling(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = match self.growth {
            Growth::Exponential => 1_u32.checked_shl(doublings.min(31)).unwrap_or(u32::MAX),
            Growth::Linear => failures,
            Growth::Fixed => 1,
        };
        self.initial.saturating_mul(factor).min(self.max)
    }

    /// The delay with full jitter: anywhere up to the ceiling. `random` is from 0 to 1. Callers that failed together must
    /// not come back together.
    pub fn jittered(&self, failures: u32, random: f64) -> Duration {
        self.ceiling(failures).mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(growth: Growth) -> Backoff {
        Backoff { initial: Duration::from_millis(5), max: Duration::from_millis(100), growth }
    }

    fn ceilings(growth: Growth) -> Vec<u128> {
        (0..8).map(|n| backoff(growth).ceiling(n).as_millis()).collect()
    }

    #[test]
    fn grows_up_to_the_maximum() {
        assert_eq!(ceilings(Growth::Exponential), [0, 5, 10, 20, 40, 80, 100, 100]);
        assert_eq!(ceilings(Growth::Linear), [0, 5, 10, 15, 20, 25, 30, 35]);
        assert_eq!(ceilings(Growth::Fixed), [0, 5, 5, 5, 5, 5, 5, 5]);
    }

    #[test]
    fn never_overflows() {
        for growth in [Growth::Exponential, Growth::Linear] {
            assert_eq!(backoff(growth).ceiling(u32::MAX), Duration::from_millis(100));
        }
    }

    #[test]
    fn jitter_covers_everything_up_to_the_ceiling() {
        let backoff = backoff(Growth::Exponential);
        assert_eq!(backoff.jittered(3, 0.0), Duration::ZERO);
        assert_eq!(backoff.jittered(3, 0.5), Duration::from_millis(10));
        assert_eq!(backoff.jittered(3, 1.0), Duration::from_millis(20));
    }
}
