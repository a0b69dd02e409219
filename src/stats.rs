use std::time::SystemTime;

use napi_derive::napi;
use xec_engine::metrics::{BOUNDS, HistogramSnapshot, Metrics};
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
    pub permits_granted: f64,
    pub reconnections: f64,
    pub health_checks_passed: f64,
    pub health_check_failures: f64,
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
            permits_granted: stats.permits as f64,
            reconnections: stats.reconnected as f64,
            health_checks_passed: stats.checks_passed as f64,
            health_check_failures: stats.checks_failed as f64,
            events_dropped: events_dropped as f64,
            connect_time_total: millis(stats.connect_time),
            idle_time_total: millis(stats.idle_time),
            last_cleanup: stats.last_cleanup.map(epoch_millis),
        }
    }
}

/// Durations in milliseconds. Quantiles are up to a fifth too high.
#[napi(object)]
pub struct HistogramRecord {
    pub count: f64,
    pub sum: f64,
    pub max: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    /// How many were at most as long as the bound of the same index in `histogramBounds()`.
    pub cumulative: Vec<f64>,
}

/// See `Metrics` in the engine for what each one measures.
#[napi(object)]
pub struct MetricsSnapshot {
    pub connect: HistogramRecord,
    pub wait: HistogramRecord,
    pub run: HistogramRecord,
    pub idle: HistogramRecord,
}

/// The bounds that `cumulative` counts up to, in milliseconds.
#[napi]
pub fn histogram_bounds() -> Vec<f64> {
    BOUNDS.into_iter().map(millis).collect()
}

impl From<&Metrics> for MetricsSnapshot {
    fn from(metrics: &Metrics) -> Self {
        Self {
            connect: metrics.connect.snapshot().into(),
            wait: metrics.wait.snapshot().into(),
            run: metrics.run.snapshot().into(),
            idle: metrics.idle.snapshot().into(),
        }
    }
}

impl From<HistogramSnapshot> for HistogramRecord {
    fn from(histogram: HistogramSnapshot) -> Self {
        let quantile = |q| millis(histogram.quantile(q));
        Self {
            count: histogram.count as f64,
            sum: millis(histogram.sum),
            max: millis(histogram.max),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            cumulative: histogram.cumulative.iter().map(|count| *count as f64).collect(),
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
