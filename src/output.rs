use std::time::Duration;

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use xec_engine::command::Output;

use crate::failure::FailureRecord;

/// A command that ended by itself. Times are fractional milliseconds.
#[napi(object)]
pub struct OutputRecord {
    pub stdout: Buffer,
    pub stderr: Buffer,
    /// Both in arrival order, when asked for.
    pub stdall: Option<Buffer>,
    pub exit_code: u32,
    /// `SIGKILL` and the like, when a signal ended it.
    pub signal: Option<String>,
    pub queued: f64,
    pub connect: f64,
    pub run: f64,
    pub duration: f64,
}

/// How a warm-up ended: the connections that are ready, and why there are not more.
#[napi(object)]
pub struct WarmUpRecord {
    pub ready: u32,
    pub failure: Option<FailureRecord>,
}

/// Exactly one of the two.
#[napi(object)]
pub struct ExecOutcome {
    pub output: Option<OutputRecord>,
    pub failure: Option<FailureRecord>,
}

impl From<Output> for OutputRecord {
    fn from(output: Output) -> Self {
        Self {
            exit_code: output.status.code(),
            signal: output.status.signal(),
            stdout: output.captured.stdout.into(),
            stderr: output.captured.stderr.into(),
            stdall: output.captured.all.map(Into::into),
            queued: millis(output.timings.queued),
            connect: millis(output.timings.connect),
            run: millis(output.timings.run),
            duration: millis(output.duration),
        }
    }
}

impl From<OutputRecord> for ExecOutcome {
    fn from(output: OutputRecord) -> Self {
        Self { output: Some(output), failure: None }
    }
}

impl From<FailureRecord> for ExecOutcome {
    fn from(failure: FailureRecord) -> Self {
        Self { output: None, failure: Some(failure) }
    }
}

pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
