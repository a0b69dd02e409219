use std::sync::Arc;

use parking_lot::Mutex;
use russh::Channel;
use russh::client::{self, ChannelOpenHandle, DisconnectReason, Msg, Session};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use tokio::sync::{oneshot, watch};

use super::forward::{Address, Caller, Inbound, Parking, Routes};
use super::host_key_judge::HostKeyJudge;
use super::host_key_rotation::Announcement;
use crate::error::{Cause, Error};

/// How a connection ended.
#[derive(Debug, Clone)]
pub enum End {
    NotYet,
    /// The server said goodbye, or the line failed.
    Because(Cause),
}

/// What russh asks of us during a connection's life.
pub struct Handler {
    pub judge: HostKeyJudge,
    /// Where a refused host key is left for the dialer: russh's own error says only that it was refused.
    pub refusal: Arc<Mutex<Option<Error>>>,
    /// Where the server's other host keys go, should it announce them.
    pub announced: Option<oneshot::Sender<Announcement>>,
    /// The key that the server is trusted by, when it is one on file.
    pub trusted: Option<PublicKey>,
    /// Dropped with the handler, which is how everybody learns that the connection has ended.
    pub end: watch::Sender<End>,
    /// Who gets the connections that come in at the server's side.
    pub routes: Arc<Routes>,
    /// Where data waits for them.
    pub parking: Arc<Parking>,
}

impl client::Handler for Handler {
    type Error = russh::Error;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        match self.judge.judge(presented).await {
            Ok(on_file) => {
                self.trusted = on_file;
                Ok(true)
            }
            Err(refusal) => {
                *self.refusal.lock() = Some(refusal);
                Ok(false)
            }
        }
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<Msg>,
        connected_address: &str,
        connected_port: u32,
        originator_address: &str,
        originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let port = |number: u32| u16::try_from(number).unwrap_or(0);
        let from = Some((originator_address.to_owned(), port(originator_port)));
        let at = Address::tcp(connected_address, port(connected_port));
        let parking = Arc::clone(&self.parking);
        self.routes.offer(&at, Inbound { caller: Caller::Channel { channel, reply }, from, parking });
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        socket_path: &str,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let inbound =
            Inbound { caller: Caller::Channel { channel, reply }, from: None, parking: Arc::clone(&self.parking) };
        self.routes.offer(&Address::Unix(socket_path.to_owned()), inbound);
        Ok(())
    }

    async fn openssh_ext_host_keys_announced(
        &mut self,
        keys: Vec<PublicKey>,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        // The first announcement is all there is to say; a host that is not on file learns nobody's keys.
        if let (Some(sender), Some(trusted)) = (self.announced.take(), self.trusted.take()) {
            // Nobody waits for it any more when the login failed.
            let _ = sender.send(Announcement { trusted, keys });
        }
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        let cause: Cause = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                Arc::new(ServerSaid(format!("the server disconnected: {} ({:?})", info.message, info.reason_code)))
            }
            DisconnectReason::Error(error) => Arc::new(error),
        };
        self.end.send_replace(End::Because(cause));
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ServerSaid(String);
