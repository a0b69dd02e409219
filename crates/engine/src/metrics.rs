//! How long things take: histograms that are written without a lock and read as plain snapshots.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets per doubling: neighbouring bounds are a factor of 2^(1/4) apart, so a quantile is off by a fifth at most.
const PER_DOUBLING: u32 = 4;
/// From 1 µs to 2^32 µs, a little over an hour.
const DOUBLINGS: u32 = 32;
const BUCKETS: usize = (PER_DOUBLING * DOUBLINGS) as usize + 2;

/// The bounds that are counted exactly, for systems that want cumulative counts.
pub const BOUNDS: [Duration; 14] = [
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(60),
];

/// Durations by size. Recording costs a few nanoseconds and never waits.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    /// Between one bound and the next.
    within: [AtomicU64; BOUNDS.len()],
    sum_nanos: AtomicU64,
    max_nanos: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            within: std::array::from_fn(|_| AtomicU64::new(0)),
            sum_nanos: AtomicU64::new(0),
            max_nanos: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    pub fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket_of(duration)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(within) = self.within.get(BOUNDS.partition_point(|bound| *bound < duration)) {
            within.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.max_nanos.fetch_max(nanos, Ordering::Relaxed);
    }

    /// What has been recorded so far. Recordings that happen meanwhile may or may not be in it.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let buckets: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        HistogramSnapshot {
            count: buckets.iter().sum(),
            sum: Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)),
            max: Duration::from_nanos(self.max_nanos.load(Ordering::Relaxed)),
            cumulative: running_sums(&self.within),
            buckets,
        }
    }

    pub fn reset(&self) {
        for bucket in self.buckets.iter().chain(&self.within) {
            bucket.store(0, Ordering::Relaxed);
        }
        self.sum_nanos.store(0, Ordering::Relaxed);
        self.max_nanos.store(0, Ordering::Relaxed);
    }
}

/// A histogram at one moment.
#[derive(Debug, Clone, Default)]
pub struct HistogramSnapshot {
    pub count: u64,
    pub sum: Duration,
    pub max: Duration,
    /// How many were at most as long as the bound of the same index in [`BOUNDS`].
    pub cumulative: Vec<u64>,
    buckets: Vec<u64>,
}

impl HistogramSnapshot {
    /// The value below which the share `q` (0 to 1) of all recordings lies; zero when there are none. It is a bucket's
    /// upper bound, so up to a fifth too high, and never above the largest value recorded.
    pub fn quantile(&self, q: f64) -> Duration {
        let rank = (q.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_bound(index).min(self.max);
            }
        }
        Duration::ZERO
    }
}

fn running_sums(counts: &[AtomicU64]) -> Vec<u64> {
    let add = |sum: &mut u64, count: &AtomicU64| {
        *sum += count.load(Ordering::Relaxed);
        Some(*sum)
    };
    counts.iter().scan(0, add).collect()
}

fn bucket_of(duration: Duration) -> usize {
    let micros = duration.as_secs_f64() * 1e6;
    if micros <= 1.0 {
        return 0;
    }
    let index = (micros.log2() * f64::from(PER_DOUBLING)).ceil() as usize;
    index.min(BUCKETS - 1)
}

fn upper_bound(bucket: usize) -> Duration {
    if bucket >= BUCKETS - 1 {
        return Duration::MAX;
    }
    Duration::from_secs_f64((bucket as f64 / f64::from(PER_DOUBLING)).exp2() / 1e6)
}

/// The durations a pool measures.
#[derive(Debug, Default)]
pub struct Metrics {
    /// From the first packet to authenticated.
    pub connect: Histogram,
    /// From asking for a permit to having it.
    pub wait: Histogram,
    /// From opening a channel to its end.
    pub run: Histogram,
    /// How long connections sat idle before they were used again.
    pub idle: Histogram,
}

impl Metrics {
    pub fn reset(&self) {
        for histogram in [&self.connect, &self.wait, &self.run, &self.idle] {
            histogram.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(millis: impl IntoIterator<Item = u64>) -> HistogramSnapshot {
        let histogram = Histogram::default();
        millis.into_iter().for_each(|ms| histogram.record(Duration::from_millis(ms)));
        histogram.snapshot()
    }

    #[test]
    fn quantiles_are_within_a_fifth_and_never_above_the_largest() {
        let snapshot = recorded(1..=1000);
        for (q, exact) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0)] {
            let measured = snapshot.quantile(q).as_secs_f64() * 1000.0;
            assert!((exact..=exact * 1.2).contains(&measured), "p{q}: {measured}");
        }
        assert_eq!(snapshot.quantile(1.0), Duration::from_millis(1000));
        assert_eq!((snapshot.count, snapshot.sum), (1000, Duration::from_millis(500_500)));
    }

    #[test]
    fn cumulative_counts_are_exact_at_their_bounds() {
        assert_eq!(recorded([1, 2, 25, 26, 60_000, 60_001]).cumulative, [1, 2, 2, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5]);
    }

    #[test]
    fn an_empty_one_is_all_zero() {
        let snapshot = recorded([]);
        assert_eq!((snapshot.quantile(0.5), snapshot.count, snapshot.max), (Duration::ZERO, 0, Duration::ZERO));
    }

    #[test]
    fn extremes_have_a_bucket() {
        let histogram = Histogram::default();
        histogram.record(Duration::ZERO);
        histogram.record(Duration::from_secs(1_000_000));
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.count, 2);
        assert_eq!(snapshot.quantile(1.0), Duration::from_secs(1_000_000));
        assert_eq!(snapshot.cumulative, [1; BOUNDS.len()]);
    }

    #[test]
    fn reset_starts_anew() {
        let metrics = Metrics::default();
        metrics.run.record(Duration::from_secs(1));
        metrics.reset();
        assert_eq!(metrics.run.snapshot().count, 0);
    }
}
