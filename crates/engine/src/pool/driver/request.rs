use std::sync::{Arc, Weak};

use crate::pool::config::HostConfig;
use crate::pool::key::Key;
use crate::pool::lease::Home;
use crate::transport::Transport;

/// Where to, and under which limits.
pub struct Request<T: Transport> {
    pub key: Key,
    pub target: Arc<T::Target>,
    pub config: Arc<HostConfig>,
    pub priority: i32,
    /// The lease on whose behalf: its permit is used first, and what is acquired goes back to it.
    pub lease: Option<Weak<Home<T>>>,
}

impl<T: Transport> Clone for Request<T> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            target: Arc::clone(&self.target),
            config: Arc::clone(&self.config),
            priority: self.priority,
            lease: self.lease.clone(),
        }
    }
}

impl<T: Transport> Request<T> {
    /// With the usual priority, for nobody in particular.
    pub fn new(key: Key, target: Arc<T::Target>, config: Arc<HostConfig>) -> Self {
        Self { key, target, config, priority: 0, lease: None }
    }
}
