//! Lines that are read by large pieces: TLS reads four kibibytes at a time, each a call of the system, however much is there.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::Uri;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tower::Service;

/// The most that one call of the system reads.
const PIECE: usize = 32 * 1024;

/// Makes lines that are read so.
#[derive(Clone)]
pub struct Buffering<C>(pub C);

impl<C> Service<Uri> for Buffering<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
{
    type Response = Buffered<C::Response>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialing = self.0.call(uri);
        Box::pin(async move { Ok(Buffered::new(dialing.await?)) })
    }
}

/// A line, and what was read of it and not taken yet.
pub struct Buffered<L> {
    line: L,
    read: Box<[u8]>,
    from: usize,
    to: usize,
}

impl<L> Buffered<L> {
    fn new(line: L) -> Self {
        Self { line, read: vec![0; PIECE].into_boxed_slice(), from: 0, to: 0 }
    }
}

impl<L: Read + Unpin> Read for Buffered<L> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut out: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.from == this.to {
            if out.remaining() >= PIECE {
                return Pin::new(&mut this.line).poll_read(cx, out);
            }
            let mut room = ReadBuf::new(&mut this.read);
            ready!(Pin::new(&mut this.line).poll_read(cx, room.unfilled()))?;
            (this.from, this.to) = (0, room.filled().len());
        }
        let waiting = this.read.get(this.from..this.to).unwrap_or_default();
        let taken = waiting.get(..waiting.len().min(out.remaining())).unwrap_or_default();
        out.put_slice(taken);
        this.from += taken.len();
        Poll::Ready(Ok(()))
    }
}

impl<L: Write + Unpin> Write for Buffered<L> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.line.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write_vectored(cx, data)
    }
}

impl<L: Connection> Connection for Buffered<L> {
    fn connected(&self) -> Connected {
        self.line.connected()
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_was_read_is_taken_in_order_however_small_the_pieces() {
        let (mut far, near) = tokio::io::duplex(PIECE);
        let sent: Vec<u8> = (0..3 * PIECE).map(|index| (index % 251) as u8).collect();
        let sending = sent.clone();
        let writing = tokio::spawn(async move { far.write_all(&sending).await });
        let mut line = TokioIo::new(Buffered::new(TokioIo::new(near)));
        let mut read = Vec::new();
        for size in [1, 4096, PIECE, 7].into_iter().cycle() {
            let mut piece = vec![0; size];
            let length = line.read(&mut piece).await.unwrap();
            if length == 0 {
                break;
            }
            read.extend_from_slice(&piece[..length]);
        }
        writing.await.unwrap().unwrap();
        assert_eq!(read, sent);
    }
}
