//! WebSockets to API servers.

use std::io;
use std::sync::Arc;

use futures_util::stream::SplitSink;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{StatusCode, upgrade};
use hyper_util::rt::TokioIo;
use kube::client::Body;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::client::KubeClient;
use super::failure::LineFailure;
use super::refusal::KubeRefusal;
use crate::error::{Error, Phase, Reached};
use crate::transport::container::{ApiRequest, no_body};

/// No server sends more at once: runtimes copy by 32 KiB.
const LONGEST_MESSAGE: usize = 16 * 1024 * 1024;

pub type Stream = WebSocketStream<TokioIo<Upgraded>>;
pub type Sink = Arc<tokio::sync::Mutex<SplitSink<Stream, Message>>>;
pub use tokio_tungstenite::tungstenite::Error as SocketError;

/// What is spoken over a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Nobody can say that stdin has ended.
    V4,
    V5,
}

impl Version {
    fn name(self) -> &'static str {
        match self {
            Self::V4 => "v4.channel.k8s.io",
            Self::V5 => "v5.channel.k8s.io",
        }
    }
}

/// Asks for a socket, in one of the versions offered, best first.
pub async fn open(client: &KubeClient, request: &ApiRequest, offered: &[Version]) -> Result<(Stream, Version), Error> {
    let limit = request.timeout.unwrap_or(client.target().timeout);
    let key = generate_key();
    let ask = || {
        let mut built = request.build("", no_body())?.map(|_| Body::empty());
        head(built.headers_mut(), &key, offered)?;
        Ok::<_, Error>(client.answered(built, limit))
    };
    let mut response = match ask()?.await {
        // A line that was ready turned out to be dead before anything was sent: nothing can have run.
        Err(Error::ConnectionLost { reached: Reached::No, .. }) => ask()?.await?,
        answer => answer?,
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (status, said) = client.refused(response, limit).await;
        return Err(KubeRefusal::of_upgrade(status, &said).error());
    }
    let version = agreed(response.headers(), &key, offered)
        .map_err(|problem| KubeRefusal::upgrade(StatusCode::SWITCHING_PROTOCOLS.as_u16(), problem).error())?;
    client.used_up_a_line();
    let line = match timeout(limit, upgrade::on(&mut response)).await {
        Ok(Ok(line)) => line,
        Ok(Err(error)) => return Err(LineFailure::of(error).lost(Reached::Unknown)),
        Err(_) => {
            return Err(Error::Timeout { phase: Phase::OpenChannel, limit, reached: Reached::Unknown, source: None });
        }
    };
    let limits =
        WebSocketConfig::default().max_message_size(Some(LONGEST_MESSAGE)).max_frame_size(Some(LONGEST_MESSAGE));
    Ok((WebSocketStream::from_raw_socket(TokioIo::new(line), Role::Client, Some(limits)).await, version))
}

fn head(headers: &mut HeaderMap, key: &str, offered: &[Version]) -> Result<(), Error> {
    let offers: Vec<&str> = offered.iter().map(|version| version.name()).collect();
    for (name, value) in [
        (CONNECTION, "Upgrade"),
        (UPGRADE, "websocket"),
        (SEC_WEBSOCKET_VERSION, "13"),
        (SEC_WEBSOCKET_KEY, key),
        // One line: servers read only the first.
        (SEC_WEBSOCKET_PROTOCOL, &offers.join(", ")),
    ] {
        let value = HeaderValue::from_str(value).map_err(|_| Error::Internal { what: "a WebSocket's key" })?;
        headers.insert(name, value);
    }
    Ok(())
}

/// RFC 6455, 4.1: what an answer must have.
fn agreed(headers: &HeaderMap, key: &str, offered: &[Version]) -> Result<Version, &'static str> {
    let says = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if !says(UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        return Err("it switched to another protocol");
    }
    let upgrades = |value: &str| value.split(',').any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    if !says(CONNECTION).is_some_and(upgrades) {
        return Err("its answer has no Connection: Upgrade");
    }
    if says(SEC_WEBSOCKET_ACCEPT) != Some(derive_accept_key(key.as_bytes()).as_str()) {
        return Err("its answer is to another request (Sec-WebSocket-Accept)");
    }
    let Some(chosen) = says(SEC_WEBSOCKET_PROTOCOL) else { return Err("it chose no subprotocol") };
    offered
        .iter()
        .copied()
        .find(|version| version.name() == chosen)
        .ok_or("it chose a subprotocol that was not offered")
}

/// Why a socket that was open failed: its other side is gone, or has breached what was agreed.
pub fn failure(error: SocketError) -> Error {
    let source = match error {
        SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            io::Error::from(io::ErrorKind::ConnectionReset)
        }
        SocketError::Protocol(_) | SocketError::Capacity(_) | SocketError::Utf8(_) => {
            return KubeRefusal::protocol(&error.to_string()).error();
        }
        error => io::Error::other(error),
    };
    Error::ConnectionLost { phase: Phase::Run, reached: Reached::Yes, source: Some(Arc::new(source)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(change: impl FnOnce(&mut HeaderMap)) -> Result<Version, &'static str> {
        let key = generate_key();
        let mut headers = HeaderMap::new();
        let accept = derive_accept_key(key.as_bytes());
        for (name, value) in [
            (CONNECTION, "upgrade"),
            (UPGRADE, "WebSocket"),
            (SEC_WEBSOCKET_ACCEPT, accept.as_str()),
            (SEC_WEBSOCKET_PROTOCOL, "v5.channel.k8s.io"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        change(&mut headers);
        agreed(&headers, &key, &[Version::V5, Version::V4])
    }

    #[test]
    fn an_answer_must_be_one() {
        assert_eq!(answer(|_| {}), Ok(Version::V5));
        let set = |name: HeaderName, value: &'static str| {
            move |headers: &mut HeaderMap| {
                headers.insert(name, HeaderValue::from_static(value));
            }
        };
        assert_eq!(answer(set(SEC_WEBSOCKET_PROTOCOL, "v4.channel.k8s.io")), Ok(Version::V4));
        for wrong in [
            answer(set(UPGRADE, "SPDY/3.1")),
            answer(set(CONNECTION, "close")),
            answer(set(SEC_WEBSOCKET_ACCEPT, "x")),
            answer(set(SEC_WEBSOCKET_PROTOCOL, "channel.k8s.io")),
            answer(|headers| drop(headers.remove(SEC_WEBSOCKET_PROTOCOL))),
        ] {
            assert!(wrong.is_err(), "{wrong:?}");
        }
    }
}
