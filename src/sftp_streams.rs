use std::sync::Arc;

use napi::bindgen_prelude::{Buffer, Object};
use napi::{Env, Result};
use napi_derive::napi;
use tokio::sync::Mutex;
use xec_engine::error::Error;
use xec_engine::transport::ssh::sftp::{ReadStream, WriteStream};

use crate::failure::FailureRecord;
use crate::runtime;
use crate::sftp::Origin;
use crate::sftp_records::SftpAnswer;

/// A remote file, read piece by piece.
#[napi]
pub struct NativeReadStream {
    /// `None` once closed.
    stream: Arc<Mutex<Option<ReadStream>>>,
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
        Self { stream: Arc::new(Mutex::new(Some(stream))), origin }
    }
}

#[napi]
impl NativeReadStream {
    #[napi(ts_return_type = "Promise<PieceOutcome>")]
    pub fn read<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (stream, origin) = (Arc::clone(&self.stream), self.origin.clone());
        runtime::promise(env, async move {
            let next = match stream.lock().await.as_mut() {
                Some(stream) => stream.next().await,
                None => Err(Error::SftpClosed),
            };
            match next {
                Ok(data) => PieceOutcome { data: data.map(|data| Vec::from(data).into()), failure: None },
                Err(error) => PieceOutcome { data: None, failure: Some(origin.failure(&error)) },
            }
        })
    }

    /// Closes the file; a read that is under way ends first.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let stream = Arc::clone(&self.stream);
        runtime::promise(env, async move { drop(stream.lock().await.take()) })
    }
}

/// A remote file, written piece by piece.
#[napi]
pub struct NativeWriteStream {
    /// `None` once finished or closed.
    stream: Arc<Mutex<Option<WriteStream>>>,
    origin: Origin,
}

impl NativeWriteStream {
    pub fn new(stream: WriteStream, origin: Origin) -> Self {
        Self { stream: Arc::new(Mutex::new(Some(stream))), origin }
    }
}

#[napi]
impl NativeWriteStream {
    /// Resolves when there is room for more.
    #[napi(ts_return_type = "Promise<SftpAnswer>")]
    pub fn write<'env>(&self, env: &'env Env, data: Buffer) -> Result<Object<'env>> {
        let (stream, origin) = (Arc::clone(&self.stream), self.origin.clone());
        // A copy: JavaScript may change its bytes while they wait.
        let data = Vec::from(data);
        runtime::promise(env, async move {
            let written = async {
                let mut stream = stream.lock().await;
                stream.as_mut().ok_or(Error::SftpClosed)?.write(&data).await?;
                Ok(SftpAnswer::default())
            };
            origin.answer(written).await
        })
    }

    /// Resolves when everything is written and the file is closed.
    #[napi(ts_return_type = "Promise<SftpAnswer>")]
    pub fn finish<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (stream, origin) = (Arc::clone(&self.stream), self.origin.clone());
        runtime::promise(env, async move {
            let finished = async {
                let stream = stream.lock().await.take().ok_or(Error::SftpClosed)?;
                stream.finish().await?;
                Ok(SftpAnswer::default())
            };
            origin.answer(finished).await
        })
    }

    /// Closes the file with what has arrived.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let stream = Arc::clone(&self.stream);
        runtime::promise(env, async move { drop(stream.lock().await.take()) })
    }
}
