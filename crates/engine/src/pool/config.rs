use std::sync::Arc;
use std::time::Duration;

use crate::policy::Backoff;

/// What to do when every permit is taken and no connection may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenExhausted {
    Queue,
    Fail,
}

/// What to do when the server cannot be reached, or is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnect {
    /// Attempts after the first one that failed; 0 = none.
    pub max_retries: u32,
    pub backoff: Backoff,
    /// Also where no connection has ever succeeded. Off, a wrong port is an error at once.
    pub first: bool,
}

impl Default for Reconnect {
    fn default() -> Self {
        let backoff = Backoff::exponential(Duration::from_secs(1), Duration::from_secs(30));
        Self { max_retries: 3, backoff, first: false }
    }
}

/// How idle connections are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthConfig {
    pub interval: Duration,
    pub timeout: Duration,
    /// A command that must exit with 0; `None` asks by a protocol ping, which costs no channel.
    pub command: Option<Arc<str>>,
    /// Failures in a row after which the connection is replaced.
    pub failure_threshold: u32,
}

/// The limits of one host. Every duration of zero that says "never" is `None` here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// `false`: a connection of its own for every command, closed after it.
    pub enabled: bool,
    /// Connections to one host and port, over all keys; includes those being made or closing down.
    pub max_connections: usize,
    /// Channels on one connection; lowered when the server refuses.
    pub channels_per_connection: usize,
    pub when_exhausted: WhenExhausted,
    /// How long a caller may wait for a permit; `None` = as long as it takes.
    pub acquire_timeout: Option<Duration>,
    /// Callers that may wait at once.
    pub max_queue: usize,
    /// Close a connection that was idle this long; `None` = never.
    pub idle_timeout: Option<Duration>,
    /// Retire a connection this old (a busy one finishes first); `None` = never.
    pub max_lifetime: Option<Duration>,
    /// Idle connections to keep ready, once one connection has succeeded.
    pub min_idle: usize,
    pub reconnect: Reconnect,
    /// `None`: no checks; keepalive alone finds dead peers.
    pub health: Option<HealthConfig>,
    /// Its connections carry other connections. They are outside of the limits on connections: a target that has its place
    /// waits for its hop, and two of them waiting for the last place would wait for ever. There are few, because one hop
    /// serves many targets.
    pub is_hop: bool,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            max_connections: 10,
            channels_per_connection: 8,
            when_exhausted: WhenExhausted::Queue,
            acquire_timeout: Some(Duration::from_secs(60)),
            max_queue: 10_000,
            idle_timeout: Some(Duration::from_secs(300)),
            max_lifetime: Some(Duration::from_secs(3600)),
            min_idle: 0,
            reconnect: Reconnect::default(),
            health: None,
            is_hop: false,
        }
    }
}

/// The limits of the whole pool.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Connections over all hosts.
    pub max_total_connections: usize,
    /// Handshakes under way to one host and port at once: sshd's `MaxStartups` begins to refuse at 10.
    pub max_handshakes_per_host: usize,
    /// The longest time between two looks for idle and old connections.
    pub cleanup_interval: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { max_total_connections: 100, max_handshakes_per_host: 4, cleanup_interval: Duration::from_secs(60) }
    }
}
