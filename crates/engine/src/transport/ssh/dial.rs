//! TCP: resolve, race the addresses, and keep a handle that can cut the line whatever russh is doing.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;

use crate::error::{Error, Kind};

/// How long one address may take before the next one is tried beside it (RFC 8305's recommendation).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to the first address of `host` that answers. Cancel-safe: dropping it closes every attempt.
pub async fn dial(host: &str, port: u16) -> Result<TcpStream, Error> {
    let addresses: Vec<SocketAddr> = match lookup_host((host, port)).await {
        Ok(addresses) => addresses.collect(),
        Err(error) => return Err(unresolved(host, error)),
    };
    if addresses.is_empty() {
        return Err(unresolved(host, io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    let stream = race(addresses).await.map_err(|error| refused(host, port, error))?;
    // Commands are small packets; waiting to fill a segment costs 40 ms each (Nagle against delayed ACKs).
    stream.set_nodelay(true).map_err(|error| refused(host, port, error))?;
    Ok(stream)
}

/// Starts an attempt at each address, the next one as soon as the last one failed or took too long.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    if let Some(first) = waiting.next() {
        attempts.spawn(TcpStream::connect(first));
    }
    while !attempts.is_empty() {
        tokio::select! {
            Some(attempt) = attempts.join_next() => match attempt {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last_error = error,
                Err(panicked) => last_error = io::Error::other(panicked),
            },
            () = tokio::time::sleep(ATTEMPT_DELAY), if waiting.len() > 0 => {}
        }
        if let Some(next) = waiting.next() {
            attempts.spawn(TcpStream::connect(next));
        }
    }
    Err(last_error)
}

fn unresolved(host: &str, error: io::Error) -> Error {
    Error::Resolve { host: host.to_owned(), source: Arc::new(error) }
}

fn refused(host: &str, port: u16, error: io::Error) -> Error {
    use io::ErrorKind as Io;
    let (code, kind, problem) = match error.kind() {
        Io::ConnectionRefused => {
            ("ECONNREFUSED", Kind::ConnectionRefused, "nothing accepts connections there; check host and port")
        }
        Io::TimedOut => ("ETIMEDOUT", Kind::Timeout, "no answer; check the address and firewalls"),
        Io::HostUnreachable => ("EHOSTUNREACH", Kind::ConnectionRefused, "the host is unreachable"),
        Io::NetworkUnreachable => ("ENETUNREACH", Kind::ConnectionRefused, "the network is unreachable"),
        Io::PermissionDenied => ("EACCES", Kind::PermissionDenied, "this process may not connect there"),
        Io::ConnectionReset => ("ECONNRESET", Kind::ConnectionLost, "the connection was reset"),
        _ => ("ECONNFAILED", Kind::ConnectionRefused, "the connection could not be made"),
    };
    Error::Dial { address: format!("{host}:{port}"), problem, code, kind, source: Arc::new(error) }
}

/// A second handle to a socket, that ends its traffic when dropped: russh's task reads until the line is cut, and a
/// silent server would never cut it.
pub struct Cutter(std::net::TcpStream);

impl Cutter {
    /// Splits a stream into itself and its cutter.
    pub fn attach(stream: TcpStream) -> io::Result<(TcpStream, Self)> {
        let stream = stream.into_std()?;
        let cutter = Self(stream.try_clone()?);
        Ok((TcpStream::from_std(stream)?, cutter))
    }

    /// Lets the kernel end the connection when what we sent stays unacknowledged this long. Keepalive pings cannot find
    /// that out: while a write waits, russh sends none.
    #[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "TCP_USER_TIMEOUT is Linux's"))]
    pub fn give_up_after(&self, silence: Duration) -> io::Result<()> {
        // More than this the kernel takes for a negative number, and refuses.
        #[cfg(target_os = "linux")]
        let most = Duration::from_millis(i32::MAX.unsigned_abs().into());
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(&self.0).set_tcp_user_timeout(Some(silence.min(most)))?;
        Ok(())
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        // Fails only when the line is already cut.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
