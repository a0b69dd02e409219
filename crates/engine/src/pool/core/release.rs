use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{ConnectionId, Core, Entry, Mode};
use crate::error::Error;
use crate::events::EventKind;
use crate::policy::{Backoff, RefusalVerdict};
use crate::pool::config::HostConfig;
use crate::pool::key::Key;
use crate::pool::queue::Place;
use crate::pool::slot::{CloseReason, SlotState};

/// For a server that is late in freeing a slot: ask again in a moment.
const REFUSAL_BACKOFF: Backoff = Backoff::exponential(Duration::from_millis(2), Duration::from_millis(100));
/// Refusals while no channel was open at all, without a success in between, after which the server is believed.
const MAX_LONE_REFUSALS: u32 = 8;

/// What becomes of a caller whose channel the server refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Back in the queue, at the place it had.
    Requeued,
    /// This server opens no channel at all.
    GiveUp,
}

impl<C: Clone, T: Clone> Core<C, T> {
    /// A channel has ended and the server has freed it.
    pub fn release(&mut self, key: &Key, id: ConnectionId, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let contended = !entry.queue.is_empty();
        let Some(slot) = entry.slots.iter_mut().find(|slot| slot.id == id) else { return };
        slot.refusals_in_a_row = 0;
        slot.lone_refusals = 0;
        let learned = slot.limit.learned();
        slot.limit.on_ended(slot.sessions(), contended);
        if slot.limit.learned() != learned {
            entry.learned = slot.limit.learned();
        }
        self.return_permit(key, id, now);
    }

    /// The permit comes back unused: its holder gave up before it opened a channel.
    pub fn release_unused(&mut self, key: &Key, id: ConnectionId, now: Instant) {
        self.return_permit(key, id, now);
    }

    /// The server refused a channel, which proves that the command never ran. The connection's limit falls and the caller
    /// goes back to the front of the queue.
    pub fn refused(
        &mut self,
        key: &Key,
        id: ConnectionId,
        place: Place,
        (target, config): (&T, &Arc<HostConfig>),
        now: Instant,
    ) -> Refusal {
        self.counters.refusals += 1;
        let mut verdict = Refusal::Requeued;
        if let Some(entry) = self.entries.get_mut(key)
            && let Some(slot) = entry.slots.iter_mut().find(|slot| slot.id == id)
        {
            let others = slot.sessions().saturating_sub(1);
            let lowered = slot.limit.on_refused(others) == RefusalVerdict::Lowered;
            slot.errors += 1;
            // Channels that were asked for together are refused together: that is one refusal, not many.
            slot.refusals_in_a_row += u32::from(slot.cool_until.is_none_or(|until| until <= now));
            slot.lone_refusals += u32::from(others == 0);
            entry.learned = slot.limit.learned();
            // With others open and a lower limit, the next permit comes when one of them ends. Else only time helps.
            if others == 0 || !lowered {
                slot.cool_until = Some(now + REFUSAL_BACKOFF.ceiling(slot.refusals_in_a_row));
                self.deadline_moved = true;
            }
            if slot.lone_refusals >= MAX_LONE_REFUSALS {
                verdict = Refusal::GiveUp;
            }
        }
        if verdict == Refusal::GiveUp {
            self.retire(key, id, CloseReason::ChannelsRefused, now);
        } else {
            self.requeue(key, target, config, place, now);
        }
        self.return_permit(key, id, now);
        verdict
    }

    /// The server never closed this channel. The connection takes no new ones and closes when the healthy ones end.
    pub fn abandon(&mut self, key: &Key, id: ConnectionId, now: Instant) {
        if let Some(slot) = self.slot_mut(key, id) {
            slot.errors += 1;
        }
        self.retire(key, id, CloseReason::Quarantined, now);
        self.return_permit(key, id, now);
    }

    /// The holder of a permit wants nothing more to do with this connection.
    pub fn dismiss(&mut self, key: &Key, id: ConnectionId, now: Instant) {
        self.retire(key, id, CloseReason::Removed, now);
        self.return_permit(key, id, now);
    }

    /// A channel on this connection may hold up its siblings: it takes no new ones, and closes when the last one ends.
    pub fn set_aside(&mut self, key: &Key, id: ConnectionId, now: Instant) {
        self.retire(key, id, CloseReason::Quarantined, now);
        self.dispatch(key, now);
    }

    /// Is at most one permit of this connection out?
    pub fn is_alone(&self, key: &Key, id: ConnectionId) -> bool {
        let slots = self.entries.get(key).map(|entry| entry.slots.as_slice()).unwrap_or_default();
        slots.iter().all(|slot| slot.id != id || slot.active <= 1)
    }

    /// May a permit stay with its lease? Not on a connection that is to be closed, nor while the pool empties itself.
    pub fn keeps(&self, key: &Key, id: ConnectionId) -> bool {
        let ready = |entry: &Entry<C, T>| entry.slots.iter().any(|slot| slot.id == id && slot.is_ready());
        self.mode == Mode::Open && self.entries.get(key).is_some_and(ready)
    }

    /// The connection was dead before the channel opened: the caller waits for another one, at the place it had.
    pub fn replace(
        &mut self,
        key: &Key,
        id: ConnectionId,
        place: Place,
        (target, config): (&T, &Arc<HostConfig>),
        now: Instant,
    ) {
        self.requeue(key, target, config, place, now);
        self.suspect(key, id, now);
    }

    /// A command found the connection dead, perhaps before the connection's own end was noticed.
    pub fn suspect(&mut self, key: &Key, id: ConnectionId, now: Instant) {
        self.retire(key, id, CloseReason::Dead, now);
        // What is opened next is a reconnect, though the connection's own end may be told after that.
        if let Some(entry) = self.entries.get_mut(key)
            && !entry.is_served()
            && entry.slots.iter().any(|slot| slot.id == id && slot.is_dead())
        {
            entry.lost.get_or_insert(now);
        }
        self.return_permit(key, id, now);
    }

    /// The connection has ended by itself.
    pub fn lost(&mut self, key: &Key, id: ConnectionId, error: Option<Error>, now: Instant) {
        if let Some(slot) = self.slot_mut(key, id)
            && slot.is_ready()
        {
            slot.state = SlotState::Closing(CloseReason::Dead);
        }
        if let Some(error) = error {
            self.counters.lost += 1;
            self.emit(EventKind::ConnectionError, key, |event| event.connection(id).error(error));
        }
        self.closed(key, id, now);
    }

    /// The connection is closed; its room is free.
    pub fn closed(&mut self, key: &Key, id: ConnectionId, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let Some(index) = entry.slots.iter().position(|slot| slot.id == id) else { return };
        let slot = entry.slots.swap_remove(index);
        let reason = match slot.state {
            SlotState::Ready => CloseReason::Dead,
            SlotState::Retiring(reason) | SlotState::Closing(reason) => reason,
        };
        if reason == CloseReason::Dead && !entry.is_served() {
            entry.lost = Some(now);
        }
        self.counters.closed += 1;
        self.give_back_room(key);
        let lived = now.saturating_duration_since(slot.created);
        self.emit(EventKind::ConnectionClosed, key, |event| event.connection(id).reason(reason).duration(lived));
        // Those who waited for this room before the key that had it, or a busy key would keep it for ever.
        self.feed_starved(now);
        self.dispatch(key, now);
    }

    pub(super) fn return_permit(&mut self, key: &Key, id: ConnectionId, now: Instant) {
        if let Some(slot) = self.slot_mut(key, id) {
            slot.last_used = now;
        }
        self.return_unused(key, id, now);
    }

    /// As [`return_permit`](Self::return_permit), by something that was no use: idle time goes on counting.
    pub(super) fn return_unused(&mut self, key: &Key, id: ConnectionId, now: Instant) {
        let config = self.entries.get(key).map(|entry| Arc::clone(&entry.config));
        let pooling = config.as_ref().is_some_and(|config| config.enabled);
        let Some(slot) = self.slot_mut(key, id) else {
            // The connection ended first; whoever waits may need another one.
            return self.dispatch(key, now);
        };
        slot.active = slot.active.saturating_sub(1);
        let emptied = slot.active == 0;
        if emptied {
            match slot.state {
                SlotState::Retiring(reason) => self.close_slot(key, id, reason, now),
                SlotState::Ready if !pooling => self.retire(key, id, CloseReason::PoolingDisabled, now),
                SlotState::Ready => {
                    if let Some(timeout) = config.and_then(|config| config.idle_timeout) {
                        self.note_deadline(now + timeout);
                    }
                }
                SlotState::Closing(_) => {}
            }
        }
        self.dispatch(key, now);
        self.retire_if_draining(key, id, now);
        // A connection that still carries channels makes room for nobody.
        if emptied {
            self.feed_starved(now);
        }
    }
}
