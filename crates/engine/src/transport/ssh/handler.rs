use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use russh::Channel;
use russh::client::{self, ChannelOpenHandle, DisconnectReason, Msg, Session};
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};
use tokio::sync::watch;

use super::forward::{Address, Inbound, Routes};
use super::known_hosts::{self, KnownHosts, Verdict};
use super::target::HostKeyChecking;
use crate::error::{Cause, Error, HostKeyProblem};

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
    /// Dropped with the handler, which is how everybody learns that the connection has ended.
    pub end: watch::Sender<End>,
    /// Who gets the connections that come in at the server's side.
    pub routes: Arc<Routes>,
}

impl client::Handler for Handler {
    type Error = russh::Error;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = presented else {
            // We offer no certificate algorithms, so no honest server presents one.
            return Ok(false);
        };
        match self.judge.clone().judge(key.clone()).await {
            Ok(()) => Ok(true),
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
        self.routes.offer(&at, Inbound { channel, reply, from });
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        socket_path: &str,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.routes.offer(&Address::Unix(socket_path.to_owned()), Inbound { channel, reply, from: None });
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

/// Decides whether a server's key is to be trusted.
#[derive(Clone)]
pub struct HostKeyJudge {
    pub host: String,
    pub port: u16,
    pub checking: HostKeyChecking,
    pub path: PathBuf,
    pub known: Arc<KnownHosts>,
}

impl HostKeyJudge {
    async fn judge(self, key: PublicKey) -> Result<(), Error> {
        if self.checking == HostKeyChecking::Off {
            return Ok(());
        }
        // Recording a new key writes a file.
        tokio::task::spawn_blocking(move || self.judge_blocking(&key))
            .await
            .unwrap_or(Err(Error::Internal { what: "checking a host key" }))
    }

    fn judge_blocking(&self, key: &PublicKey) -> Result<(), Error> {
        let name = known_hosts::host_name(&self.host, self.port);
        let mut verdict = self.known.verdict(&name, key);
        if verdict == Verdict::Unknown && self.checking == HostKeyChecking::AcceptNew {
            verdict = self.accept(&name, key);
        }
        match verdict {
            Verdict::Known => Ok(()),
            Verdict::Unknown => Err(self.refuse(HostKeyProblem::Unknown, name, key)),
            Verdict::Changed => Err(self.refuse(HostKeyProblem::Changed, name, key)),
            Verdict::Revoked => Err(self.refuse(HostKeyProblem::Revoked, name, key)),
        }
    }

    /// Trusts a new host and records it. A file that cannot be written is no reason to refuse (`ssh` does not either),
    /// but the log says so, because the next first contact will be as blind as this one.
    fn accept(&self, name: &str, key: &PublicKey) -> Verdict {
        known_hosts::record(&self.path, name, key).unwrap_or_else(|error| {
            tracing::warn!(file = %self.path.display(), host = name, %error, "new host key accepted but not recorded");
            Verdict::Known
        })
    }

    fn refuse(&self, problem: HostKeyProblem, host: String, key: &PublicKey) -> Error {
        Error::HostKey {
            problem,
            host,
            algorithm: key.algorithm().to_string(),
            fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
            known_hosts: self.path.display().to_string(),
        }
    }
}
