use napi_derive::napi;
use xec_engine::run::Cancel;

/// Ends one command early. May be cancelled before, during or after it; only the first time counts.
#[napi]
#[derive(Default)]
pub struct CancelToken {
    pub(crate) cancel: Cancel,
}

#[napi]
impl CancelToken {
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    #[napi]
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}
