use tokio::time::Instant;

use super::{Action, ConnectionId, Core};
use crate::error::Error;
use crate::events::EventKind;
use crate::policy::Health;
use crate::pool::key::Key;
use crate::pool::slot::CloseReason;
use crate::run::Left;

impl<C: Clone, T: Clone> Core<C, T> {
    /// Starts the checks that are due. Only idle connections are asked: a busy one proves itself.
    pub(super) fn start_checks(&mut self, now: Instant) {
        for (key, entry) in &mut self.entries {
            let Some(config) = &entry.config.health else { continue };
            for slot in &mut entry.slots {
                if !slot.is_ready() || slot.checking {
                    continue;
                }
                let health = slot.health.get_or_insert_with(|| Health::new(config.interval, now));
                if health.due() > now {
                    continue;
                }
                if slot.active > 0 {
                    health.on_pass(config.interval, now);
                    continue;
                }
                slot.checking = true;
                // Counts as a channel, which a check by command is: so nothing closes the connection meanwhile.
                slot.active += 1;
                let (key, connection) = (key.clone(), slot.connection.clone());
                self.actions.push(Action::Check { key, id: slot.id, connection, health: config.clone() });
            }
        }
    }

    /// A check has ended. A connection that failed too many in a row is replaced by a new one; if that cannot be made, it
    /// is simply gone.
    pub fn checked(&mut self, key: &Key, id: ConnectionId, outcome: Result<(), Error>, now: Instant) {
        let passed = outcome.is_ok();
        let Some(entry) = self.entries.get_mut(key) else { return };
        let config = entry.config.health.clone();
        let Some(slot) = entry.slots.iter_mut().find(|slot| slot.id == id) else { return };
        let mut unhealthy = false;
        if let (Some(health), Some(config)) = (&mut slot.health, config) {
            if passed {
                health.on_pass(config.interval, now);
            } else {
                slot.errors += 1;
                unhealthy = health.on_failure(config.failure_threshold, config.interval, now);
            }
        }
        self.deadline_moved = true;
        match outcome {
            Ok(()) => {
                self.counters.checks_passed += 1;
                self.emit(EventKind::Healthy, key, |event| event.connection(id));
            }
            Err(error) => {
                self.counters.checks_failed += 1;
                if unhealthy {
                    self.emit(EventKind::Unhealthy, key, |event| event.connection(id).error(error));
                    self.replace_unhealthy(key, id, now);
                }
            }
        }
    }

    /// A check has left the server: only now its channel is free.
    pub fn check_over(&mut self, key: &Key, id: ConnectionId, left: Left, now: Instant) {
        if let Some(slot) = self.slot_mut(key, id) {
            slot.checking = false;
        }
        self.deadline_moved = true;
        match left {
            Left::Free => self.return_unused(key, id, now),
            Left::Lost => self.suspect(key, id, now),
            Left::Stuck => self.abandon(key, id, now),
        }
    }

    fn replace_unhealthy(&mut self, key: &Key, id: ConnectionId, now: Instant) {
        self.retire(key, id, CloseReason::Unhealthy, now);
        if let Some(entry) = self.entries.get_mut(key) {
            let ready = entry.slots.iter().filter(|slot| slot.is_ready()).count();
            entry.lost = (ready == 0).then_some(now);
            entry.warm = entry.warm.max(ready + 1);
        }
    }
}
