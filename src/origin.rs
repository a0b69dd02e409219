use std::future::Future;

use xec_engine::error::Error;
use xec_engine::pool::Request;
use xec_engine::run::Outcome;
use xec_engine::transport::Transport;

use crate::failure::FailureRecord;
use crate::output::{ExecOutcome, OutputRecord};

/// Who was asked: what every failure's record names.
#[derive(Clone)]
pub struct Origin {
    host: String,
    port: u16,
}

impl Origin {
    pub fn of<T: Transport>(request: &Request<T>) -> Self {
        Self { host: request.key.host().to_owned(), port: request.key.port() }
    }

    pub fn failure(&self, error: &Error) -> FailureRecord {
        FailureRecord::new(error, &self.host, self.port)
    }

    /// How a command ended, as a record that always resolves.
    pub async fn outcome(self, running: impl Future<Output = Outcome>) -> ExecOutcome {
        match running.await {
            Ok(output) => OutputRecord::from(output).into(),
            Err(failure) => FailureRecord::of_command(*failure, &self.host, self.port).into(),
        }
    }
}
