use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::core::ConnectionId;
use crate::policy::{ChannelLimit, Health};

/// Why the pool closed a connection, in the words that events use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    IdleTimeout,
    MaxLifetime,
    /// It ended by itself.
    Dead,
    /// `closeAll`, `closeIdleConnections` and the like.
    Removed,
    /// Room was needed for another key.
    Evicted,
    /// It failed its health checks.
    Unhealthy,
    /// A command's channel could not be closed.
    Quarantined,
    /// The server refuses every channel on it.
    ChannelsRefused,
    /// The host is configured not to pool.
    PoolingDisabled,
}

impl CloseReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IdleTimeout => "idle_timeout",
            Self::MaxLifetime => "max_lifetime_exceeded",
            Self::Dead => "connection_dead",
            Self::Removed => "pool_removal",
            Self::Evicted => "evicted",
            Self::Unhealthy => "unhealthy",
            Self::Quarantined => "quarantined",
            Self::ChannelsRefused => "channels_refused",
            Self::PoolingDisabled => "pooling_disabled",
        }
    }
}

/// Why the pool closed a connection, for those who still hold a permit on it. Empty while it has not.
pub type Fate = Arc<OnceLock<CloseReason>>;

/// A slot's life runs down this list, never up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotState {
    /// Hands out permits.
    Ready,
    /// Hands out none; closes when its last channel ends.
    Retiring(CloseReason),
    /// Being closed; counts against the limits until it is.
    Closing(CloseReason),
}

/// One pooled connection and what the pool knows about it.
#[derive(Debug)]
pub struct Slot<C> {
    pub id: ConnectionId,
    pub connection: C,
    pub state: SlotState,
    pub fate: Fate,
    /// Permits out, and what stays.
    pub active: usize,
    /// Of those, what stays without a session of the server's: it takes no command's place.
    pub staying: usize,
    pub limit: ChannelLimit,
    /// When the making of it began.
    pub dialed_at: Instant,
    pub created: Instant,
    pub last_used: Instant,
    pub use_count: u64,
    pub errors: u64,
    /// No permits before this: the server just refused a channel that it will soon have room for.
    pub cool_until: Option<Instant>,
    pub refusals_in_a_row: u32,
    /// Those among them that came while no other channel was open.
    pub lone_refusals: u32,
    /// Its record of health checks, where they are on.
    pub health: Option<Health>,
    /// A health check is under way.
    pub checking: bool,
    /// When it is too old, jitter included.
    pub expires: Option<Instant>,
}

impl<C> Slot<C> {
    pub fn is_ready(&self) -> bool {
        self.state == SlotState::Ready
    }

    /// It goes because its connection ended by itself.
    pub fn is_dead(&self) -> bool {
        matches!(self.state, SlotState::Retiring(CloseReason::Dead) | SlotState::Closing(CloseReason::Dead))
    }

    pub fn is_idle(&self) -> bool {
        self.is_ready() && self.active == 0
    }

    pub fn has_permit(&self, now: Instant) -> bool {
        self.is_ready() && self.sessions() < self.limit.current() && self.cool_until.is_none_or(|until| until <= now)
    }

    /// Permits out, as far as the limit on channels goes.
    pub fn sessions(&self) -> usize {
        self.active.saturating_sub(self.staying)
    }

    /// How long it has been idle; zero while it is not.
    pub fn idle_for(&self, now: Instant) -> Duration {
        if self.active == 0 { now.saturating_duration_since(self.last_used) } else { Duration::ZERO }
    }

    /// When it must be closed for having been idle or for its age.
    pub fn deadline(&self, idle_timeout: Option<Duration>) -> Option<(Instant, CloseReason)> {
        let idle =
            idle_timeout.filter(|_| self.is_idle()).map(|timeout| (self.last_used + timeout, CloseReason::IdleTimeout));
        let old = self.expires.filter(|_| self.is_ready()).map(|at| (at, CloseReason::MaxLifetime));
        [idle, old].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}
