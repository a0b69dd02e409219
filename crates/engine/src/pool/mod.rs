//! The pool: connections per key, channel permits per connection.
//!
//! - [`core`]: the rules, a state machine without clock or lock
//! - [`driver`]: the mutex, tasks and timers around it; [`Pool`] is what callers hold
//! - [`hold`]: a permit for as long as another connection runs through this one
//! - [`permit`]: the right to open one channel; gives itself back when dropped
//! - [`lease`]: a permit that stays with its holder
//! - [`lender`]: channels for a transport that serves others
//! - [`stay`]: what lives on a connection without being a command
//! - [`key`], [`config`], [`queue`], [`slot`]: one noun each
//!
//! Nothing in here knows SSH: connections come from a [`Transport`](crate::transport::Transport).

mod config;
mod core;
mod driver;
mod hold;
mod key;
mod lease;
mod lender;
mod permit;
mod queue;
mod slot;
mod stay;

pub use config::{HealthConfig, HostConfig, PoolConfig, Reconnect, WhenExhausted};
pub use core::{ConnectionId, ConnectionInfo, PoolStats};
pub use driver::{Pool, Request};
pub use hold::{Hold, Hops};
pub use key::{Endpoint, Key};
pub use lease::{Home, Lease};
pub use lender::Lender;
pub use permit::Permit;
pub use slot::CloseReason;
pub use stay::Stay;
