//! The engine's threads, and promises that are settled from them.
//!
//! One runtime serves the whole process, whatever environment (main thread, worker) loaded the addon first: connections
//! of one must not die because another one ended. It is never shut down; its threads keep no process alive.

use std::future::Future;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, Error, JsDeferred, Result};
use tokio::runtime::{Builder, Handle, Runtime};

static RUNTIME: OnceLock<std::result::Result<Runtime, String>> = OnceLock::new();

pub fn handle() -> Result<Handle> {
    let built = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(workers())
            .thread_name("xec-native")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())
    });
    match built {
        Ok(runtime) => Ok(runtime.handle().clone()),
        Err(problem) => Err(Error::from_reason(format!("cannot start the engine's threads: {problem}"))),
    }
}

/// One core is JavaScript's. On two cores that leaves one thread, which saves handing work back and forth.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1)).max(1)
}

/// A promise for what `work` yields. The event loop stays alive until it is settled; a panic in `work` rejects it.
pub fn promise<'env, T>(env: &'env Env, work: impl Future<Output = T> + Send + 'static) -> Result<Object<'env>>
where
    T: ToNapiValue + Send + 'static,
{
    let runtime = handle()?;
    let (deferred, promise) = env.create_deferred()?;
    runtime.spawn(async move {
        let unsettled = Unsettled(Some(deferred));
        let value = work.await;
        unsettled.settle(value);
    });
    Ok(promise)
}

/// Work whose first step is done now, on the caller's thread: what it sends first is sent in the order of the calls.
pub fn begun<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<impl Future<Output = T> + Send + 'static> {
    let runtime = handle()?;
    let _inside = runtime.enter();
    let mut work = Box::pin(work);
    let first = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    Ok(async move {
        match first {
            Poll::Ready(done) => done,
            Poll::Pending => work.await,
        }
    })
}

type Resolver<T> = Box<dyn FnOnce(Env) -> Result<T> + Send>;

/// A promise that must not be left pending: dropped unsettled, as a panic drops it, it is rejected.
struct Unsettled<T: ToNapiValue + Send + 'static>(Option<JsDeferred<T, Resolver<T>>>);

impl<T: ToNapiValue + Send + 'static> Unsettled<T> {
    fn settle(mut self, value: T) {
        if let Some(deferred) = self.0.take() {
            deferred.resolve(Box::new(move |_| Ok(value)));
        }
    }
}

impl<T: ToNapiValue + Send + 'static> Drop for Unsettled<T> {
    fn drop(&mut self) {
        if let Some(deferred) = self.0.take() {
            deferred.reject(Error::from_reason("internal error: a task of the engine ended before its work"));
        }
    }
}
