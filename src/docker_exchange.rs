use std::sync::Arc;

use bytes::Bytes;
use napi::bindgen_prelude::{Buffer, Object};
use napi::{Env, Error as NapiError, Result as NapiResult};
use napi_derive::napi;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use xec_engine::error::Error;
use xec_engine::input::InputSender;
use xec_engine::pool::{Pool, Request};
use xec_engine::run::{Cancel, Pipes};
use xec_engine::transport::docker::{DockerTransport, Exchange, Head, exchange};

use crate::docker_options::{Call, HeadRecord};
use crate::origin::Origin;
use crate::runtime;

/// A call of the API whose answer comes piece by piece. Garbage-collected it is cancelled.
#[napi]
pub struct NativeExchange {
    pipes: Arc<Pipes>,
    input: InputSender,
    head: Mutex<Option<oneshot::Receiver<Head>>>,
    end: Mutex<Option<oneshot::Receiver<Option<Error>>>>,
    cancel: Cancel,
    origin: Origin,
}

impl NativeExchange {
    pub fn start(pool: &Arc<Pool<DockerTransport>>, request: Request<DockerTransport>, call: Call) -> Self {
        let origin = Origin::of(&request);
        let cancel = Cancel::default();
        let runtime = pool.runtime().clone();
        let started = exchange(Arc::clone(pool), request, call.request, call.options, cancel.clone());
        Self::around(&runtime, started, cancel, origin)
    }

    /// A call that is under way, whatever API it is of.
    pub fn around(
        runtime: &tokio::runtime::Handle,
        (exchange, head, running): (
            Exchange,
            oneshot::Receiver<Head>,
            impl Future<Output = Result<(), Error>> + Send + 'static,
        ),
        cancel: Cancel,
        origin: Origin,
    ) -> Self {
        let (ended, end) = oneshot::channel();
        runtime.spawn(async move {
            // Nobody may want to know.
            let _ = ended.send(running.await.err());
        });
        Self {
            pipes: exchange.pipes,
            input: exchange.input,
            head: Mutex::new(Some(head)),
            end: Mutex::new(Some(end)),
            cancel,
            origin,
        }
    }
}

impl Drop for NativeExchange {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

#[napi]
impl NativeExchange {
    /// The head of the answer; null when there is none: `finished` says why. To be called once.
    #[napi(ts_return_type = "Promise<HeadRecord | null>")]
    pub fn head<'env>(&self, env: &'env Env) -> NapiResult<Object<'env>> {
        let head = self.head.lock().take().ok_or_else(|| NapiError::from_reason("head() was called before"))?;
        runtime::promise(env, async move {
            head.await
                .ok()
                .map(|head| HeadRecord { status: u32::from(head.status), headers: head.headers.into_iter().collect() })
        })
    }

    /// What has arrived; null at the end. `stderr` only where the answer has frames. One call at a time for each.
    #[napi(ts_return_type = "Promise<Buffer | null>")]
    pub fn read<'env>(&self, env: &'env Env, stderr: bool) -> NapiResult<Object<'env>> {
        let pipes = Arc::clone(&self.pipes);
        runtime::promise(env, async move {
            let pipe = if stderr { &pipes.stderr } else { &pipes.stdout };
            pipe.read().await.map(|data| Buffer::from(Vec::from(data)))
        })
    }

    /// Nobody will read it any more: what comes is dropped.
    #[napi]
    pub fn discard(&self, stderr: bool) {
        if stderr { self.pipes.stderr.discard() } else { self.pipes.stdout.discard() }
    }

    /// A piece of the request's body, or of what goes over a line that was taken over; resolves when there is room for the
    /// next one, to false when nobody takes it.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn write<'env>(&self, env: &'env Env, data: Buffer) -> NapiResult<Object<'env>> {
        runtime::promise(env, self.input.send(Bytes::from(Vec::from(data))))
    }

    /// The end of what is written.
    #[napi]
    pub fn end(&self) {
        self.input.end();
    }

    /// Resolves when it is over, to why it failed, if it did. To be called once.
    #[napi(ts_return_type = "Promise<FailureRecord | null>")]
    pub fn finished<'env>(&self, env: &'env Env) -> NapiResult<Object<'env>> {
        let end = self.end.lock().take().ok_or_else(|| NapiError::from_reason("finished() was called before"))?;
        let origin = self.origin.clone();
        runtime::promise(env, async move {
            // Only a panic in the task drops its answer.
            let error = end.await.unwrap_or(Some(Error::Internal { what: "a call of the Docker API" }));
            error.map(|error| origin.failure(&error))
        })
    }

    /// Ends it at once: the line is closed.
    #[napi]
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}
