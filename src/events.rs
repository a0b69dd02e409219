use std::time::{SystemTime, UNIX_EPOCH};

use napi_derive::napi;
use xec_engine::events::Event;

use crate::failure::FailureRecord;
use crate::output::millis;

/// One event in plain values.
#[napi(object)]
pub struct EventRecord {
    /// Its bit in the mask: see `EventKind` in the engine, whose order this is.
    pub kind: u32,
    /// Milliseconds since 1970.
    pub at: f64,
    /// Empty for events of the whole pool.
    pub host: String,
    pub port: u32,
    pub username: String,
    /// The connection's number, 0 when there is none.
    pub connection: f64,
    /// Milliseconds.
    pub duration: Option<f64>,
    pub reason: Option<String>,
    pub failure: Option<FailureRecord>,
    /// `connection:reconnecting`: from 1.
    pub attempt: Option<u32>,
    /// `cleanup`: connections closed and left.
    pub count: Option<u32>,
    pub remaining: Option<u32>,
}

impl From<Event> for EventRecord {
    fn from(event: Event) -> Self {
        let (host, port, username) = match &event.key {
            Some(key) => (key.host().to_owned(), key.port(), key.username().to_owned()),
            None => Default::default(),
        };
        Self {
            kind: event.kind as u32,
            at: epoch_millis(event.at),
            failure: event.error.as_ref().map(|error| FailureRecord::new(error, &host, port)),
            host,
            port: u32::from(port),
            username,
            connection: event.connection.unwrap_or(0) as f64,
            duration: event.duration.map(millis),
            reason: event.reason.map(|reason| reason.as_str().to_owned()),
            attempt: event.attempt,
            count: event.cleaned.map(|(cleaned, _)| cleaned as u32),
            remaining: event.cleaned.map(|(_, remaining)| remaining as u32),
        }
    }
}

pub fn epoch_millis(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map(millis).unwrap_or(0.0)
}
