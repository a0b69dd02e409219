use std::sync::Arc;

use napi::bindgen_prelude::{Buffer, Object};
use napi::{Env, Error, Result};
use napi_derive::napi;
use parking_lot::Mutex;
use xec_engine::command::Command;
use xec_engine::input::{InputSender, input};
use xec_engine::pool::{Pool, Request};
use xec_engine::run::{Cancel, Outcome, Pipe, Process, spawn};
use xec_engine::transport::{Signal, Transport};

use crate::input::copied;
use crate::origin::Origin;
use crate::runtime;

/// A command under way. Its output waits for its reader, and the command with it.
#[napi]
pub struct NativeProcess {
    process: Process,
    input: InputSender,
    /// What `finished` hands out, once.
    outcome: Mutex<Option<Ending>>,
    origin: Origin,
}

type Ending = std::pin::Pin<Box<dyn Future<Output = Outcome> + Send>>;

impl NativeProcess {
    pub fn start<T: Transport>(
        pool: Arc<Pool<T>>,
        request: Request<T>,
        command: Command,
        cancel: Cancel,
    ) -> Result<Self> {
        let (input, stream) = input();
        // What is given whole has no more after it.
        let more = command.stdin.is_none().then_some(stream);
        let command = Command { stdin_stream: more, stdin_is_open: true, ..command };
        let origin = Origin::of(&request);
        let (process, outcome) = spawn(pool, request, command, cancel);
        Ok(Self { process, input, outcome: Mutex::new(Some(Box::pin(outcome))), origin })
    }

    fn pipe(&self, stderr: bool) -> &Pipe {
        let pipes = self.process.pipes();
        if stderr { &pipes.stderr } else { &pipes.stdout }
    }
}

#[napi]
impl NativeProcess {
    /// How the command ended; to be called once. Whoever waits for it keeps the command running.
    #[napi(ts_return_type = "Promise<ExecOutcome>")]
    pub fn finished<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let outcome = self.outcome.lock().take().ok_or_else(|| Error::from_reason("finished() was called before"))?;
        runtime::promise(env, self.origin.clone().outcome(outcome))
    }

    /// What has arrived on stdout or stderr; null at the end. One call at a time.
    #[napi(ts_return_type = "Promise<Buffer | null>")]
    pub fn read<'env>(&self, env: &'env Env, stderr: bool) -> Result<Object<'env>> {
        let pipes = Arc::clone(self.process.pipes());
        runtime::promise(env, async move {
            let pipe = if stderr { &pipes.stderr } else { &pipes.stdout };
            pipe.read().await.map(|data| Buffer::from(Vec::from(data)))
        })
    }

    /// Nobody will read stdout or stderr any more: what comes is dropped.
    #[napi]
    pub fn discard(&self, stderr: bool) {
        self.pipe(stderr).discard();
    }

    /// Pieces of stdin; resolves when there is room for the next ones, to false when the command reads no more.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn write<'env>(&self, env: &'env Env, pieces: Vec<Buffer>) -> Result<Object<'env>> {
        runtime::promise(env, self.input.send_all(copied(&pieces)))
    }

    /// The end of stdin.
    #[napi]
    pub fn end(&self) {
        self.input.end();
    }

    /// Sends a signal by its name, as soon as the command runs. Answers whether it may still be heard.
    #[napi]
    pub fn signal(&self, name: String) -> Result<bool> {
        let signal =
            Signal::named(&name).ok_or_else(|| Error::from_reason(format!("SSH has no name for signal {name}")))?;
        Ok(self.process.signal(signal))
    }

    /// The terminal's new size.
    #[napi]
    pub fn resize(&self, columns: u32, rows: u32) -> bool {
        self.process.resize(columns, rows)
    }
}
