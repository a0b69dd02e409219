use bytes::Bytes;
use napi::bindgen_prelude::{Buffer, Object};
use napi::{Env, Result};
use napi_derive::napi;
use parking_lot::Mutex;
use xec_engine::input::{InputSender, InputStream, input};

use crate::runtime;

/// Whoever writes may use a buffer again as soon as it is taken, so these are copies.
pub fn copied(pieces: &[Buffer]) -> Vec<Bytes> {
    pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect()
}

/// stdin of one command, as it comes. Forgotten, it ends.
#[napi]
pub struct NativeInput {
    sender: InputSender,
    /// For the command, once.
    stream: Mutex<Option<InputStream>>,
}

impl NativeInput {
    pub fn stream(&self) -> Option<InputStream> {
        self.stream.lock().take()
    }
}

#[napi]
impl NativeInput {
    #[napi(constructor)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let (sender, stream) = input();
        Self { sender, stream: Mutex::new(Some(stream)) }
    }

    /// Pieces; resolves when there is room for the next ones, to false when the command reads no more. One call at a time.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn write<'env>(&self, env: &'env Env, pieces: Vec<Buffer>) -> Result<Object<'env>> {
        runtime::promise(env, self.sender.send_all(copied(&pieces)))
    }

    /// The end.
    #[napi]
    pub fn end(&self) {
        self.sender.end();
    }
}
