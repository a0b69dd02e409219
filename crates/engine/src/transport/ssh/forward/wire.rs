//! The SSH requests behind forwards.

use std::sync::Arc;

use russh::client::Msg;
use russh::{Channel, ChannelOpenFailure};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::address::Address;
use super::error::ForwardError;
use super::routes::Inbound;
use crate::error::{Error, Phase, Reached};
use crate::transport::ssh::SshConnection;

impl SshConnection {
    /// A channel to `to`, by way of the server. Whoever stops waiting leaves nothing open.
    pub(super) async fn open_towards(
        self: &Arc<Self>,
        to: &Address,
        from: Option<(String, u16)>,
    ) -> Result<Channel<Msg>, Error> {
        let (connection, target) = (Arc::clone(self), to.clone());
        // In a task of its own: a channel that opens after all must be closed.
        let (answer, opened) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let opened = connection.request_channel(&target, from).await;
            if let Err(Ok(unwanted)) = answer.send(opened) {
                // A failing write means that the connection is gone, and the channel with it.
                let _ = unwanted.close().await;
            }
        });
        let limit = self.open_timeout();
        let _user = self.parking().enter();
        match timeout(limit, opened).await {
            Ok(Ok(Ok(channel))) => Ok(channel),
            Ok(Ok(Err(error))) => Err(self.open_error(to, error)),
            Ok(Err(_)) => Err(Error::Internal { what: "opening a forwarded channel" }),
            Err(_) => Err(Error::Timeout { phase: Phase::OpenChannel, limit, reached: Reached::No, source: None }),
        }
    }

    async fn request_channel(&self, to: &Address, from: Option<(String, u16)>) -> Result<Channel<Msg>, russh::Error> {
        match to {
            Address::Tcp { host, port } => {
                let (address, number) = from.unwrap_or_else(|| ("127.0.0.1".to_owned(), 0));
                let handle = self.handle();
                handle.channel_open_direct_tcpip(host, u32::from(*port), address, u32::from(number)).await
            }
            Address::Unix(path) => self.handle().channel_open_direct_streamlocal(path).await,
        }
    }

    fn open_error(&self, to: &Address, error: russh::Error) -> Error {
        match error {
            russh::Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited) => {
                Error::Forward(ForwardError::Denied { to: to.to_string() })
            }
            russh::Error::ChannelOpenFailure(reason) => {
                Error::Forward(ForwardError::Target { to: to.to_string(), reason: format!("{reason:?}") })
            }
            error => self.lost(Phase::OpenChannel, Some(Arc::new(error))),
        }
    }

    /// Has the server listen, and hands what comes in to `inbound`. Answers the address with the port that is used.
    pub(super) async fn listen(&self, listen: &Address, inbound: mpsc::Sender<Inbound>) -> Result<Address, Error> {
        let _user = self.parking().enter();
        let routes = self.routes();
        let _choosing = if listen.port() == 0 { Some(routes.choosing.lock().await) } else { None };
        routes.add(listen.clone(), inbound.clone());
        let limit = self.open_timeout();
        let answered = timeout(limit, self.request_listener(listen)).await;
        match answered {
            Ok(Ok(port)) => {
                // A server that was asked for a certain port has no need to repeat it.
                let bound = if listen.port() == 0 { listen.with_port(port) } else { listen.clone() };
                routes.chosen(listen, bound.port());
                Ok(bound)
            }
            refused => {
                routes.remove(listen, &inbound);
                Err(match refused {
                    Ok(Err(russh::Error::RequestDenied)) => {
                        Error::Forward(ForwardError::ListenDenied { listen: listen.to_string() })
                    }
                    Ok(Err(error)) => self.lost(Phase::OpenChannel, Some(Arc::new(error))),
                    _ => Error::Timeout { phase: Phase::OpenChannel, limit, reached: Reached::No, source: None },
                })
            }
        }
    }

    async fn request_listener(&self, listen: &Address) -> Result<u16, russh::Error> {
        match listen {
            Address::Tcp { host, port } => {
                let chosen = self.handle().tcpip_forward(host, u32::from(*port)).await?;
                u16::try_from(chosen).map_err(|_| russh::Error::Inconsistent)
            }
            Address::Unix(path) => self.handle().streamlocal_forward(path).await.map(|()| 0),
        }
    }

    /// Has the server listen no more; bounded.
    pub(super) async fn unlisten(&self, listen: &Address, inbound: &mpsc::Sender<Inbound>) {
        let _user = self.parking().enter();
        self.routes().remove(listen, inbound);
        let asked = async {
            match listen {
                Address::Tcp { host, port } => self.handle().cancel_tcpip_forward(host, u32::from(*port)).await,
                Address::Unix(path) => self.handle().cancel_streamlocal_forward(path).await,
            }
        };
        if !matches!(timeout(self.open_timeout(), asked).await, Ok(Ok(()))) {
            tracing::debug!(%listen, "the server did not confirm that it listens no more");
        }
    }
}
