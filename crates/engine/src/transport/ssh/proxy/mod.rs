//! Getting a line to a server out of a proxy. Every answer is bounded in size here, and in time by whoever calls.

mod command;
mod http;
mod socks5;

pub use command::{ProxyCommand, Report};

use std::sync::Arc;

use tokio::net::TcpStream;

use super::dial::dial;
use super::route::{Proxy, ProxyKind, address};
use crate::error::{Cause, Error, Kind};

/// A connection to `host` through the proxy. The proxy resolves the name.
pub async fn connect(proxy: &Proxy, host: &str, port: u16) -> Result<TcpStream, Error> {
    let refusal = |refusal: Refusal| Error::Proxy {
        proxy: proxy.name(),
        address: address(host, port),
        problem: refusal.problem,
        kind: refusal.kind,
        source: refusal.source,
    };
    let mut stream = dial(&proxy.host, proxy.port).await.map_err(|error| refusal(Refusal::unreachable(error)))?;
    let outcome = match proxy.kind {
        ProxyKind::Socks5 => socks5::connect(&mut stream, proxy, host, port).await,
        ProxyKind::Http => http::connect(&mut stream, proxy, host, port).await,
    };
    outcome.map_err(refusal)?;
    Ok(stream)
}

/// Why a proxy is of no use.
struct Refusal {
    problem: String,
    kind: Kind,
    source: Option<Cause>,
}

impl Refusal {
    fn new(kind: Kind, problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), kind, source: None }
    }

    fn unreachable(error: Error) -> Self {
        Self { problem: "it cannot be reached".to_owned(), kind: error.kind(), source: Some(Arc::new(error)) }
    }

    fn garbage() -> Self {
        Self::new(Kind::ConnectionRefused, "it does not speak the protocol: check the kind of proxy and its port")
    }
}

/// It hung up, or the line to it broke.
impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self {
            problem: "it ended the connection".to_owned(),
            kind: Kind::ConnectionLost,
            source: Some(Arc::new(error)),
        }
    }
}
