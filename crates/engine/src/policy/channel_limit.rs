/// How many channels one connection carries at once, learned from the server's refusals.
///
/// It starts at the configured ceiling (sshd's `MaxSessions` is 10, so 8 by default). A refusal while `n` channels were
/// open proves the server's limit is at most about `n`: the limit falls there, and at least by one. After a run of
/// successes at the limit it probes one higher; every refusal doubles the length of the run that the next probe needs, so
/// a server with a small `MaxSessions` is asked for too much ever more rarely.
#[derive(Debug, Clone, Copy)]
pub struct ChannelLimit {
    ceiling: usize,
    current: usize,
    successes: u32,
    probe_after: u32,
}

const FIRST_PROBE: u32 = 64;
const LAST_PROBE: u32 = 4096;

impl ChannelLimit {
    /// A limit that starts at `current` (what a sister connection has learned) and never exceeds `ceiling`.
    pub fn new(ceiling: usize, current: usize) -> Self {
        let ceiling = ceiling.max(1);
        Self { ceiling, current: current.clamp(1, ceiling), successes: 0, probe_after: FIRST_PROBE }
    }

    pub fn current(&self) -> usize {
        self.current
    }

    /// The server refused a channel while `others` were open.
    pub fn on_refused(&mut self, others: usize) {
        self.current = others.min(self.current.saturating_sub(1)).max(1);
        self.successes = 0;
        self.probe_after = self.probe_after.saturating_mul(2).min(LAST_PROBE);
    }

    /// A channel was opened while the limit was the thing that held others back.
    pub fn on_opened_at_limit(&mut self) {
        if self.current >= self.ceiling {
            return;
        }
        self.successes += 1;
        if self.successes >= self.probe_after {
            self.current += 1;
            self.successes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_refusals_converges_on_the_servers_limit() {
        // MaxSessions 2, eight opened at once: two succeed, six are refused one after the other.
        let mut limit = ChannelLimit::new(8, 8);
        for others in (2..8).rev() {
            limit.on_refused(others);
        }
        assert_eq!(limit.current(), 2);
    }

    #[test]
    fn never_falls_below_one() {
        let mut limit = ChannelLimit::new(8, 8);
        for _ in 0..20 {
            limit.on_refused(0);
        }
        assert_eq!(limit.current(), 1);
    }

    #[test]
    fn probes_higher_after_a_run_of_successes_and_more_rarely_after_each_refusal() {
        let mut limit = ChannelLimit::new(8, 8);
        limit.on_refused(7);
        let run = |limit: &mut ChannelLimit| {
            let before = limit.current();
            (1..)
                .find(|_| {
                    limit.on_opened_at_limit();
                    limit.current() > before
                })
                .unwrap()
        };
        assert_eq!(run(&mut limit), 128);
        limit.on_refused(7);
        assert_eq!(run(&mut limit), 256);
        assert_eq!(limit.current(), 8);
    }

    #[test]
    fn stays_at_its_ceiling() {
        let mut limit = ChannelLimit::new(3, 9);
        for _ in 0..1000 {
            limit.on_opened_at_limit();
        }
        assert_eq!(limit.current(), 3);
    }
}
