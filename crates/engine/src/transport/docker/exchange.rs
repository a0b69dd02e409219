use std::convert::Infallible;
use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::oneshot;

use super::connection::DockerTransport;
use super::frames::Frames;
use super::wire::BoxedIo;
use crate::error::{Error, Phase, Reached, Stream};
use crate::input::{InputStream, input};
use crate::pool::{Pool, Request};
use crate::run::{Cancel, Pipes};
use crate::transport::container::{Answer, ApiRequest, Body, Exchange, Head, full_body, no_body, on_connection};

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
    let out = Out { answer: Answer(Arc::clone(&pipes)), frames: options.framed.then(Frames::default) };
    let mut running = Running { api, options, input: stream, out };
    let running = on_connection(pool, request, cancel, |connection| {
        let client = Arc::clone(connection.client());
        async move { running.exchange(&client, heard).await }
    });
    (Exchange { pipes, input }, head, running)
}

struct Running {
    api: ApiRequest,
    options: ExchangeOptions,
    input: InputStream,
    out: Out,
}

impl Running {
    async fn exchange(&mut self, client: &super::DockerClient, heard: oneshot::Sender<Head>) -> Result<(), Error> {
        if self.options.hijack {
            let line = client.hijack(&self.api, self.options.body.clone()).await?;
            // Whoever wanted the head may be gone; the answer is read all the same.
            let _ = heard.send(Head::switched());
            let (read, write) = split(line);
            return self.talk(read, write).await;
        }
        let body = match (self.options.upload, self.options.body.is_empty()) {
            (true, _) => Upload::body(self.options.body.clone(), self.input.clone()),
            (false, true) => no_body(),
            (false, false) => full_body(self.options.body.clone()),
        };
        let (head, body) = client.open(&self.api, body).await?.into_parts();
        let _ = heard.send(Head::of(&head));
        self.read_body(body).await
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

/// Where the answer goes.
struct Out {
    answer: Answer,
    frames: Option<Frames>,
}

impl Out {
    /// Waits for its reader.
    async fn push(&mut self, data: Bytes) -> Result<(), Error> {
        let pipes = &self.answer.0;
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
