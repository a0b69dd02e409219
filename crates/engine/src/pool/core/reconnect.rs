use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Action, Core};
use crate::error::{DialFailure, Error};
use crate::events::EventKind;
use crate::policy::{Backoff, Blame, Breaker};
use crate::pool::key::Key;

/// Between attempts to add a connection while another one serves the key, and for connections kept ready.
const GROWTH_BACKOFF: Backoff = Backoff::exponential(Duration::from_millis(500), Duration::from_secs(30));
/// Between attempts at a server that hangs up on newcomers. No command was refused by that, so no caller should notice.
const THROTTLE_BACKOFF: Backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(2));
/// How often in a row that may happen before it counts as any other failure.
const MAX_THROTTLED: u32 = 8;

impl<C: Clone, T: Clone> Core<C, T> {
    /// Refuses a caller while the breaker is open and nothing else serves the key.
    pub(super) fn refuse_if_broken(&mut self, key: &Key, now: Instant) -> Result<(), Error> {
        let Some(entry) = self.entries.get(key) else { return Ok(()) };
        let attempt_coming = entry.dials > 0 || entry.redial_at.is_some_and(|at| at > now) || !entry.queue.is_empty();
        if entry.is_served() || attempt_coming {
            return Ok(());
        }
        entry.breaker.check(now).map_err(|retry_in| Error::BreakerOpen {
            host: key.host().to_owned(),
            port: key.port(),
            retry_in,
            failures: entry.breaker.failures(),
            source: entry.last_dial_error.clone().map(Arc::new),
        })
    }

    /// An attempt succeeded: all is forgiven.
    pub(super) fn note_connected(&mut self, key: &Key) {
        let most = self.config.max_handshakes_per_host;
        if let Some(host) = self.hosts.get_mut(key.endpoint())
            && host.handshakes != 0
        {
            // One more newcomer at a time, until it is as configured.
            host.handshakes = (host.handshakes + 1) % most.max(1);
        }
        let Some(entry) = self.entries.get_mut(key) else { return };
        let reconnected = entry.lost.is_some() || (entry.dial_failures > 0 && !entry.is_served());
        entry.dial_failures = 0;
        entry.throttled = 0;
        entry.redial_at = None;
        entry.growth_paused_until = None;
        entry.last_dial_error = None;
        entry.proven = true;
        entry.lost = None;
        entry.breaker = Breaker::default();
        if reconnected {
            self.counters.reconnected += 1;
            self.emit(EventKind::Reconnected, key, |event| event);
        }
    }

    /// An attempt failed. Another one follows where that can help; else, if nothing serves the key, everybody who waits
    /// gets the error: that was the attempt their call was worth.
    pub(super) fn after_failure(&mut self, key: &Key, error: Error, now: Instant) {
        let failure = error.dial_failure();
        if failure == DialFailure::Throttled {
            self.be_patient(key);
        }
        let random = self.random.sample();
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.last_dial_error = Some(error.clone());
        entry.dial_failures = entry.dial_failures.saturating_add(1);
        let open = match failure {
            DialFailure::Refused => entry.breaker.on_failure(Blame::Refused, now),
            DialFailure::Unreachable => entry.breaker.on_failure(Blame::Unreachable, now),
            DialFailure::Ours | DialFailure::Throttled => false,
        };
        // Without pooling nothing serves anybody else: each caller's dial is its own.
        if entry.config.enabled && (entry.is_served() || entry.dials > 0) {
            entry.growth_paused_until = Some(now + GROWTH_BACKOFF.ceiling(entry.dial_failures));
            self.deadline_moved = true;
            return;
        }
        let reconnect = entry.config.reconnect;
        let retry = match failure {
            DialFailure::Throttled if entry.throttled < MAX_THROTTLED => {
                entry.throttled += 1;
                Some(THROTTLE_BACKOFF.jittered(entry.throttled, random))
            }
            DialFailure::Throttled | DialFailure::Unreachable
                if !open && (entry.proven || reconnect.first) && entry.dial_failures <= reconnect.max_retries =>
            {
                Some(reconnect.backoff.jittered(entry.dial_failures, random))
            }
            _ => None,
        };
        if let Some(delay) = retry {
            entry.redial_at = Some(now + delay);
        } else {
            self.give_up(key, &error, now);
        }
        self.deadline_moved = true;
    }

    /// The server has as many newcomers as it wants: fewer at once from now on.
    fn be_patient(&mut self, key: &Key) {
        let most = self.config.max_handshakes_per_host;
        if let Some(host) = self.hosts.get_mut(key.endpoint()) {
            let now = if host.handshakes == 0 { most } else { host.handshakes };
            host.handshakes = (now / 2).max(1);
        }
    }

    fn give_up(&mut self, key: &Key, error: &Error, now: Instant) {
        let random = self.random.sample();
        let Some(entry) = self.entries.get_mut(key) else { return };
        // Without pooling every caller has a dial of its own: one failure answers one caller.
        let answered: Vec<_> = if entry.config.enabled {
            entry.queue.drain().collect()
        } else {
            entry.queue.pop_front().into_iter().collect()
        };
        entry.warm = 0;
        // Connections kept ready are tried for in the background, ever more rarely; callers start afresh.
        let delay = GROWTH_BACKOFF.jittered(entry.dial_failures, random);
        entry.redial_at = entry.keeps_trying().then(|| now + delay);
        if entry.redial_at.is_none() {
            entry.dial_failures = 0;
            entry.throttled = 0;
        }
        let rejects =
            answered.into_iter().map(|(place, _)| Action::Reject { ticket: place.ticket(), error: error.clone() });
        self.actions.extend(rejects);
    }
}
