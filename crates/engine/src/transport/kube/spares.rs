//! Lines that are ready before a command needs one. A command takes its line with it, so without them each one waits for a dial
//! and a handshake.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::{Read, ReadBuf, Write};
use hyper_util::client::legacy::connect::Connection;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tower::{BoxError, Service, ServiceExt};

/// Lines at the most that are ready or being dialled.
const MOST: usize = 4;
/// Servers, and the balancers before them, give a line on which nothing is asked ten seconds and more. For how long commands must
/// follow each other to be worth it, too.
const KEPT: Duration = Duration::from_secs(4);

/// Whoever takes lines, told what becomes of them.
pub trait Spare: Send + Sync {
    /// A command has taken a line for itself: the next one may want one as well.
    fn used(&self);
    /// The server may be gone.
    fn forget(&self);
}

/// A connector that gives what is in stock first.
pub struct Spares<C: Service<Uri>> {
    connector: C,
    stock: Arc<Stock<C::Response>>,
    limit: Duration,
}

impl<C: Service<Uri> + Clone> Clone for Spares<C> {
    fn clone(&self) -> Self {
        Self { connector: self.connector.clone(), stock: Arc::clone(&self.stock), limit: self.limit }
    }
}

/// What can be kept.
pub trait Line: Read + Write + Connection + Send + Unpin + 'static {}

impl<L: Read + Write + Connection + Send + Unpin + 'static> Line for L {}

struct Stock<L> {
    state: Mutex<State<L>>,
    /// A line has come. Shared, because whoever waits for it must not keep the lines alive.
    grown: Arc<Notify>,
}

struct State<L> {
    /// The last one is the newest.
    ready: Vec<(L, Instant)>,
    dialling: usize,
    last_use: Option<Instant>,
    is_watched: bool,
    /// Aborted with the stock.
    tasks: JoinSet<()>,
}

impl<C> Spares<C>
where
    C: Service<Uri, Response: Line, Future: Send, Error: Into<BoxError>> + Clone + Send + Sync + 'static,
{
    /// `limit`: for a line to be made.
    pub fn new(connector: C, limit: Duration) -> Self {
        let state = State { ready: Vec::new(), dialling: 0, last_use: None, is_watched: false, tasks: JoinSet::new() };
        Self { connector, stock: Arc::new(Stock { state: Mutex::new(state), grown: Arc::default() }), limit }
    }

    /// For lines to `uri`.
    pub fn handle(&self, uri: Uri) -> Arc<dyn Spare> {
        Arc::new(Handle { spares: self.clone(), uri })
    }

    /// Where commands follow each other, the next one's line is made while this one runs.
    fn used(&self, uri: &Uri) {
        let mut state = self.stock.state.lock();
        let now = Instant::now();
        let follows = state.last_use.replace(now).is_some_and(|last| now.duration_since(last) < KEPT);
        if !follows || state.ready.len() + state.dialling >= MOST {
            return;
        }
        state.dialling += 1;
        while state.tasks.try_join_next().is_some() {}
        let (connector, stock, limit, uri) =
            (self.connector.clone(), Arc::downgrade(&self.stock), self.limit, uri.clone());
        state.tasks.spawn(async move {
            let line = match timeout(limit, connector.oneshot(uri)).await {
                Ok(Ok(line)) => Some(line),
                Ok(Err(error)) => {
                    let error: BoxError = error.into();
                    tracing::debug!(%error, "no line could be made ahead");
                    None
                }
                Err(_) => None,
            };
            if let Some(stock) = stock.upgrade() {
                stock.dialled(line);
            }
        });
    }
}

impl<C> Service<Uri> for Spares<C>
where
    C: Service<Uri, Response: Line, Future: Send, Error: Into<BoxError>> + Clone + Send + Sync + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        if let Some(line) = self.stock.take() {
            return Box::pin(std::future::ready(Ok(line)));
        }
        let connector = self.connector.clone();
        Box::pin(async move { connector.oneshot(uri).await.map_err(Into::into) })
    }
}

impl<L: Line> Stock<L> {
    /// The newest one that is still good.
    fn take(&self) -> Option<L> {
        let mut state = self.state.lock();
        while let Some((mut line, until)) = state.ready.pop() {
            if Instant::now() < until && is_quiet(&mut line, &mut Context::from_waker(Waker::noop())) {
                return Some(line);
            }
        }
        None
    }

    fn dialled(self: &Arc<Self>, line: Option<L>) {
        let mut state = self.state.lock();
        state.dialling -= 1;
        let Some(line) = line else { return };
        state.ready.push((line, Instant::now() + KEPT));
        if !std::mem::replace(&mut state.is_watched, true) {
            state.tasks.spawn(watch(Arc::downgrade(self), Arc::clone(&self.grown)));
        }
        drop(state);
        self.grown.notify_one();
    }

    /// When the next line is too old; `None`: there is none, and nobody has to watch.
    fn next_end(&self) -> Option<Instant> {
        let mut state = self.state.lock();
        let now = Instant::now();
        state.ready.retain(|(_, until)| now < *until);
        let next = state.ready.iter().map(|(_, until)| *until).min();
        state.is_watched = next.is_some();
        next
    }

    /// Lets lines go that the server has ended, or on which it speaks unasked.
    fn poll_spoilt(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        let before = state.ready.len();
        state.ready.retain_mut(|(line, _)| is_quiet(line, cx));
        if state.ready.len() < before || before == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Nothing is to be read on it, its end included. What belongs to TLS is taken in meanwhile: tickets for the next handshake.
fn is_quiet<L: Line>(line: &mut L, cx: &mut Context<'_>) -> bool {
    let mut byte = [0];
    let mut buffer = ReadBuf::new(&mut byte);
    Pin::new(line).poll_read(cx, buffer.unfilled()).is_pending()
}

/// Ends when there is nothing to watch, or nobody whose it is.
async fn watch<L: Line>(stock: Weak<Stock<L>>, grown: Arc<Notify>) {
    loop {
        let Some(next) = stock.upgrade().and_then(|stock| stock.next_end()) else { return };
        let spoilt = poll_fn(|cx| match stock.upgrade() {
            Some(stock) => stock.poll_spoilt(cx),
            None => Poll::Ready(()),
        });
        // Whatever it is, the next look finds it.
        let _ = timeout_at(next, async {
            tokio::select! {
                () = spoilt => {}
                () = grown.notified() => {}
            }
        })
        .await;
    }
}

struct Handle<C: Service<Uri>> {
    spares: Spares<C>,
    uri: Uri,
}

impl<C> Spare for Handle<C>
where
    C: Service<Uri, Response: Line, Future: Send, Error: Into<BoxError>> + Clone + Send + Sync + 'static,
{
    fn used(&self) {
        self.spares.used(&self.uri);
    }

    fn forget(&self) {
        self.spares.stock.state.lock().ready.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hyper_util::client::legacy::connect::Connected;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::mpsc;
    use tokio::time::{advance, sleep};

    use super::*;

    struct TestLine(TokioIo<DuplexStream>);

    impl Connection for TestLine {
        fn connected(&self) -> Connected {
            Connected::new()
        }
    }

    impl Read for TestLine {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: hyper::rt::ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl Write for TestLine {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    /// Counts dials, and hands the server's ends of their lines to the test.
    #[derive(Clone)]
    struct Dialler {
        dials: Arc<AtomicUsize>,
        servers: mpsc::UnboundedSender<DuplexStream>,
    }

    impl Service<Uri> for Dialler {
        type Response = TestLine;
        type Error = BoxError;
        type Future = std::future::Ready<Result<TestLine, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Uri) -> Self::Future {
            self.dials.fetch_add(1, Ordering::SeqCst);
            let (ours, theirs) = duplex(64);
            std::future::ready(self.servers.send(theirs).map(|()| TestLine(TokioIo::new(ours))).map_err(Into::into))
        }
    }

    struct World {
        spares: Spares<Dialler>,
        handle: Arc<dyn Spare>,
        dials: Arc<AtomicUsize>,
        servers: mpsc::UnboundedReceiver<DuplexStream>,
    }

    impl World {
        /// Commands have followed each other, so there is one line in stock.
        async fn with_one() -> (Self, DuplexStream) {
            let mut world = Self::new();
            world.handle.used();
            assert_eq!(world.dials.load(Ordering::SeqCst), 0, "one command alone is followed by none");
            world.handle.used();
            let server = world.servers.recv().await.unwrap();
            world.settle().await;
            (world, server)
        }

        fn new() -> Self {
            let (sender, servers) = mpsc::unbounded_channel();
            let dials = Arc::<AtomicUsize>::default();
            let spares = Spares::new(Dialler { dials: Arc::clone(&dials), servers: sender }, Duration::from_secs(9));
            let handle = spares.handle(Uri::from_static("https://server"));
            Self { spares, handle, dials, servers }
        }

        /// Lets the tasks do what they have to; with a clock that stands still nothing else happens.
        async fn settle(&self) {
            sleep(Duration::from_millis(1)).await;
        }

        fn ready(&self) -> usize {
            self.spares.stock.state.lock().ready.len()
        }

        async fn take(&self) -> TestLine {
            self.spares.clone().oneshot(Uri::from_static("https://server")).await.unwrap()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_command_gets_the_line_that_is_ready() {
        let (world, mut server) = World::with_one().await;
        let mut line = world.take().await;
        assert_eq!(world.dials.load(Ordering::SeqCst), 1);
        server.write_all(b"x").await.unwrap();
        assert_eq!(line.0.inner_mut().read_u8().await.unwrap(), b'x');
        drop(world.take().await);
        assert_eq!(world.dials.load(Ordering::SeqCst), 2, "what is not in stock is dialled");
    }

    #[tokio::test(start_paused = true)]
    async fn lines_that_the_server_ended_or_speaks_on_are_let_go() {
        let (world, server) = World::with_one().await;
        drop(server);
        // Before anybody could notice.
        drop(world.take().await);
        assert_eq!(world.dials.load(Ordering::SeqCst), 2);

        let (world, mut server) = World::with_one().await;
        server.write_all(b"HTTP/1.1 408 Request Timeout\r\n").await.unwrap();
        world.settle().await;
        assert_eq!(world.ready(), 0, "the watch has seen it");
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0, "and closed it");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_for_long() {
        let (world, mut server) = World::with_one().await;
        advance(KEPT).await;
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(world.ready(), 0);
        // Nor does a command that comes late make the next line.
        world.handle.used();
        world.settle().await;
        assert_eq!(world.dials.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_never_many() {
        let (mut world, _first) = World::with_one().await;
        for _ in 0..50 {
            world.handle.used();
        }
        world.settle().await;
        assert_eq!((world.dials.load(Ordering::SeqCst), world.ready()), (MOST, MOST));
        world.handle.forget();
        assert_eq!(world.ready(), 0);
        let mut server = world.servers.recv().await.unwrap();
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0, "what is forgotten is closed");
    }

    #[tokio::test(start_paused = true)]
    async fn they_are_closed_with_their_client() {
        let (world, mut server) = World::with_one().await;
        let World { spares, handle, .. } = world;
        let begun = Instant::now();
        drop((spares, handle));
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
        assert!(begun.elapsed() < KEPT, "not only when they are too old");
    }
}
