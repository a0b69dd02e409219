use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// What of the command's complaints is kept for our error.
const LAST_WORDS: usize = 1024;
/// Between asking its processes to end and making them.
const GRACE: Duration = Duration::from_millis(500);
/// Between two looks at whether it has ended, and when it probably has.
const LOOK: Duration = Duration::from_millis(100);
const LOOK_SOON: Duration = Duration::from_millis(10);
/// For its own end, when nobody uses it any more.
const BY_ITSELF: Duration = Duration::from_millis(60);
/// For the end of its stderr after its own end.
const LAST_LINES: Duration = Duration::from_millis(100);

/// A program whose input and output are the line to the server. It ends, with all that it started, when this is dropped.
pub struct ProxyCommand {
    input: ChildStdin,
    output: ChildStdout,
    /// Dropped with us, which is how the task that looks after the process learns of it.
    _in_use: oneshot::Sender<()>,
}

/// What became of the program.
#[derive(Default)]
pub struct Report {
    stderr: Mutex<VecDeque<u8>>,
    ended: Mutex<Option<String>>,
    /// Told once it has ended.
    news: Notify,
}

impl ProxyCommand {
    pub fn start(line: &str) -> io::Result<(Self, Arc<Report>)> {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // A group of its own: what the shell starts ends with it, and a Ctrl-C at our terminal is not for it.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        let (Some(input), Some(output), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::other("the command has no pipes"));
        };
        let report = Arc::new(Report::default());
        let (in_use, unused) = oneshot::channel();
        tokio::spawn(look_after(child, stderr, Arc::clone(&report), unused));
        Ok((Self { input, output, _in_use: in_use }, report))
    }
}

impl Report {
    pub async fn until_ended(&self) {
        loop {
            let news = self.news.notified();
            if self.ended.lock().is_some() {
                return;
            }
            news.await;
        }
    }

    /// How the program ended and what it said last; `None` while it runs.
    pub fn epitaph(&self) -> Option<String> {
        let ended = self.ended.lock().clone()?;
        let bytes: Vec<u8> = self.stderr.lock().iter().copied().collect();
        let said = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines.iter().rev().take(3).rev().copied().collect::<Vec<_>>().join("; ");
        let said = if last.is_empty() { String::new() } else { format!(": {last}") };
        Some(format!("the proxy command {ended}{said}"))
    }
}

/// Asks the kernel again and again instead of waiting for SIGCHLD: in a Node.js process that signal belongs to libuv, which
/// takes it away from everybody else.
async fn look_after(mut child: Child, stderr: ChildStderr, report: Arc<Report>, mut unused: oneshot::Receiver<()>) {
    let group = child.id();
    let mut listener = tokio::spawn(listen(stderr, Arc::clone(&report)));
    let mut look = LOOK;
    let mut left = false;
    loop {
        tokio::select! {
            _ = &mut unused, if !left => {
                left = true;
                // A line that broke because the program has ended: that it did is worth knowing.
                if !is_reaped(&mut child, BY_ITSELF).await {
                    break end(&mut child, group).await;
                }
            }
            // Nobody holds its stderr any more: it has ended, or is about to.
            _ = &mut listener, if !listener.is_finished() => look = LOOK_SOON,
            // Not quickly for ever: a program may close its stderr and live on.
            () = tokio::time::sleep(look) => look = (look * 2).min(LOOK),
        }
        let Some(ended) = child.try_wait().transpose() else { continue };
        if !listener.is_finished() {
            // What it wrote just before is on its way; its children may hold the pipe open for longer than that.
            let _ = tokio::time::timeout(LAST_LINES, &mut listener).await;
        }
        *report.ended.lock() = Some(describe(ended));
        report.news.notify_waiters();
        break;
    }
    // Whatever it started and left behind.
    signal(group, End::Ask);
}

async fn end(child: &mut Child, group: Option<u32>) {
    signal(group, End::Ask);
    if !is_reaped(child, GRACE).await {
        signal(group, End::Force);
        // Nothing survives that; what is left of it is only to be reaped.
        is_reaped(child, GRACE).await;
    }
}

async fn is_reaped(child: &mut Child, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(LOOK_SOON).await;
    }
    true
}

async fn listen(mut stderr: ChildStderr, report: Arc<Report>) {
    let mut chunk = [0; 512];
    while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
        let mut kept = report.stderr.lock();
        kept.extend(chunk.iter().take(count));
        let surplus = kept.len().saturating_sub(LAST_WORDS);
        kept.drain(..surplus);
    }
}

fn describe(ended: io::Result<std::process::ExitStatus>) -> String {
    match ended {
        Ok(status) => match status.code() {
            Some(code) => format!("ended with exit code {code}"),
            None => "was killed".to_owned(),
        },
        Err(error) => format!("is out of reach: {error}"),
    }
}

enum End {
    Ask,
    Force,
}

#[cfg(unix)]
fn signal(group: Option<u32>, end: End) {
    use nix::sys::signal::{Signal, killpg};
    let Some(group) = group.and_then(|group| i32::try_from(group).ok()) else { return };
    let signal = match end {
        End::Ask => Signal::SIGTERM,
        End::Force => Signal::SIGKILL,
    };
    // Fails when all of them have ended.
    let _ = killpg(nix::unistd::Pid::from_raw(group), signal);
}

/// `kill_on_drop` is all there is.
#[cfg(not(unix))]
fn signal(_: Option<u32>, _: End) {}

impl AsyncRead for ProxyCommand {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buf)
    }
}

impl AsyncWrite for ProxyCommand {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}
