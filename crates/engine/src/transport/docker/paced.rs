//! A line on which much comes in crumbs: a daemon writes each line of a log by itself, and whoever reads each at once wakes a thread for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How soon after one piece the next one has to come to be a crumb of a flood.
const SOON: Duration = Duration::from_millis(1);
/// How long more is waited for. The timer counts whole milliseconds, so it is one and a bit at most. Much longer, and the daemon would wait:
/// its socket holds some 280 pieces, of whatever size.
const PAUSE: Duration = Duration::from_micros(250);
/// By how much the timer is late, at most.
const LATE: Duration = Duration::from_micros(1_500);
/// So many crumbs make a flood: an answer, even one in parts, has fewer.
const FLOOD: u32 = 32;

/// Reads each piece as it comes, and in a flood what has come within about a millisecond.
pub struct Paced<L> {
    line: L,
    /// Pieces that came one soon after the other.
    crumbs: u32,
    last: Option<Instant>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<L> Paced<L> {
    pub fn new(line: L) -> Self {
        Self { line, crumbs: 0, last: None, pause: None }
    }

    /// `full`: there may be more.
    fn note(&mut self, full: bool) {
        let now = Instant::now();
        let soon = self.last.is_some_and(|last| now - last < SOON);
        self.crumbs = if soon { self.crumbs.saturating_add(1) } else { 0 };
        self.last = Some(now);
        if self.crumbs >= FLOOD && !full {
            self.pause = Some(Box::pin(sleep(PAUSE)));
        }
    }
}

impl<L: AsyncRead + Unpin> AsyncRead for Paced<L> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            let (due, now) = (pause.deadline(), Instant::now());
            self.pause = None;
            // Who reads only now had let it pass, and what comes then is no crumb.
            self.last = Some(if now - due < LATE { now } else { due });
        }
        ready!(Pin::new(&mut self.line).poll_read(cx, buf))?;
        self.note(buf.remaining() == 0);
        Poll::Ready(Ok(()))
    }
}

impl<L: AsyncWrite + Unpin> AsyncWrite for Paced<L> {
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_crumbs_is_read_together_and_nothing_else_is_waited_for() {
        let (mut far, near) = duplex(64 * 1024);
        let mut line = Paced::new(near);
        let begun = Instant::now();
        let mut piece = [0; 1024];
        for _ in 0..FLOOD {
            far.write_all(b"crumb").await.unwrap();
            assert_eq!(line.read(&mut piece).await.unwrap(), 5);
        }
        assert_eq!(begun.elapsed(), Duration::ZERO, "an answer in parts is no flood");
        far.write_all(b"crumb").await.unwrap();
        assert_eq!(line.read(&mut piece).await.unwrap(), 5);
        far.write_all(b"one").await.unwrap();
        let (read, ()) = tokio::join!(line.read(&mut piece), async {
            sleep(PAUSE / 2).await;
            far.write_all(b"two").await.unwrap();
        });
        assert_eq!(&piece[..read.unwrap()], b"onetwo");
        assert!(begun.elapsed() >= PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_after_a_pause_is_read_at_once_and_so_is_the_end() {
        let (mut far, near) = duplex(64 * 1024);
        let mut line = Paced::new(near);
        let mut piece = [0; 1024];
        for _ in 0..2 * FLOOD {
            far.write_all(b"crumb").await.unwrap();
            assert_eq!(line.read(&mut piece).await.unwrap(), 5);
        }
        sleep(2 * SOON).await;
        far.write_all(b"word").await.unwrap();
        assert_eq!(line.read(&mut piece).await.unwrap(), 4);
        let begun = Instant::now();
        far.write_all(b"answer").await.unwrap();
        drop(far);
        assert_eq!(line.read(&mut piece).await.unwrap(), 6);
        assert_eq!(line.read(&mut piece).await.unwrap(), 0);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
