use std::time::Duration;

/// What to do when every permit is taken and no connection may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenExhausted {
    Queue,
    Fail,
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
