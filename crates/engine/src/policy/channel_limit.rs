/// How many channels one connection carries at once, learned from the server's refusals.
///
/// It starts at the configured ceiling (sshd's `MaxSessions` is 10, so 8 by default). A refusal while `n` channels were
/// open proves the server's limit is at most about `n`: the limit falls there, and at least by one.
///
/// Unless more than `n` have already been open at once: then the server has only not freed a slot yet whose CLOSE it has
/// sent (OpenSSH does that under many short commands). Nothing is learned then, a few times in a row, but up to a quarter
/// of the channels are held back until things have been calm for a while.
///
/// After a run of successes at the limit it probes one higher; every lowering doubles the length of the run that the next
/// probe needs, so a server with a small `MaxSessions` is asked for too much ever more rarely.
#[derive(Debug, Clone, Copy)]
pub struct ChannelLimit {
    ceiling: usize,
    current: usize,
    /// Channels that have been open at once.
    proven: usize,
    /// Refusals in a row that taught nothing.
    late: u32,
    /// Channels held back for now, because the server is late in freeing slots.
    held_back: usize,
    /// Channels that ended since `held_back` changed.
    calm: u32,
    successes: u32,
    probe_after: u32,
    /// Nothing has ended since the limit was lowered.
    just_lowered: bool,
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalVerdict {
    /// The limit was too high and has been lowered.
    Lowered,
    /// The server is late in freeing a slot: ask again in a moment.
    Late,
}

const MAX_LATE: u32 = 4;
/// Endings without a late refusal after which one more channel is dared again.
const CALM: u32 = 64;
const FIRST_PROBE: u32 = 64;
const LAST_PROBE: u32 = 4096;

impl ChannelLimit {
    /// A limit that starts at `current` (what a sister connection has learned) and never exceeds `ceiling`.
    pub fn new(ceiling: usize, current: usize) -> Self {
        let ceiling = ceiling.max(1);
        let current = current.clamp(1, ceiling);
        Self {
            ceiling,
            current,
            proven: 0,
            late: 0,
            held_back: 0,
            calm: 0,
            successes: 0,
            probe_after: FIRST_PROBE,
            just_lowered: false,
        }
    }

    pub fn current(&self) -> usize {
        self.current.saturating_sub(self.held_back).max(1)
    }

    /// The limit the server has shown to have, for sister connections; `None` while it has shown none. What is only held
    /// back for now does not count.
    pub fn learned(&self) -> Option<usize> {
        (self.current < self.ceiling).then_some(self.current)
    }

    /// The server refused a channel while `others` were open.
    pub fn on_refused(&mut self, others: usize) -> RefusalVerdict {
        if others < self.proven && self.late < MAX_LATE {
            self.late += 1;
            self.calm = 0;
            self.held_back = (self.held_back + 1).min(self.current / 4);
            return RefusalVerdict::Late;
        }
        // Late once too often: the proof no longer holds, and one less is tried. Never proven: the refusal is the proof.
        let believable = if others < self.proven { self.current } else { others };
        self.current = believable.min(self.current.saturating_sub(1)).max(1);
        self.proven = self.proven.min(self.current);
        self.late = 0;
        self.held_back = 0;
        self.successes = 0;
        // The refusals of one burst are one lesson.
        if !std::mem::replace(&mut self.just_lowered, true) {
            self.probe_after = self.probe_after.saturating_mul(2).min(LAST_PROBE);
        }
        RefusalVerdict::Lowered
    }

    /// A channel ended that had been open together with others, `open` in all; `wanted`: somebody was waiting.
    pub fn on_ended(&mut self, open: usize, wanted: bool) {
        self.proven = self.proven.max(open);
        self.just_lowered = false;
        self.late = 0;
        self.calm += 1;
        if self.calm >= CALM {
            self.calm = 0;
            self.held_back = self.held_back.saturating_sub(1);
        }
        if !wanted || open < self.current || self.current >= self.ceiling {
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
            assert_eq!(limit.on_refused(others), RefusalVerdict::Lowered);
        }
        assert_eq!(limit.current(), 2);
    }

    #[test]
    fn a_server_that_is_late_in_freeing_teaches_nothing() {
        let mut limit = ChannelLimit::new(8, 8);
        limit.on_ended(8, true);
        assert_eq!(limit.on_refused(7), RefusalVerdict::Late);
        assert_eq!(limit.current(), 7, "held back for a while");
        for _ in 0..CALM {
            limit.on_ended(7, true);
        }
        assert_eq!(limit.current(), 8);
    }

    #[test]
    fn being_late_again_and_again_is_a_lower_limit() {
        let mut limit = ChannelLimit::new(8, 8);
        limit.on_ended(8, true);
        let verdicts: Vec<_> = (0..=MAX_LATE).map(|_| limit.on_refused(3)).collect();
        assert_eq!(verdicts.last(), Some(&RefusalVerdict::Lowered));
        assert_eq!(limit.current(), 7);
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
                    limit.on_ended(before, true);
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
    fn does_not_probe_for_what_nobody_wants() {
        let mut limit = ChannelLimit::new(8, 4);
        for _ in 0..10_000 {
            limit.on_ended(4, false);
            limit.on_ended(3, true);
        }
        assert_eq!(limit.current(), 4);
    }

    #[test]
    fn stays_at_its_ceiling() {
        let mut limit = ChannelLimit::new(3, 9);
        for _ in 0..1000 {
            limit.on_ended(3, true);
        }
        assert_eq!(limit.current(), 3);
    }
}
