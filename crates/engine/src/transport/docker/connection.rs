use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::client::DockerClient;
use super::exec::Exec;
use super::target::DockerTarget;
use super::wire::BoxedIo;
use crate::error::{Cause, Error, Phase, Reached};
use crate::pool::Hops;
use crate::transport::container::{ApiConnection, ApiRequest, ApiResponse, ExecChannel, until};
use crate::transport::{Connection, OpenError, Transport};

/// A line that a daemon ends sooner than this was not ended for being idle.
const NO_IDLE_END: Duration = Duration::from_secs(5);

/// Makes connections to Docker daemons.
#[derive(Debug, Clone, Copy, Default)]
pub struct DockerTransport;

/// A daemon that answers. Dropping it ends its lines, those of running execs included.
pub struct DockerConnection {
    client: Arc<DockerClient>,
    end: watch::Receiver<Option<End>>,
    closing: AtomicBool,
    /// Dropped or set: everything that runs over this connection ends.
    cut: watch::Sender<bool>,
}

/// How the line that is there to end with the daemon has ended.
#[derive(Clone)]
pub struct End(Cause);

impl Transport for DockerTransport {
    type Target = DockerTarget;
    type Connection = DockerConnection;

    async fn connect(&self, target: &Arc<DockerTarget>, _: &Hops<Self>) -> Result<DockerConnection, Error> {
        let limit = target.timeout;
        match timeout(limit, establish(target)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Timeout { phase: Phase::Handshake, limit, reached: Reached::No, source: None }),
        }
    }
}

async fn establish(target: &DockerTarget) -> Result<DockerConnection, Error> {
    let client = Arc::new(DockerClient::connect(Arc::clone(&target.endpoint), target.timeout).await?);
    let line = client.dial().await?;
    let (cut, was_cut) = watch::channel(false);
    let (ended, end) = watch::channel(None);
    tokio::spawn(watch_line(line, Arc::downgrade(&client), ended, was_cut));
    Ok(DockerConnection { client, end, closing: AtomicBool::new(false), cut })
}

/// Reads a line on which nothing is asked, until the daemon ends it: HTTP has nothing else that tells when a daemon goes.
/// Daemons also end lines that were idle for long; then another one is as good.
async fn watch_line(
    mut line: BoxedIo,
    client: std::sync::Weak<DockerClient>,
    ended: watch::Sender<Option<End>>,
    mut was_cut: watch::Receiver<bool>,
) {
    loop {
        let since = Instant::now();
        let mut byte = [0];
        let read = tokio::select! {
            read = line.read(&mut byte) => read,
            () = until(&mut was_cut, |cut| *cut) => return,
        };
        let why: Cause = match read {
            Err(error) => Arc::new(error),
            Ok(_) => Arc::new(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)),
        };
        let Some(client) = client.upgrade() else { return };
        let again = if since.elapsed() < NO_IDLE_END { None } else { another(&client).await };
        match again {
            Some(another) => line = another,
            None => {
                // Nobody left to tell: the connection is gone.
                let _ = ended.send(Some(End(why)));
                return;
            }
        }
    }
}

async fn another(client: &DockerClient) -> Option<BoxedIo> {
    client.ping().await.ok()?;
    client.dial().await.ok()
}

impl DockerConnection {
    pub fn client(&self) -> &Arc<DockerClient> {
        &self.client
    }
}

impl Connection for DockerConnection {
    type Channel = ExecChannel;

    /// Asks the daemon nothing: that is done when it is known what is to run.
    async fn open(&self) -> Result<ExecChannel, OpenError> {
        match self.lost() {
            Some(error) => Err(OpenError::Lost(error)),
            None => {
                let (client, end) = (Arc::clone(&self.client), self.end.clone());
                Ok(ExecChannel::new("container", self.cut(), |output, orders, input| {
                    Exec::new(client, output, end).run(orders, input)
                }))
            }
        }
    }

    async fn closed(&self) -> Option<Error> {
        let mut end = self.end.clone();
        let mut cut = self.cut.subscribe();
        tokio::select! {
            // The sender is gone only when it was cut.
            () = until(&mut end, Option::is_some) => {}
            () = until(&mut cut, |cut| *cut) => {}
        }
        if self.closing.load(Ordering::Acquire) { None } else { self.lost() }
    }

    async fn ping(&self) -> Result<(), Error> {
        self.client.ping().await
    }

    fn is_closed(&self) -> bool {
        self.closing.load(Ordering::Acquire) || self.end.borrow().is_some()
    }

    async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        // Execs and the watcher of the line listen, if there are any.
        self.cut.send_replace(true);
    }
}

impl ApiConnection for DockerConnection {
    async fn send(&self, api: &ApiRequest, body: Bytes) -> Result<ApiResponse, Error> {
        self.client.send(api, body).await
    }

    fn cut(&self) -> watch::Receiver<bool> {
        self.cut.subscribe()
    }

    /// The line that ends with the daemon says it.
    fn note(&self, _: &Error) {}
}

impl DockerConnection {
    fn lost(&self) -> Option<Error> {
        let source = match &*self.end.borrow() {
            Some(End(source)) => Some(Arc::clone(source)),
            None if self.closing.load(Ordering::Acquire) => None,
            None => return None,
        };
        Some(Error::ConnectionLost { phase: Phase::OpenChannel, reached: Reached::No, source })
    }
}
