use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use super::tls::Tls;
use super::wire::BoxedIo;
use crate::error::Error;

/// A line that is being made.
pub type Dialing = Pin<Box<dyn Future<Output = Result<BoxedIo, Error>> + Send>>;

/// Makes lines to a daemon over something that is not a plain socket.
pub trait Bridge: Send + Sync + 'static {
    fn dial(&self) -> Dialing;
}

/// Where a daemon listens.
#[derive(Clone)]
pub enum Endpoint {
    Unix(PathBuf),
    Tcp {
        host: String,
        port: u16,
        tls: Option<Tls>,
    },
    /// `name` is safe to print; `fingerprint` tells two bridges apart.
    Bridge {
        name: String,
        fingerprint: [u8; 32],
        bridge: Arc<dyn Bridge>,
    },
}

impl Endpoint {
    /// What the pool counts by: a host and a port, the latter 0 where there is none.
    pub fn host_and_port(&self) -> (String, u16) {
        match self {
            Self::Unix(path) => (path.display().to_string(), 0),
            Self::Tcp { host, port, .. } => (host.clone(), *port),
            Self::Bridge { name, .. } => (name.clone(), 0),
        }
    }

    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Tcp { tls, .. } => tls.as_ref(),
            Self::Unix(_) | Self::Bridge { .. } => None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port, tls: None } => write!(f, "tcp://{host}:{port}"),
            Self::Tcp { host, port, tls: Some(_) } => write!(f, "https://{host}:{port}"),
            Self::Bridge { name, .. } => f.write_str(name),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
