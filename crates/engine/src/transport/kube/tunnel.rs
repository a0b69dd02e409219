//! One connection to a port of a pod: a WebSocket of its own, with a channel for data and one for the word that it failed.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;

use super::connection::{Cluster, KubeTransport};
use super::pods::path_of;
use super::refusal::KubeRefusal;
use super::socket::{self, SocketError, Version};
use crate::command::Pod;
use crate::error::Error;
use crate::input::{InputStream, input};
use crate::pool::{Pool, Request};
use crate::run::{Cancel, Pipes};
use crate::transport::container::{Answer, ApiRequest, Exchange, Head, on_connection};

const DATA: u8 = 0;
const FAILED: u8 = 1;
/// What a channel begins with: its port.
const PORT: usize = 2;
/// The most that goes out in one message.
const PIECE: usize = 32 * 1024;
/// What a failure may say.
const FAILURE_LIMIT: usize = 4096;

/// Starts one. The futures: that it is open, and its end. The end is not reached while the pipe is full; the protocol cannot say
/// that only one direction has ended, so the end of the input says nothing to the other side.
pub fn tunnel(
    pool: Arc<Pool<KubeTransport>>,
    request: Request<KubeTransport>,
    pod: Pod,
    port: u16,
    cancel: Cancel,
) -> (Exchange, oneshot::Receiver<Head>, impl Future<Output = Result<(), Error>> + Send) {
    let pipes = Arc::<Pipes>::default();
    let (sender, stream) = input();
    let (heard, head) = oneshot::channel();
    let running = Running { pod, port, input: stream, answer: Answer(Arc::clone(&pipes)) };
    let running = on_connection(pool, request, cancel, |connection| {
        let cluster = Arc::clone(connection.cluster());
        async move { running.talk(&cluster, heard).await }
    });
    (Exchange { pipes, input: sender }, head, running)
}

struct Running {
    pod: Pod,
    port: u16,
    input: InputStream,
    answer: Answer,
}

impl Running {
    async fn talk(&self, cluster: &Cluster, heard: oneshot::Sender<Head>) -> Result<(), Error> {
        let query = vec![("ports".to_owned(), self.port.to_string())];
        let request = ApiRequest { query, ..ApiRequest::new("GET", format!("{}/portforward", path_of(&self.pod))) };
        let (stream, _) = socket::open(&cluster.client, &request, &[Version::V4]).await?;
        let (mut sink, mut stream) = stream.split();
        // Whoever wanted to know may be gone; the cancel says so.
        let _ = heard.send(Head::switched());
        let feeding = async {
            while let Some(data) = self.input.next().await {
                for piece in data.chunks(PIECE) {
                    let mut message = BytesMut::with_capacity(piece.len() + 1);
                    message.put_u8(DATA);
                    message.put_slice(piece);
                    sink.send(Message::Binary(message.freeze())).await?;
                }
            }
            Ok::<(), SocketError>(())
        };
        let reading = async {
            let mut channels = Channels::default();
            loop {
                match stream.next().await {
                    Some(Ok(Message::Binary(message))) => {
                        if let Some(data) = channels.take(message)? {
                            self.answer.push(data).await;
                        }
                    }
                    Some(Ok(Message::Close(_))) | None => return Ok(()),
                    Some(Ok(_)) => {}
                    Some(Err(SocketError::ConnectionClosed | SocketError::AlreadyClosed)) => return Ok(()),
                    Some(Err(error)) => return Err(socket::failure(error)),
                }
            }
        };
        tokio::pin!(feeding, reading);
        let mut fed = false;
        loop {
            tokio::select! {
                end = &mut reading => return end,
                outcome = &mut feeding, if !fed => {
                    fed = true;
                    if let Err(error) = outcome {
                        // The reading side says how it ends.
                        tracing::debug!(%error, "a pod's port takes no more");
                    }
                }
            }
        }
    }
}

/// What messages mean, which depends on whether a channel has said its port.
#[derive(Default)]
struct Channels {
    ports_heard: [bool; 2],
}

impl Channels {
    /// Data, if there is some; the server's words where it says that it failed.
    fn take(&mut self, mut message: Bytes) -> Result<Option<Bytes>, Error> {
        if message.is_empty() {
            return Err(KubeRefusal::protocol("a message without a channel").error());
        }
        let channel = message.get_u8();
        let Some(heard) = self.ports_heard.get_mut(usize::from(channel)) else {
            return Err(KubeRefusal::protocol("a message for a channel that there is not").error());
        };
        if !std::mem::replace(heard, true) {
            if message.len() < PORT {
                return Err(KubeRefusal::protocol("a channel that does not say its port").error());
            }
            message.advance(PORT);
        }
        if message.is_empty() {
            return Ok(None);
        }
        if channel == FAILED {
            message.truncate(FAILURE_LIMIT);
            return Err(KubeRefusal::new(500, &String::from_utf8_lossy(&message)).error());
        }
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_says_its_port_before_anything_else() {
        let mut channels = Channels::default();
        let mut take = |message: &'static [u8]| channels.take(Bytes::from_static(message));
        assert_eq!(take(&[0, 80, 0]).unwrap(), None);
        assert_eq!(take(&[1, 80, 0]).unwrap(), None);
        assert_eq!(take(b"\0data").unwrap(), Some(Bytes::from_static(b"data")));
        assert!(take(b"\x01connection refused").unwrap_err().to_string().contains("connection refused"));
        for wrong in [&[][..], &[2, 1, 1]] {
            assert_eq!(take(wrong).unwrap_err().code(), "EPROTO");
        }
        assert_eq!(Channels::default().take(Bytes::from_static(&[0, 80])).unwrap_err().code(), "EPROTO");
    }
}
