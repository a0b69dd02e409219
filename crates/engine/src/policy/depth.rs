use std::time::Duration;

/// How many requests of one transfer are on the way at a time.
///
/// A line is full when a request waits longer than it takes to travel. Until then one more is added for each answer,
/// which doubles the depth in each round trip; on a fast line it stays small, so that memory and caches do.
#[derive(Debug, Clone, Copy)]
pub struct Depth {
    now: usize,
    most: usize,
    /// The fastest answer so far: the line with nothing on it, as far as anybody can tell.
    fastest: Option<Duration>,
}

/// How much longer than the fastest an answer may take before the line counts as full.
const FULL: u32 = 2;

impl Depth {
    pub fn new(first: usize, most: usize) -> Self {
        Self { now: first.clamp(1, most.max(1)), most: most.max(1), fastest: None }
    }

    pub fn get(&self) -> usize {
        self.now
    }

    /// An answer came `after` its request was made; `full`: as many were on the way as may be.
    pub fn on_answer(&mut self, after: Duration, full: bool) {
        let fastest = self.fastest.map_or(after, |fastest| fastest.min(after));
        self.fastest = Some(fastest);
        if full && after <= fastest * FULL {
            self.now = (self.now + 1).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that holds `travel` and passes one request in `each`: what its depth becomes.
    fn settled(travel: Duration, each: Duration, first: usize, most: usize) -> usize {
        let mut depth = Depth::new(first, most);
        for _ in 0..1000 {
            let waiting = each * u32::try_from(depth.get()).unwrap();
            depth.on_answer(travel.max(waiting), true);
        }
        depth.get()
    }

    #[test]
    fn grows_until_a_long_line_is_full_and_not_much_further() {
        let long = settled(Duration::from_millis(50), Duration::from_millis(1), 8, 256);
        assert!((50..=101).contains(&long), "{long}");
    }

    #[test]
    fn stays_small_on_a_short_line() {
        assert!(settled(Duration::from_micros(100), Duration::from_millis(1), 8, 256) <= 17);
    }

    #[test]
    fn has_an_end_and_a_beginning() {
        assert_eq!(settled(Duration::from_secs(1), Duration::ZERO, 8, 64), 64);
        assert_eq!(Depth::new(0, 0).get(), 1);
        assert_eq!(Depth::new(8, 4).get(), 4);
    }

    #[test]
    fn requests_that_the_caller_held_back_prove_nothing() {
        let mut depth = Depth::new(8, 64);
        for _ in 0..100 {
            depth.on_answer(Duration::from_millis(1), false);
        }
        assert_eq!(depth.get(), 8);
    }
}
