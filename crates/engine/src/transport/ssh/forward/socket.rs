//! The ends of a forward on this machine.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::address::Address;

/// For a server on this machine, or near it, to take a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Either kind of socket.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

pub type Socket = Box<dyn Duplex>;

/// A client that came, and from where.
pub struct Client {
    pub socket: Socket,
    pub from: Option<(String, u16)>,
}

pub enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    /// The path goes with the listener.
    Unix(tokio::net::UnixListener, #[expect(dead_code, reason = "held for its drop")] OwnedPath),
}

impl Listener {
    /// A socket file that is in the way is not removed: somebody may be listening there.
    pub async fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp { host, port } => Ok(Self::Tcp(TcpListener::bind((host.as_str(), *port)).await?)),
            #[cfg(unix)]
            Address::Unix(path) => {
                let listener = tokio::net::UnixListener::bind(path)?;
                let owned = OwnedPath(path.into());
                // As `ssh` does: for this user only.
                std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
                Ok(Self::Unix(listener, owned))
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub fn port(&self) -> u16 {
        match self {
            Self::Tcp(listener) => listener.local_addr().map_or(0, |address| address.port()),
            #[cfg(unix)]
            Self::Unix(..) => 0,
        }
    }

    /// Cancel-safe.
    pub async fn accept(&self) -> io::Result<Client> {
        match self {
            Self::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                undelayed(&stream);
                Ok(Client { socket: Box::new(stream), from: Some(named(from)) })
            }
            #[cfg(unix)]
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok(Client { socket: Box::new(stream), from: None })
            }
        }
    }
}

/// Small pieces go at once. Without it they are late, which is no reason to refuse anybody: a client that has left already is
/// the usual one that it cannot be set for.
fn undelayed(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY is not to be had");
    }
}

fn named(address: SocketAddr) -> (String, u16) {
    (address.ip().to_string(), address.port())
}

/// A socket file that we made; removed when dropped.
#[cfg(unix)]
pub struct OwnedPath(std::path::PathBuf);

#[cfg(unix)]
impl Drop for OwnedPath {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "the socket of a forward was not removed");
        }
    }
}

pub async fn connect(to: &Address) -> io::Result<Socket> {
    let connecting = async {
        match to {
            Address::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                undelayed(&stream);
                Ok(Box::new(stream) as Socket)
            }
            #[cfg(unix)]
            Address::Unix(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await?) as Socket),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    };
    tokio::time::timeout(CONNECT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
