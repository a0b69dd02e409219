//! Lines to a daemon, for hyper.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::endpoint::Endpoint;
#[cfg(unix)]
use super::paced::Paced;
use super::tls::Tls;
use crate::error::{Error, Kind, Phase, Reached};
use crate::transport::ssh::dial_tcp;

/// A byte stream both ways. Shutting it down ends our direction only.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub type BoxedIo = Box<dyn Io>;

/// How long a silent peer on a TCP line is believed to be there.
const TCP_SILENCE: Duration = Duration::from_secs(30);

/// A new line to `endpoint`. Cancel-safe.
pub async fn dial(endpoint: &Endpoint) -> Result<BoxedIo, Error> {
    match endpoint {
        #[cfg(unix)]
        Endpoint::Unix(path) => match tokio::net::UnixStream::connect(path).await {
            Ok(stream) => Ok(Box::new(Paced::new(stream))),
            Err(error) => Err(unreachable(endpoint, error)),
        },
        #[cfg(not(unix))]
        Endpoint::Unix(_) => Err(unreachable(endpoint, io::ErrorKind::Unsupported.into())),
        Endpoint::Tcp { host, port, tls } => {
            let stream = dial_tcp(host, *port).await?;
            let keepalive = socket2::TcpKeepalive::new().with_time(TCP_SILENCE).with_interval(TCP_SILENCE / 3);
            socket2::SockRef::from(&stream)
                .set_tcp_keepalive(&keepalive)
                .map_err(|error| unreachable(endpoint, error))?;
            match tls {
                None => Ok(Box::new(stream)),
                Some(tls) => secure(endpoint, tls, stream).await,
            }
        }
        Endpoint::Bridge { bridge, .. } => bridge.dial().await,
    }
}

async fn secure(endpoint: &Endpoint, tls: &Tls, stream: tokio::net::TcpStream) -> Result<BoxedIo, Error> {
    match TlsConnector::from(Arc::clone(tls.config())).connect(tls.name().clone(), stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(Error::Tls { address: endpoint.to_string(), source: Arc::new(error) }),
    }
}

fn unreachable(endpoint: &Endpoint, error: io::Error) -> Error {
    use io::ErrorKind as Io;
    let (code, kind, problem) = match error.kind() {
        Io::NotFound => ("ENODAEMON", Kind::ConnectionRefused, "there is no such socket; is the daemon running?"),
        Io::ConnectionRefused => {
            ("ENODAEMON", Kind::ConnectionRefused, "nobody listens at this socket; is the daemon running?")
        }
        Io::PermissionDenied => {
            ("EACCES", Kind::PermissionDenied, "this user may not use the socket; is it in the docker group?")
        }
        Io::Unsupported => ("ENODAEMON", Kind::InvalidUsage, "UNIX sockets are not for this system"),
        _ => ("ENODAEMON", Kind::ConnectionRefused, "the connection could not be made"),
    };
    Error::Dial { address: endpoint.to_string(), problem, code, kind, source: Arc::new(error) }
}

/// What hyper takes new lines from.
#[derive(Clone, Debug)]
pub struct Dialer {
    pub endpoint: Arc<Endpoint>,
    pub limit: Duration,
}

impl Dialer {
    pub async fn dial(&self) -> Result<BoxedIo, Error> {
        match tokio::time::timeout(self.limit, dial(&self.endpoint)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Timeout { phase: Phase::Dial, limit: self.limit, reached: Reached::No, source: None }),
        }
    }
}

impl Service<Uri> for Dialer {
    type Response = Line;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Line, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    /// Whatever the address says: there is one daemon.
    fn call(&mut self, _: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { Ok(Line(TokioIo::new(dialer.dial().await?))) })
    }
}

/// A line in hyper's terms.
pub struct Line(TokioIo<BoxedIo>);

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for Line {
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
