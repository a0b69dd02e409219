use std::sync::Arc;

use napi::Result;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use xec_engine::error::Error;
use xec_engine::run::Cancel;
use xec_engine::transport::ssh::sftp::{Candidate, Filter, Progress, Watch};

use crate::sftp_records::CandidateRecord;

/// How far a transfer is.
#[napi(object)]
pub struct ProgressRecord {
    pub transferred: f64,
    pub total: f64,
    pub files: f64,
    pub failed: f64,
}

/// One transfer, to its caller: ends it early, and tells how far it is.
#[napi]
pub struct TransferToken {
    cancel: Cancel,
    progress: Arc<Progress>,
}

#[napi]
impl TransferToken {
    /// `wake` is called about ten times a second while there is progress. It keeps no process alive.
    #[napi(constructor)]
    pub fn new(wake: Option<Function<(), ()>>) -> Result<Self> {
        let listener = wake.map(|wake| -> Result<Box<dyn Fn() + Send + Sync>> {
            // One call in the queue is enough: whoever looks sees the newest figures.
            let wake = wake
                .build_threadsafe_function()
                .callee_handled::<false>()
                .weak::<true>()
                .max_queue_size::<1>()
                .build()?;
            Ok(Box::new(move || {
                // A full queue means a call is already on its way; a closing one that nobody listens any more.
                let _ = wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
            }))
        });
        let progress = Arc::new(Progress::new(listener.transpose()?));
        Ok(Self { cancel: Cancel::default(), progress })
    }

    #[napi]
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// The transfer has ended: `wake` is called no more, and let go.
    #[napi]
    pub fn settle(&self) {
        self.progress.silence();
    }

    #[napi]
    pub fn progress(&self) -> ProgressRecord {
        let figures = self.progress.figures();
        ProgressRecord {
            transferred: figures.transferred as f64,
            total: figures.total as f64,
            files: figures.files as f64,
            failed: figures.failed as f64,
        }
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch { cancel: self.cancel.clone(), progress: Arc::clone(&self.progress) }
    }
}

/// The engine's filter, which asks JavaScript.
pub fn filter(wanted: Function<'_, Vec<CandidateRecord>, Vec<bool>>) -> Result<Filter> {
    let wanted = wanted.build_threadsafe_function().callee_handled::<false>().weak::<true>().build()?;
    let wanted = Arc::new(wanted);
    Ok(Arc::new(move |candidates: Vec<Candidate>| {
        let wanted = Arc::clone(&wanted);
        Box::pin(async move {
            let records =
                candidates.into_iter().map(|Candidate { path, directory }| CandidateRecord { path, directory });
            let answer = wanted.call_async(records.collect()).await;
            answer.map_err(|_| Error::Internal { what: "asking a filter" })
        })
    }))
}
