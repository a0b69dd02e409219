use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{Buffer, Object};
use napi_derive::napi;
use tokio::sync::Mutex;
use xec_engine::error::Error;
use xec_engine::run::Cancel;
use xec_engine::transport::ssh::sftp::{ReadStream, WriteStream};

use crate::failure::FailureRecord;
use crate::origin::Origin;
use crate::runtime;
use crate::sftp_records::SftpAnswer;

/// A remote stream, used by one call at a time, until it is closed.
struct Open<S> {
    /// `None` once closed.
    stream: Arc<Mutex<Option<S>>>,
    closing: Cancel,
}

impl<S> Clone for Open<S> {
    fn clone(&self) -> Self {
        Self { stream: Arc::clone(&self.stream), closing: self.closing.clone() }
    }
}

impl<S> Open<S> {
    fn new(stream: S) -> Self {
        Self { stream: Arc::new(Mutex::new(Some(stream))), closing: Cancel::default() }
    }

    /// What `work` makes of the stream, unless it is closed meanwhile.
    async fn with<T>(&self, work: impl AsyncFnOnce(&mut Option<S>) -> Result<T, Error>) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.closing.cancelled() => Err(Error::SftpClosed),
            done = async { work(&mut *self.stream.lock().await).await } => done,
        }
    }

    /// Whatever is under way ends at once: its server may never answer.
    async fn close(self) {
        self.closing.cancel();
        drop(self.stream.lock().await.take());
    }
}

/// A remote file, read piece by piece.
#[napi]
pub struct NativeReadStream {
    open: Open<ReadStream>,
    origin: Origin,
}

/// Neither of the two at the end.
#[napi(object)]
pub struct PieceOutcome {
    pub data: Option<Buffer>,
    pub failure: Option<FailureRecord>,
}

impl NativeReadStream {
    pub fn new(stream: ReadStream, origin: Origin) -> Self {
        Self { open: Open::new(stream), origin }
    }
}

#[napi]
impl NativeReadStream {
    #[napi(ts_return_type = "Promise<PieceOutcome>")]
    pub fn read<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (open, origin) = (self.open.clone(), self.origin.clone());
        runtime::promise(env, async move {
            match open.with(async |stream| stream.as_mut().ok_or(Error::SftpClosed)?.next().await).await {
                Ok(data) => PieceOutcome { data: data.map(|data| Vec::from(data).into()), failure: None },
                Err(error) => PieceOutcome { data: None, failure: Some(origin.failure(&error)) },
            }
        })
    }

    /// Closes the file; a read that is under way fails.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        runtime::promise(env, self.open.clone().close())
    }
}

/// A remote file, written piece by piece.
#[napi]
pub struct NativeWriteStream {
    open: Open<WriteStream>,
    origin: Origin,
}

impl NativeWriteStream {
    pub fn new(stream: WriteStream, origin: Origin) -> Self {
        Self { open: Open::new(stream), origin }
    }
}

#[napi]
impl NativeWriteStream {
    /// Resolves when there is room for more.
    #[napi(ts_return_type = "Promise<SftpAnswer>")]
    pub fn write<'env>(&self, env: &'env Env, data: Buffer) -> napi::Result<Object<'env>> {
        let (open, origin) = (self.open.clone(), self.origin.clone());
        // A copy: JavaScript may change its bytes while they wait.
        let data = Vec::from(data);
        runtime::promise(env, async move {
            let written = open.with(async |stream| stream.as_mut().ok_or(Error::SftpClosed)?.write(&data).await);
            SftpAnswer::of(async { written.await.map(|()| SftpAnswer::default()) }, origin).await
        })
    }

    /// Resolves when everything is written and the file is closed.
    #[napi(ts_return_type = "Promise<SftpAnswer>")]
    pub fn finish<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (open, origin) = (self.open.clone(), self.origin.clone());
        runtime::promise(env, async move {
            let finished = open.with(async |stream| stream.take().ok_or(Error::SftpClosed)?.finish().await);
            SftpAnswer::of(async { finished.await.map(|()| SftpAnswer::default()) }, origin).await
        })
    }

    /// Closes the file with what has arrived; a write that is under way fails.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        runtime::promise(env, self.open.clone().close())
    }
}
