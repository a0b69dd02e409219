use std::time::Duration;

/// The lifetime of one connection: up to a tenth shorter than `max`, so that connections that were opened together do
/// not all close together. `seed` spreads them (a connection's number will do).
pub fn attenuated(max: Duration, seed: u64) -> Duration {
    // The multiplier of Knuth's multiplicative hash: neighbouring seeds land far apart.
    let spread = u32::try_from(seed.wrapping_mul(2_654_435_761) % 1000).unwrap_or(0);
    max - (max / 10_000) * spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_a_tenth_and_spreads() {
        let max = Duration::from_secs(3600);
        let lifetimes: Vec<Duration> = (0..100).map(|seed| attenuated(max, seed)).collect();
        assert!(lifetimes.iter().all(|life| *life <= max && *life >= max / 10 * 9));
        let distinct: std::collections::HashSet<_> = lifetimes.iter().collect();
        assert!(distinct.len() > 90);
    }
}
