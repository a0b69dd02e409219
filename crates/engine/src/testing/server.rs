//! The listening server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::server::Config;
use russh::{MethodKind, MethodSet};
use tokio::net::{TcpListener, TcpStream};

use super::accounts::{Accounts, User};
use super::session::{ClientSession, Shared};
use super::shutdown::{Running, Shutdown};
use super::stats::{Counters, ServerStats};
use super::{EmbeddedServerError, connection, keys};

/// As sshd's default.
const MAX_SESSIONS: usize = 10;
/// After an accept that failed: when the process is out of file descriptors there is no event to wait for.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What to serve. Get one with [`EmbeddedServer::builder`].
#[derive(Debug)]
pub struct Builder {
    users: Vec<User>,
    port: u16,
    max_sessions: usize,
}

impl Builder {
    /// Adds an account; without any, nobody can log in.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// The port to listen on; 0, the default, lets the system choose.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Channels that one connection may have open at a time; further ones are refused. Default 10, as sshd.
    #[must_use]
    pub fn max_sessions(mut self, limit: usize) -> Self {
        self.max_sessions = limit;
        self
    }

    /// Listens on 127.0.0.1 and serves in the background, on the current tokio runtime.
    pub async fn start(self) -> Result<EmbeddedServer, EmbeddedServerError> {
        let accounts = Accounts::new(self.users)?;
        let host_key = keys::generate()?;
        let listen_error = |source| EmbeddedServerError::Listen { port: self.port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let counters = Arc::new(Counters::default());
        let shared = Arc::new(Shared { accounts, counters: Arc::clone(&counters), max_sessions: self.max_sessions });
        let (shutdown, running) = Shutdown::new();
        let fingerprint = keys::fingerprint(&host_key);
        tokio::spawn(accept(listener, Arc::new(config(host_key)), shared, running));
        Ok(EmbeddedServer { address, fingerprint, counters, shutdown })
    }
}

/// A running server. [`stop`](Self::stop) ends it and waits; dropping it ends it in the background.
pub struct EmbeddedServer {
    address: SocketAddr,
    fingerprint: String,
    counters: Arc<Counters>,
    shutdown: Shutdown,
}

impl EmbeddedServer {
    #[must_use]
    pub fn builder() -> Builder {
        Builder { users: Vec::new(), port: 0, max_sessions: MAX_SESSIONS }
    }

    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The host key's fingerprint as OpenSSH prints it, `SHA256:…`.
    #[must_use]
    pub fn host_key_fingerprint(&self) -> &str {
        &self.fingerprint
    }

    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.counters.snapshot()
    }

    /// Stops listening, ends every command with its children, tells every client goodbye. When this returns,
    /// nothing that the server started is left; it takes at most about half a second.
    pub async fn stop(self) {
        self.shutdown.stop().await;
    }
}

fn config(host_key: PrivateKey) -> Config {
    Config {
        keys: vec![host_key],
        methods: MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password][..]),
        // A refusal need not be slow: nobody guesses passwords on loopback, and tests wait for it.
        auth_rejection_time: Duration::ZERO,
        inactivity_timeout: None,
        nodelay: true,
        event_buffer_size: 128,
        // Nobody reads russh's own channel queues here: the session handler gets everything first.
        channel_buffer_size: 1,
        ..Config::default()
    }
}

async fn accept(listener: TcpListener, config: Arc<Config>, shared: Arc<Shared>, mut running: Running) {
    loop {
        let accepted = tokio::select! {
            () = running.stop_requested() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) => serve(socket, &config, &shared, &running),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn serve(socket: TcpStream, config: &Arc<Config>, shared: &Arc<Shared>, running: &Running) {
    let (config, running) = (Arc::clone(config), running.clone());
    let client = ClientSession::new(Arc::clone(shared), running.clone());
    tokio::spawn(async move {
        if let Err(error) = connection::serve(socket, config, client, running).await {
            tracing::debug!(%error, "a connection ended with an error");
        }
    });
}
