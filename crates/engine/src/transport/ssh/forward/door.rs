use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::routes::{Caller, Inbound};

/// After an `accept` that failed, for lack of descriptors mostly: trying at once would only burn time.
const BREATH: Duration = Duration::from_millis(50);

/// A socket in a directory that only we can enter, to which somebody else's master brings the connections of a remote
/// forward. Both go when it is dropped.
pub struct Door {
    directory: PathBuf,
    socket: PathBuf,
    accepting: AbortHandle,
}

impl Door {
    /// What comes in goes to `inbound`; what that has no room for is hung up on.
    pub fn open(inbound: mpsc::Sender<Inbound>) -> io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("xec-{:016x}", RandomState::new().hash_one("door")));
        std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
        let socket = directory.join("s");
        match UnixListener::bind(&socket) {
            Ok(listener) => {
                let accepting = tokio::spawn(accept(listener, inbound)).abort_handle();
                Ok(Self { directory, socket, accepting })
            }
            Err(error) => {
                // It is empty, and the first error counts.
                let _ = std::fs::remove_dir(&directory);
                Err(error)
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.accepting.abort();
        let removed = std::fs::remove_file(&self.socket).and_then(|()| std::fs::remove_dir(&self.directory));
        if let Err(error) = removed {
            tracing::debug!(path = %self.directory.display(), %error, "the socket of a forward was not removed");
        }
    }
}

async fn accept(listener: UnixListener, inbound: mpsc::Sender<Inbound>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                if inbound
                    .try_send(Inbound { caller: Caller::Socket(socket), from: None, parking: Arc::default() })
                    .is_err()
                {
                    tracing::debug!("a forwarded connection was refused: too many at once, or its forward is closed");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a forwarded connection could not be let in");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}
