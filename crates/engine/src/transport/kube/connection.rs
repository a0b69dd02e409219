use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::timeout;

use super::channel::KubeChannel;
use super::client::KubeClient;
use super::pods::Containers;
use super::target::KubeTarget;
use crate::error::{Error, Phase, Reached};
use crate::pool::Hops;
use crate::transport::{Connection, OpenError, Transport};

/// Makes connections to Kubernetes clusters.
#[derive(Debug, Clone, Copy, Default)]
pub struct KubeTransport;

/// A cluster that answers. Dropping it ends its lines, those of running execs included.
pub struct KubeConnection {
    cluster: Arc<Cluster>,
    /// Dropped or set: everything that runs over this connection ends.
    cut: watch::Sender<bool>,
}

/// What everything that runs over a connection shares.
pub struct Cluster {
    pub client: KubeClient,
    pub containers: Containers,
    /// Why the API server is taken to be gone.
    gone: watch::Sender<Option<Error>>,
}

impl Cluster {
    /// An API server that takes no connections is gone: HTTP has nothing else that tells.
    pub fn note(&self, error: &Error) {
        if matches!(error, Error::Dial { .. } | Error::Resolve { .. }) {
            self.gone.send_if_modified(|gone| {
                let first = gone.is_none();
                if first {
                    *gone = Some(error.clone());
                }
                first
            });
        }
    }
}

impl Transport for KubeTransport {
    type Target = KubeTarget;
    type Connection = KubeConnection;

    async fn connect(&self, target: &Arc<KubeTarget>, _: &Hops<Self>) -> Result<KubeConnection, Error> {
        let limit = target.timeout;
        match timeout(limit, KubeClient::connect(Arc::clone(target))).await {
            Ok(client) => Ok(KubeConnection {
                cluster: Arc::new(Cluster {
                    client: client?,
                    containers: Containers::default(),
                    gone: watch::Sender::new(None),
                }),
                cut: watch::Sender::new(false),
            }),
            Err(_) => Err(Error::Timeout { phase: Phase::Handshake, limit, reached: Reached::No, source: None }),
        }
    }
}

impl KubeConnection {
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// Becomes true, or closed, when everything over this connection must end.
    pub fn cut(&self) -> watch::Receiver<bool> {
        self.cut.subscribe()
    }

    fn is_cut(&self) -> bool {
        *self.cut.borrow()
    }

    fn lost(&self) -> Option<Error> {
        let source = match &*self.cluster.gone.borrow() {
            Some(error) => Some(Arc::new(error.clone()) as _),
            None if self.is_cut() => None,
            None => return None,
        };
        Some(Error::ConnectionLost { phase: Phase::OpenChannel, reached: Reached::No, source })
    }
}

impl Connection for KubeConnection {
    type Channel = KubeChannel;

    /// Asks the server nothing: that is done when it is known what is to run.
    async fn open(&self) -> Result<KubeChannel, OpenError> {
        match self.lost() {
            Some(error) => Err(OpenError::Lost(error)),
            None => Ok(KubeChannel::new(Arc::clone(&self.cluster), self.cut())),
        }
    }

    async fn closed(&self) -> Option<Error> {
        let mut gone = self.cluster.gone.subscribe();
        let mut cut = self.cut();
        tokio::select! {
            () = until(&mut gone, Option::is_some) => {}
            () = until(&mut cut, |cut| *cut) => {}
        }
        if self.is_cut() { None } else { self.lost() }
    }

    async fn ping(&self) -> Result<(), Error> {
        self.cluster.client.ping().await
    }

    fn is_closed(&self) -> bool {
        self.is_cut() || self.cluster.gone.borrow().is_some()
    }

    async fn close(&self) {
        // Execs listen, if there are any.
        self.cut.send_replace(true);
    }
}

/// Resolves when it is so, or when nobody is left who could say it.
pub async fn until<T>(watched: &mut watch::Receiver<T>, so: impl FnMut(&T) -> bool) {
    // What it holds a lock on is let go of here.
    let _ = watched.wait_for(so).await;
}
