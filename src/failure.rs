use std::sync::Arc;

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use xec_engine::command::Captured;
use xec_engine::error::{Error, Reached, causes};
use xec_engine::run::Failure;

use crate::callback::CallbackFailed;
use crate::host_key::HostKeyRefusalRecord;

/// A failure in plain values; the facade makes a real `Error` of it.
#[napi(object)]
pub struct FailureRecord {
    pub code: String,
    pub kind: String,
    pub phase: String,
    /// Absent when unknown.
    pub reached: Option<bool>,
    pub message: String,
    /// Outermost first.
    pub causes: Vec<String>,
    pub host: String,
    pub port: u32,
    /// What had arrived.
    pub stdout: Option<Buffer>,
    pub stderr: Option<Buffer>,
    pub stdall: Option<Buffer>,
    /// EMAXBUFFER: which stream.
    pub stream: Option<String>,
    /// EMAXBUFFER: bytes; ETIMEDOUT: milliseconds.
    pub limit: Option<f64>,
    /// The HTTP status that a Docker daemon or an API server refused with.
    pub status: Option<u32>,
    /// The file it is about.
    pub path: Option<String>,
    /// EPROMPT, EHOSTKEY: the number under which the facade keeps what was thrown.
    pub thrown: Option<u32>,
    /// EHOSTKEY.
    pub host_key: Option<HostKeyRefusalRecord>,
}

impl FailureRecord {
    pub fn new(error: &Error, host: &str, port: u16) -> Self {
        let (stream, limit) = details(error);
        Self {
            code: error.code().to_owned(),
            kind: error.kind().as_str().to_owned(),
            phase: error.phase().as_str().to_owned(),
            reached: match error.reached() {
                Reached::Yes => Some(true),
                Reached::No => Some(false),
                Reached::Unknown => None,
            },
            message: error.to_string(),
            causes: causes(error),
            host: host.to_owned(),
            port: u32::from(port),
            stdout: None,
            stderr: None,
            stdall: None,
            stream,
            limit,
            status: match error {
                Error::Docker(refusal) if refusal.status != 0 => Some(u32::from(refusal.status)),
                Error::Kube(refusal) if refusal.status != 0 => Some(u32::from(refusal.status)),
                _ => None,
            },
            path: error.path().map(str::to_owned),
            thrown: thrown(error),
            host_key: match error {
                Error::HostKey { refusal, .. } => Some((&**refusal).into()),
                _ => None,
            },
        }
    }

    pub fn of_command(failure: Failure, host: &str, port: u16) -> Self {
        let Captured { stdout, stderr, all } = failure.captured;
        Self {
            stdout: Some(stdout.into()),
            stderr: Some(stderr.into()),
            stdall: all.map(Into::into),
            ..Self::new(&failure.error, host, port)
        }
    }
}

fn details(error: &Error) -> (Option<String>, Option<f64>) {
    match error {
        Error::MaxBuffer { stream, limit } => (Some(stream.as_str().to_owned()), Some(*limit as f64)),
        Error::Timeout { limit, .. } => (None, Some(limit.as_secs_f64() * 1000.0)),
        _ => (None, None),
    }
}

/// What a callback threw, wherever it stands in the chain of causes.
fn thrown(error: &Error) -> Option<u32> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let ours = error.downcast_ref().or_else(|| error.downcast_ref::<Arc<Error>>().map(Arc::as_ref));
        if let Some(Error::Prompter { source } | Error::HostKey { source: Some(source), .. }) = ours {
            return source.downcast_ref::<CallbackFailed>()?.thrown;
        }
        next = error.source();
    }
    None
}
