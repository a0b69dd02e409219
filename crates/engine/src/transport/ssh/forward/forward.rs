use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::address::{Address, ForwardSpec};
use super::error::ForwardError;
use super::link::Link;
use super::local::Clients;
use super::news::{News, Outlet};
use super::overflow::Overflow;
use super::remote::ServerListener;
use super::routes::Inbound;
use super::socket::Listener;
use super::stats::{Counters, ForwardStats};
use crate::error::{Error, Phase, Reached};
use crate::pool::{Pool, Request};
use crate::run::Cancel;
use crate::transport::ssh::{Link as SshLink, SshTransport};

/// For the client connections of a forward that closes to say goodbye.
const LAST_CLIENTS: Duration = Duration::from_secs(2);

/// A listener, here or on the server, whose connections go through a pooled connection. It is open until it is closed, by
/// its owner, by its pool or by an error; dropping this handle alone changes nothing.
pub struct Forward {
    shared: Arc<Shared>,
}

/// What the tasks of a forward share.
pub struct Shared {
    pub counters: Counters,
    pub outlet: Outlet,
    /// Where it listens, with the port that was chosen.
    pub bound: Mutex<Address>,
    closing: watch::Sender<bool>,
    closed: watch::Sender<bool>,
}

/// The connection that client connections use now; `None` while there is none.
pub type Up = watch::Receiver<Option<Arc<SshLink>>>;

/// Held by each client connection; when all are gone, so are they.
pub type Alive = mpsc::Sender<std::convert::Infallible>;

impl Shared {
    pub fn new(listen: Address, outlet: Outlet) -> Self {
        Self {
            counters: Counters::default(),
            outlet,
            bound: Mutex::new(listen),
            closing: watch::channel(false).0,
            closed: watch::channel(false).0,
        }
    }

    /// No new clients, and the present ones are cut.
    pub fn begin_to_close(&self) {
        self.closing.send_replace(true);
    }

    /// Resolves once the forward is to close. Cancel-safe.
    pub async fn closing(&self) {
        // The sender is our own field.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    pub fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    pub fn failed(&self, error: Error) {
        self.counters.count_failed();
        self.outlet.tell(News::Failed(error));
    }
}

impl Forward {
    /// Listens, and connects to the server. `cancel` gives up until this resolves, and with it the port and the place in the
    /// pool's queue; afterwards there is `close`.
    pub async fn open(
        pool: Arc<Pool<SshTransport>>,
        request: Request<SshTransport>,
        spec: ForwardSpec,
        cancel: Cancel,
    ) -> Result<Self, Error> {
        if cancel.is_cancelled() {
            return Err(Error::Aborted { phase: Phase::Queue, reached: Reached::No });
        }
        let runtime = pool.runtime().clone();
        // In a task of its own: a server that has been asked to listen must be asked to stop.
        let opening = runtime.spawn(open(pool, request, spec, cancel));
        opening.await.unwrap_or(Err(Error::Internal { what: "opening a forward" }))
    }

    /// Where it listens: the port is the one that was chosen.
    pub fn bound(&self) -> Address {
        self.shared.bound.lock().clone()
    }

    pub fn stats(&self) -> ForwardStats {
        self.shared.counters.snapshot()
    }

    pub fn is_open(&self) -> bool {
        !self.shared.is_closing()
    }

    /// Begins to close: no new connections, and the present ones are cut.
    pub fn close(&self) {
        self.shared.begin_to_close();
    }

    /// Resolves when it is closed, whoever closed it.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            // The sender is held here.
            let _ = shared.closed.subscribe().wait_for(|closed| *closed).await;
        }
    }

    /// `wake` is called whenever there is news to fetch.
    pub fn on_news(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.shared.outlet.set_wake(wake);
    }

    pub fn news(&self) -> Vec<News> {
        self.shared.outlet.drain()
    }
}

async fn open(
    pool: Arc<Pool<SshTransport>>,
    request: Request<SshTransport>,
    spec: ForwardSpec,
    cancel: Cancel,
) -> Result<Forward, Error> {
    let (key, phases) = (request.key.clone(), Arc::clone(&pool));
    let aborted = || Error::Aborted { phase: phases.waiting_phase(&key), reached: Reached::No };
    let shared = Arc::new(Shared::new(spec.listen().clone(), Outlet::default()));
    let (connected, up) = watch::channel(None);
    let (alive, gone) = mpsc::channel(1);
    let runtime = pool.runtime().clone();
    let mut server = None;
    let link;
    match spec {
        ForwardSpec::Remote { listen, to } => {
            link = unless(&cancel, aborted, Link::make(pool, request)).await?;
            let connection = link.connection().ok_or(Error::Internal { what: "a forward's connection" })?;
            let to_listen = Arc::clone(&connection);
            let mut opening = runtime.spawn(async move { ServerListener::open(listen, &to_listen).await });
            let opened = tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    runtime.spawn(listen_no_more(opening, link));
                    return Err(aborted());
                }
                opened = &mut opening => opened,
            };
            let (listener, inbound) = opened.unwrap_or(Err(Error::Internal { what: "a forward's listener" }))?;
            *shared.bound.lock() = listener.bound().clone();
            server = Some(listener);
            runtime.spawn(super::remote::serve(Arc::clone(&shared), inbound, Some(to), alive));
        }
        ForwardSpec::Local { listen, to } => {
            let listener = unless(&cancel, aborted, bind(&shared, &listen)).await?;
            let overflow = Some(Overflow::new(&pool, &request));
            link = unless(&cancel, aborted, Link::make(pool, request)).await?;
            runtime.spawn(Clients { shared: Arc::clone(&shared), to: Some(to), up, alive, overflow }.accept(listener));
        }
        ForwardSpec::Dynamic { listen } => {
            let listener = unless(&cancel, aborted, bind(&shared, &listen)).await?;
            let overflow = Some(Overflow::new(&pool, &request));
            link = unless(&cancel, aborted, Link::make(pool, request)).await?;
            runtime.spawn(Clients { shared: Arc::clone(&shared), to: None, up, alive, overflow }.accept(listener));
        }
    }
    connected.send_replace(link.connection());
    let keeper = Keeper { shared: Arc::clone(&shared), link, connected, server, gone };
    runtime.spawn(keeper.run());
    Ok(Forward { shared })
}

/// Drops `work` when the caller gives up, and with it what it held.
async fn unless<T>(
    cancel: &Cancel,
    aborted: impl Fn() -> Error,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::pin!(work);
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(aborted()),
        outcome = &mut work => outcome,
    }
}

/// For a listener that nobody waits for any more, once it is there; bounded, as both requests are.
async fn listen_no_more(opening: JoinHandle<Result<(ServerListener, mpsc::Receiver<Inbound>), Error>>, link: Link) {
    if let (Ok(Ok((listener, _))), Some(connection)) = (opening.await, link.connection()) {
        listener.close(&connection).await;
    }
    link.release();
}

async fn bind(shared: &Shared, listen: &Address) -> Result<Listener, Error> {
    let listener = Listener::bind(listen).await.map_err(|error| ForwardError::listen(listen, error))?;
    *shared.bound.lock() = listen.with_port(listener.port());
    Ok(listener)
}

/// Resolves when much waits for clients of this connection that do not read. Cancel-safe.
async fn crowded(connection: Option<Arc<SshLink>>) {
    match connection {
        Some(connection) => connection.parking().until_crowded().await,
        None => std::future::pending().await,
    }
}

/// Keeps a forward connected until it is closed.
struct Keeper {
    shared: Arc<Shared>,
    link: Link,
    connected: watch::Sender<Option<Arc<SshLink>>>,
    server: Option<ServerListener>,
    gone: mpsc::Receiver<std::convert::Infallible>,
}

impl Keeper {
    async fn run(mut self) {
        let error = self.keep().await.err();
        self.shared.begin_to_close();
        self.connected.send_replace(None);
        if let (Some(server), Some(connection)) = (self.server.take(), self.link.connection())
            && (error.is_none() || server.outlives_us())
        {
            server.close(&connection).await;
        }
        if timeout(LAST_CLIENTS, self.gone.recv()).await.is_err() {
            tracing::debug!("client connections of a closed forward are still ending");
        }
        self.link.release();
        self.shared.outlet.tell(News::Closed(error));
        self.shared.closed.send_replace(true);
    }

    async fn keep(&mut self) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        loop {
            let (connection, aside) = (self.link.connection(), self.link.is_aside());
            tokio::select! {
                biased;
                () = shared.closing() => return Ok(()),
                ended = self.link.ended() => ended?,
                () = crowded(connection), if !aside => {
                    // New clients get another one.
                    self.link.set_aside();
                    continue;
                }
            }
            self.connected.send_replace(None);
            shared.outlet.tell(News::Reconnecting);
            tokio::select! {
                biased;
                () = shared.closing() => return Ok(()),
                made = self.connect_again() => made?,
            }
            shared.counters.count_reconnect();
            self.connected.send_replace(self.link.connection());
            shared.outlet.tell(News::Reconnected);
        }
    }

    async fn connect_again(&mut self) -> Result<(), Error> {
        loop {
            self.link.again().await?;
            let (Some(server), Some(connection)) = (&mut self.server, self.link.connection()) else { return Ok(()) };
            match server.open_again(&connection).await {
                // Lost once more: how often that is tried is the pool's policy.
                Err(Error::ConnectionLost { .. } | Error::Timeout { .. }) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    *self.shared.bound.lock() = server.bound().clone();
                    return Ok(());
                }
            }
        }
    }
}
