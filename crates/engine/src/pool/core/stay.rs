use tokio::time::Instant;

use super::{ConnectionId, Core, Mode};
use crate::pool::key::Key;
use crate::pool::slot::SlotState;

impl<C: Clone, T: Clone> Core<C, T> {
    /// Something comes to live on a certain connection, which is in use until it [leaves](Self::leave). It waits for nobody, as
    /// it takes no session's place. `None`: the connection is being closed, or the pool lets in nobody new.
    pub fn stay(&mut self, key: &Key, is_it: impl Fn(&C) -> bool, now: Instant) -> Option<ConnectionId> {
        if self.mode != Mode::Open {
            return None;
        }
        let slots = self.entries.get_mut(key)?.slots.iter_mut();
        let open = |state| !matches!(state, SlotState::Closing(_));
        let slot = slots.filter(|slot| open(slot.state)).find(|slot| is_it(&slot.connection))?;
        slot.active += 1;
        slot.staying += 1;
        slot.last_used = now;
        Some(slot.id)
    }

    /// It is gone.
    pub fn leave(&mut self, key: &Key, id: ConnectionId, now: Instant) {
        if let Some(slot) = self.slot_mut(key, id) {
            slot.staying = slot.staying.saturating_sub(1);
        }
        self.return_permit(key, id, now);
    }
}
