use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// No identification line is longer (RFC 4253, 4.2), and there may be others before it.
const LOOKED_AT: usize = 4096;

/// What a server says it is, once it has: `SSH-2.0-OpenSSH_9.2p1`.
pub type ServerId = Arc<OnceLock<String>>;

/// A line on which the server's identification is noticed as it goes by: russh keeps it to itself.
pub struct Greeting<S> {
    stream: S,
    id: ServerId,
    /// What came so far, until it has gone by.
    seen: Option<Vec<u8>>,
}

impl<S> Greeting<S> {
    pub fn new(stream: S) -> (Self, ServerId) {
        let id = ServerId::default();
        (Self { stream, id: Arc::clone(&id), seen: Some(Vec::new()) }, id)
    }

    fn look(&mut self, data: &[u8]) {
        let Some(seen) = &mut self.seen else { return };
        seen.extend_from_slice(data);
        if let Some(id) = identification(seen) {
            // Set once: this is the only place, and it is left for good.
            let _ = self.id.set(id);
            self.seen = None;
        } else if seen.len() > LOOKED_AT {
            self.seen = None;
        }
    }
}

/// The first whole line that begins as an identification does.
fn identification(seen: &[u8]) -> Option<String> {
    let end = seen.iter().rposition(|byte| *byte == b'\n')?;
    let line = seen.get(..end)?.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"SSH-"))?;
    Some(String::from_utf8_lossy(line).trim_end().to_owned())
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeting<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if self.seen.is_some() {
            let new = buf.filled().get(before..).unwrap_or_default().to_vec();
            self.look(&new);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeting<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn noticed(text: &[u8]) -> Option<String> {
        let (mut line, id) = Greeting::new(tokio_test(text));
        let mut passed = Vec::new();
        line.read_to_end(&mut passed).await.unwrap();
        assert_eq!(passed, text, "nothing is changed on the way");
        id.get().cloned()
    }

    fn tokio_test(text: &[u8]) -> impl AsyncRead + Unpin + '_ {
        text
    }

    #[tokio::test]
    async fn the_identification_is_noticed_among_other_lines() {
        assert_eq!(noticed(b"SSH-2.0-dropbear_2022.83\r\nrest").await.unwrap(), "SSH-2.0-dropbear_2022.83");
        assert_eq!(noticed(b"welcome\r\nSSH-2.0-x\n").await.unwrap(), "SSH-2.0-x");
        assert_eq!(noticed(b"SSH-2.0-never ends").await, None);
        assert_eq!(noticed(&[b'x'; 10_000]).await, None);
    }
}
