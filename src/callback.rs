use std::sync::Arc;

use xec_engine::error::Cause;

/// Why a function of the caller's gave no answer. `thrown` finds what it threw.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CallbackFailed {
    message: String,
    pub thrown: Option<u32>,
}

impl CallbackFailed {
    pub fn cause(message: String, thrown: Option<u32>) -> Cause {
        Arc::new(Self { message, thrown })
    }
}
