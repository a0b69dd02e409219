use std::time::SystemTime;

use napi_derive::napi;
use xec_engine::pool::{ConnectionInfo, PoolStats};

use crate::events::epoch_millis;
use crate::output::millis;

/// The pool at one moment; see `PoolStats` in the engine for what each figure counts.
#[napi(object)]
pub struct StatsSnapshot {
    pub total_connections: u32,
    pub active_connections: u32,
    pub idle_connections: u32,
    pub connecting_connections: u32,
    pub queued: u32,
    pub active_channels: u32,
    pub pool_hits: f64,
    pub pool_misses: f64,
    pub connections_created: f64,
    pub connections_reused: f64,
    pub connections_failed: f64,
    pub connections_closed: f64,
    pub connections_lost: f64,
    pub acquire_timeouts: f64,
    pub channel_refusals: f64,
    pub commands_run: f64,
    pub events_dropped: f64,
    /// Milliseconds, over all connections made.
    pub connect_time_total: f64,
    /// Milliseconds, over all reuses.
    pub idle_time_total: f64,
    /// Milliseconds since 1970.
    pub last_cleanup: Option<f64>,
}

impl StatsSnapshot {
    pub fn new(stats: &PoolStats, events_dropped: u64) -> Self {
        Self {
            total_connections: stats.total as u32,
            active_connections: stats.active as u32,
            idle_connections: stats.idle as u32,
            connecting_connections: stats.connecting as u32,
            queued: stats.queued as u32,
            active_channels: stats.channels as u32,
            pool_hits: stats.hits as f64,
            pool_misses: stats.misses as f64,
            connections_created: stats.created as f64,
            connections_reused: stats.hits as f64,
            connections_failed: stats.failed as f64,
            connections_closed: stats.closed as f64,
            connections_lost: stats.lost as f64,
            acquire_timeouts: stats.acquire_timeouts as f64,
            channel_refusals: stats.refusals as f64,
            commands_run: stats.permits as f64,
            events_dropped: events_dropped as f64,
            connect_time_total: millis(stats.connect_time),
            idle_time_total: millis(stats.idle_time),
            last_cleanup: stats.last_cleanup.map(epoch_millis),
        }
    }
}

/// One connection at one moment. Times are milliseconds, `created` and `last_used` since 1970.
#[napi(object)]
pub struct ConnectionSnapshot {
    pub id: f64,
    /// `user@host:port#fingerprint`; holds no secret.
    pub key: String,
    pub host: String,
    pub port: u32,
    pub username: String,
    /// `idle`, `active`, `retiring` or `closing`.
    pub state: String,
    pub created: f64,
    pub last_used: f64,
    pub age: f64,
    pub idle: f64,
    pub use_count: f64,
    pub channels: u32,
    pub channel_limit: u32,
    pub errors: f64,
}

impl From<ConnectionInfo> for ConnectionSnapshot {
    fn from(info: ConnectionInfo) -> Self {
        let now = epoch_millis(SystemTime::now());
        Self {
            id: info.id as f64,
            key: info.key.to_string(),
            host: info.key.host().to_owned(),
            port: u32::from(info.key.port()),
            username: info.key.username().to_owned(),
            state: info.state.to_owned(),
            created: now - millis(info.age),
            last_used: now - millis(info.unused),
            age: millis(info.age),
            idle: millis(info.idle),
            use_count: info.use_count as f64,
            channels: info.channels as u32,
            channel_limit: info.channel_limit as u32,
            errors: info.errors as f64,
        }
    }
}
