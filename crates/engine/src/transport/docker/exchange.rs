use std::convert::Infallible;
use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::{Body as HttpBody, Frame, Incoming};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::call::{gone, permit};
use super::client::{Body, full_body, no_body};
use super::connection::DockerTransport;
use super::exec::until;
use super::frames::Frames;
use super::request::ApiRequest;
use super::wire::BoxedIo;
use crate::error::{Error, Phase, Reached, Stream};
use crate::input::{InputSender, InputStream, input};
use crate::pool::{Pool, Request};
use crate::run::{Cancel, Pipes, stopped};

/// The most one read of a hijacked line takes.
const READ: usize = 64 * 1024;

/// How an exchange goes.
#[derive(Clone, Default)]
pub struct ExchangeOptions {
    /// Sent first; all there is, unless `upload` is set or the line is taken over.
    pub body: Bytes,
    /// The body comes piece by piece.
    pub upload: bool,
    /// The answer is Docker's multiplexed stream.
    pub framed: bool,
    /// The line is taken over after the head: what is written then goes to the other side as it is.
    pub hijack: bool,
}

/// The beginning of an answer.
#[derive(Debug, Clone)]
pub struct Head {
    pub status: u16,
    pub headers: Vec<(String, String)>,
}

/// A call whose answer comes piece by piece, at its reader's pace. It ends when it is cancelled, or its future dropped.
pub struct Exchange {
    pub pipes: Arc<Pipes>,
    pub input: InputSender,
}

/// Starts a call. The futures: the head of its answer, and its end. The end is not reached while pipes are full.
pub fn exchange(
    pool: Arc<Pool<DockerTransport>>,
    request: Request<DockerTransport>,
    api: ApiRequest,
    options: ExchangeOptions,
    cancel: Cancel,
) -> (Exchange, oneshot::Receiver<Head>, impl Future<Output = Result<(), Error>> + Send) {
    let pipes = Arc::<Pipes>::default();
    let (input, stream) = input();
    let (heard, head) = oneshot::channel();
    let out = Out { pipes: Arc::clone(&pipes), frames: options.framed.then(Frames::default) };
    let running = Running { api, options, input: stream, out }.run(pool, request, heard, cancel);
    (Exchange { pipes, input }, head, running)
}

struct Running {
    api: ApiRequest,
    options: ExchangeOptions,
    input: InputStream,
    out: Out,
}

impl Running {
    async fn run(
        mut self,
        pool: Arc<Pool<DockerTransport>>,
        request: Request<DockerTransport>,
        heard: oneshot::Sender<Head>,
        cancel: Cancel,
    ) -> Result<(), Error> {
        let stop = stopped(cancel, Cancel::default(), None, Instant::now());
        tokio::pin!(stop);
        let permit = permit(&pool, &request, &mut stop).await?;
        let client = Arc::clone(permit.connection().client());
        let mut cut = permit.connection().cut();
        let outcome = tokio::select! {
            biased;
            why = &mut stop => Err(why.error(Phase::Run, Reached::Unknown)),
            () = until(&mut cut, |cut| *cut) => Err(Error::PoolClosed { phase: Phase::Run, reached: Reached::Unknown }),
            outcome = self.exchange(&client, heard) => outcome,
        };
        match &outcome {
            Err(error) if gone(&permit, error) => permit.suspect(),
            _ => permit.release(),
        }
        outcome
    }

    async fn exchange(&mut self, client: &super::DockerClient, heard: oneshot::Sender<Head>) -> Result<(), Error> {
        if self.options.hijack {
            let line = client.hijack(&self.api, self.options.body.clone()).await?;
            // Whoever wanted the head may be gone; the answer is read all the same.
            let _ = heard.send(Head { status: 101, headers: Vec::new() });
            let (read, write) = split(line);
            return self.talk(read, write).await;
        }
        let body = match (self.options.upload, self.options.body.is_empty()) {
            (true, _) => Upload::body(self.options.body.clone(), self.input.clone()),
            (false, true) => no_body(),
            (false, false) => full_body(self.options.body.clone()),
        };
        let response = client.open(&self.api, body).await?;
        let _ = heard.send(head_of(&response));
        self.read_body(response.into_body()).await
    }

    async fn read_body(&mut self, mut body: Incoming) -> Result<(), Error> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken(Arc::new(error)))?;
            if let Ok(data) = frame.into_data() {
                self.out.push(data).await?;
            }
        }
        self.out.finish()
    }

    async fn talk(&mut self, mut read: ReadHalf<BoxedIo>, write: WriteHalf<BoxedIo>) -> Result<(), Error> {
        let feeding = feed(write, self.input.clone());
        let out = &mut self.out;
        let reading = async {
            let mut buffer = bytes::BytesMut::new();
            loop {
                buffer.reserve(READ);
                if read.read_buf(&mut buffer).await.map_err(|error| broken(Arc::new(error)))? == 0 {
                    return out.finish();
                }
                out.push(buffer.split().freeze()).await?;
            }
        };
        tokio::pin!(feeding, reading);
        let mut fed = false;
        loop {
            tokio::select! {
                end = &mut reading => return end,
                () = &mut feeding, if !fed => fed = true,
            }
        }
    }
}

/// Whoever reads no more is not written to any more; the reading side says how it ends.
async fn feed(mut line: WriteHalf<BoxedIo>, input: InputStream) {
    while let Some(data) = input.next().await {
        if let Err(error) = write(&mut line, &data).await {
            tracing::debug!(%error, "input could not be sent");
            return;
        }
    }
    if let Err(error) = line.shutdown().await {
        tracing::debug!(%error, "input could not be ended");
    }
}

async fn write(line: &mut WriteHalf<BoxedIo>, data: &[u8]) -> std::io::Result<()> {
    line.write_all(data).await?;
    line.flush().await
}

fn broken(source: crate::error::Cause) -> Error {
    Error::ConnectionLost { phase: Phase::Run, reached: Reached::Yes, source: Some(source) }
}

fn head_of(response: &Response<Incoming>) -> Head {
    let headers = response.headers().iter();
    Head {
        status: response.status().as_u16(),
        headers: headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
    }
}

/// Where the answer goes.
struct Out {
    pipes: Arc<Pipes>,
    frames: Option<Frames>,
}

impl Out {
    /// Waits for its reader.
    async fn push(&mut self, data: Bytes) -> Result<(), Error> {
        let pipes = &self.pipes;
        match &mut self.frames {
            None => pipes.stdout.push(data),
            Some(frames) => frames
                .push(data, |stream, piece| match stream {
                    Stream::Stdout => pipes.stdout.push(piece),
                    Stream::Stderr => pipes.stderr.push(piece),
                })
                .map_err(super::Refusal::error)?,
        }
        pipes.stdout.until_room().await;
        pipes.stderr.until_room().await;
        Ok(())
    }

    fn finish(&self) -> Result<(), Error> {
        match &self.frames {
            Some(frames) if !frames.is_whole() => {
                Err(broken(Arc::new(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Out {
    // However the exchange ended: its readers must not wait for ever.
    fn drop(&mut self) {
        self.pipes.stdout.end();
        self.pipes.stderr.end();
    }
}

type Next = Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>;

/// A request's body that comes piece by piece.
struct Upload {
    next: Next,
    input: InputStream,
}

impl Upload {
    fn body(first: Bytes, input: InputStream) -> Body {
        let next: Next = if first.is_empty() { piece(input.clone()) } else { Box::pin(async move { Some(first) }) };
        let upload = Self { next, input };
        upload.map_err(|never: Infallible| -> Box<dyn StdError + Send + Sync> { match never {} }).boxed_unsync()
    }
}

fn piece(input: InputStream) -> Next {
    Box::pin(async move { input.next().await })
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.next.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                // Asked once more, it still is at its end.
                self.next = Box::pin(std::future::ready(None));
                Poll::Ready(None)
            }
            Poll::Ready(Some(data)) => {
                self.next = piece(self.input.clone());
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
        }
    }
}
