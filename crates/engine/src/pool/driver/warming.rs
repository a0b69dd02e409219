use std::sync::Arc;

use super::Inner;
use crate::pool::key::Key;
use crate::transport::Transport;

/// A warm-up that is given up when dropped.
pub(super) struct WarmingUp<'a, T: Transport> {
    pub(super) inner: &'a Arc<Inner<T>>,
    pub(super) key: Option<&'a Key>,
}

impl<T: Transport> WarmingUp<'_, T> {
    pub(super) fn end(mut self) {
        if let Some(key) = self.key.take() {
            self.inner.update(|core, now| core.end_warm_up(key, now));
        }
    }
}

impl<T: Transport> Drop for WarmingUp<'_, T> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.inner.update(|core, now| core.cancel_warm_up(key, now));
        }
    }
}
