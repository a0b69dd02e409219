use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::timeout;

use super::client::KubeClient;
use super::exec::Exec;
use super::pods::Containers;
use super::starts::Starts;
use super::target::KubeTarget;
use crate::error::{Error, Phase, Reached};
use crate::pool::Hops;
use crate::transport::container::{ApiConnection, ApiRequest, ApiResponse, ExecChannel, until};
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
    pub starts: Starts,
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
                    starts: Starts::default(),
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
    type Channel = ExecChannel;

    /// Asks the server nothing: that is done when it is known what is to run.
    async fn open(&self) -> Result<ExecChannel, OpenError> {
        match self.lost() {
            Some(error) => Err(OpenError::Lost(error)),
            None => {
                let cluster = Arc::clone(&self.cluster);
                Ok(ExecChannel::new("pod", self.cut(), |output, orders, input| {
                    Exec::new(cluster, output).run(orders, input)
                }))
            }
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

impl ApiConnection for KubeConnection {
    async fn send(&self, api: &ApiRequest, body: Bytes) -> Result<ApiResponse, Error> {
        self.cluster.client.send(api, body).await
    }

    fn cut(&self) -> watch::Receiver<bool> {
        self.cut.subscribe()
    }

    fn note(&self, error: &Error) {
        self.cluster.note(error);
    }
}
