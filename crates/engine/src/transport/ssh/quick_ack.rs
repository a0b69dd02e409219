use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Reads that are acknowledged at once. They cover handshake, login and the first commands.
const READS: u32 = 64;

/// A socket that acknowledges what it reads without the usual delay while a connection is young.
///
/// sshd turns Nagle's algorithm off only when a session begins. Until then its small packets wait for our ACK, which the
/// kernel holds back for 40 ms in the hope of sending it along with data: without this, the first command of every
/// connection is that much slower. Linux forgets the setting, so it is renewed after each read.
pub struct QuickAck {
    stream: TcpStream,
    reads_left: u32,
}

impl QuickAck {
    pub fn new(stream: TcpStream) -> Self {
        let mut quick = Self { stream, reads_left: READS };
        quick.renew();
        quick
    }

    fn renew(&mut self) {
        if self.reads_left == 0 {
            return;
        }
        self.reads_left -= 1;
        #[cfg(target_os = "linux")]
        if let Err(error) = socket2::SockRef::from(&self.stream).set_tcp_quickack(true) {
            // Only a matter of speed.
            tracing::debug!(%error, "TCP_QUICKACK is not to be had");
            self.reads_left = 0;
        }
    }
}

impl AsyncRead for QuickAck {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.renew();
        }
        read
    }
}

impl AsyncWrite for QuickAck {
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
