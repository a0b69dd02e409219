use std::time::Duration;

use tokio::time::Instant;

use super::Backoff;

/// Stops knocking at a door that stays shut.
///
/// After a few failures in a row it opens: callers are refused at once instead of being sent to a server that refuses
/// them anyway, or that punishes the attempt (sshd's `PerSourcePenalties`). When its pause is over it lets a single
/// attempt through; that one's success closes it, its failure opens it for longer.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    failures: u32,
    refusals: u32,
    opened: u32,
    open_until: Option<Instant>,
    last_failure: Option<Instant>,
    probing: bool,
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The server refused who we are: trying again cannot help and may be punished.
    Refused,
    /// The server could not be reached or broke off.
    Unreachable,
}

/// Failed logins in a row, after which the breaker opens.
const MAX_REFUSALS: u32 = 3;
/// Failed attempts of any kind in a row, after which it opens.
const MAX_FAILURES: u32 = 5;
/// How long it stays open after failed logins: doubling from one opening to the next.
const PAUSE: Backoff = Backoff::exponential(Duration::from_secs(5), Duration::from_secs(60));
/// The same where the server was not to be reached: it may only be starting, and knocking does it no harm.
const SHORT_PAUSE: Backoff = Backoff::exponential(Duration::from_secs(1), Duration::from_secs(5));

impl Breaker {
    /// May an attempt be made now? When not: for how long not.
    pub fn check(&self, now: Instant) -> Result<(), Duration> {
        match self.open_until {
            Some(until) if until > now => Err(until - now),
            // Half open: one attempt is under way, and its outcome decides.
            Some(_) if self.probing => Err(Duration::ZERO),
            _ => Ok(()),
        }
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// An attempt begins.
    pub fn on_attempt(&mut self) {
        self.probing = self.open_until.is_some();
    }

    pub fn on_success(&mut self) {
        *self = Self::default();
    }

    /// An attempt failed. Answers whether that opened the breaker.
    pub fn on_failure(&mut self, blame: Blame, now: Instant) -> bool {
        self.failures += 1;
        self.last_failure = Some(now);
        self.refusals = if blame == Blame::Refused { self.refusals + 1 } else { 0 };
        let was_probing = std::mem::take(&mut self.probing);
        let opens = was_probing || self.refusals >= MAX_REFUSALS || self.failures >= MAX_FAILURES;
        if opens {
            self.opened += 1;
            let pause = if blame == Blame::Refused { PAUSE } else { SHORT_PAUSE };
            self.open_until = Some(now + pause.ceiling(self.opened));
        }
        opens
    }

    /// Nothing worth remembering: no failure since the last success, or so long ago that it tells nothing.
    pub fn is_pristine(&self, now: Instant) -> bool {
        [self.last_failure, self.open_until].into_iter().flatten().all(|at| now > at + PAUSE.max)
    }

    pub fn is_open(&self, now: Instant) -> bool {
        self.open_until.is_some_and(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(times: u32, blame: Blame, now: Instant) -> (Breaker, bool) {
        let mut breaker = Breaker::default();
        let mut opened = false;
        for _ in 0..times {
            breaker.on_attempt();
            opened = breaker.on_failure(blame, now);
        }
        (breaker, opened)
    }

    #[test]
    fn three_refused_logins_open_it_and_five_failures_of_any_kind() {
        let now = Instant::now();
        assert!(!failed(2, Blame::Refused, now).1);
        assert!(failed(3, Blame::Refused, now).1);
        assert!(!failed(4, Blame::Unreachable, now).1);
        assert!(failed(5, Blame::Unreachable, now).1);
    }

    #[test]
    fn refuses_until_its_pause_is_over() {
        let now = Instant::now();
        let (breaker, _) = failed(3, Blame::Refused, now);
        assert_eq!(breaker.check(now + Duration::from_secs(1)), Err(Duration::from_secs(4)));
        assert_eq!(breaker.check(now + Duration::from_secs(5)), Ok(()));
    }

    #[test]
    fn half_open_it_lets_one_attempt_through() {
        let now = Instant::now();
        let (mut breaker, _) = failed(3, Blame::Refused, now);
        let later = now + Duration::from_secs(6);
        breaker.on_attempt();
        assert_eq!(breaker.check(later), Err(Duration::ZERO));
        breaker.on_success();
        assert_eq!(breaker.check(later), Ok(()));
        assert!(breaker.is_pristine(later));
    }

    #[test]
    fn a_failed_probe_opens_it_for_longer() {
        let now = Instant::now();
        let (mut breaker, _) = failed(3, Blame::Refused, now);
        let later = now + Duration::from_secs(6);
        breaker.on_attempt();
        assert!(breaker.on_failure(Blame::Refused, later));
        assert_eq!(breaker.check(later), Err(Duration::from_secs(10)));
    }

    #[test]
    fn old_failures_are_forgotten() {
        let now = Instant::now();
        let (breaker, _) = failed(5, Blame::Unreachable, now);
        assert!(!breaker.is_pristine(now + Duration::from_secs(30)));
        assert!(breaker.is_pristine(now + Duration::from_secs(66)));
        let (one, _) = failed(1, Blame::Refused, now);
        assert!(!one.is_pristine(now) && one.is_pristine(now + Duration::from_secs(61)));
    }
}
