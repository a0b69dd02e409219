//! What is asked of the server for forwards, over a connection of our own or by way of somebody else's master.

use std::sync::Arc;

use russh::client::Msg;
use russh::{Channel, ChannelOpenFailure};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::address::Address;
#[cfg(unix)]
use super::door::Door;
use super::error::ForwardError;
use super::far::Far;
use super::parking::Parking;
use super::routes::Inbound;
use crate::error::{Error, Phase, Reached};
#[cfg(unix)]
use crate::transport::ssh::mux::packet::{ForwardRequest, REMOTE, UNIX};
#[cfg(unix)]
use crate::transport::ssh::mux::{NoPassage, PassengerConnection};
use crate::transport::ssh::{Link as SshLink, SshConnection};

/// What a listener on the server hangs on.
pub enum Claim {
    /// The connection it was asked for on, with which it goes.
    Connection,
    /// Somebody else's master, which must be told to close it; and where it brings what comes in.
    #[cfg(unix)]
    Master(ForwardRequest, Door),
}

#[cfg(unix)]
const NEITHER: Error = Error::Internal { what: "forwards over a connection that is shared with other processes" };

impl SshLink {
    /// What waits for the clients of this connection. Ways through somebody else's have a pipe each, and hold up nobody.
    pub(super) fn parking(&self) -> Arc<Parking> {
        self.direct().map_or_else(Arc::default, |connection| Arc::clone(connection.parking()))
    }

    /// A connection to `to`, by way of the server. Whoever stops waiting leaves nothing open.
    pub(super) async fn open_towards(&self, to: &Address, from: Option<(String, u16)>) -> Result<Far, Error> {
        match self {
            Self::Direct(connection) => connection.open_towards(to, from).await.map(Far::Channel),
            #[cfg(unix)]
            Self::Passenger(connection) => passage(connection, to).await,
            #[cfg(unix)]
            Self::Shared(_) => Err(NEITHER),
        }
    }

    /// Has the server listen, and hands what comes in to `inbound`. Answers the address with the port that is used.
    pub(super) async fn listen(
        &self,
        listen: &Address,
        inbound: mpsc::Sender<Inbound>,
    ) -> Result<(Address, Claim), Error> {
        match self {
            Self::Direct(connection) => {
                connection.listen(listen, inbound).await.map(|bound| (bound, Claim::Connection))
            }
            #[cfg(unix)]
            Self::Passenger(connection) => listen_by(connection, listen, inbound).await,
            #[cfg(unix)]
            Self::Shared(_) => Err(NEITHER),
        }
    }

    /// Has the server listen no more; bounded.
    pub(super) async fn unlisten(&self, listen: &Address, inbound: &mpsc::Sender<Inbound>, claim: Claim) {
        match (self, claim) {
            (Self::Direct(connection), Claim::Connection) => connection.unlisten(listen, inbound).await,
            #[cfg(unix)]
            (Self::Passenger(connection), Claim::Master(forward, _door)) => {
                if let Err(problem) = connection.have_closed(forward).await {
                    tracing::debug!(%listen, ?problem, "the ControlMaster did not confirm that it listens no more");
                }
            }
            // Of a connection before this one, which is gone with it.
            #[cfg(unix)]
            _ => {}
        }
    }
}

#[cfg(unix)]
async fn passage(connection: &PassengerConnection, to: &Address) -> Result<Far, Error> {
    let refused = |reason: String| Error::Forward(ForwardError::Target { to: to.to_string(), reason });
    let Address::Tcp { host, port } = to else {
        return Err(refused("through a ControlMaster only TCP ports can be reached".into()));
    };
    match connection.passage(host, *port).await {
        Ok(passage) => Ok(Far::Passage(passage)),
        Err(NoPassage::Failed(error)) => Err(error),
        Err(NoPassage::Refused(words)) => Err(refused(format!(
            "the ControlMaster says only \"{words}\": it may be forbidden, or nothing listens there"
        ))),
    }
}

#[cfg(unix)]
async fn listen_by(
    connection: &PassengerConnection,
    listen: &Address,
    inbound: mpsc::Sender<Inbound>,
) -> Result<(Address, Claim), Error> {
    let door = Door::open(inbound).map_err(|error| ForwardError::listen(listen, error))?;
    let connect = (door.path().as_os_str().as_encoded_bytes().to_vec().into(), UNIX);
    let listens = match listen {
        Address::Tcp { host, port } => (host.clone().into(), u32::from(*port)),
        Address::Unix(path) => (path.clone().into(), UNIX),
    };
    let forward = ForwardRequest { kind: REMOTE, listen: listens, connect };
    match connection.have_listen(forward.clone()).await {
        Ok(chosen) => {
            let port = chosen.and_then(|port| u16::try_from(port).ok()).unwrap_or_else(|| listen.port());
            Ok((listen.with_port(port), Claim::Master(forward, door)))
        }
        Err(NoPassage::Failed(error)) => Err(error),
        Err(NoPassage::Refused(words)) => {
            tracing::debug!(%listen, %words, "the ControlMaster does not have the server listen");
            Err(Error::Forward(ForwardError::ListenDenied { listen: listen.to_string() }))
        }
    }
}

impl SshConnection {
    /// A channel to `to`, by way of the server. Whoever stops waiting leaves nothing open.
    pub(in crate::transport) async fn open_towards(
        self: &Arc<Self>,
        to: &Address,
        from: Option<(String, u16)>,
    ) -> Result<Channel<Msg>, Error> {
        let (connection, target) = (Arc::clone(self), to.clone());
        let opened = self.opened(async move { connection.request_channel(&target, from).await }).await?;
        opened.map_err(|error| self.open_error(to, error))
    }

    /// A channel for a program. Whoever stops waiting leaves nothing open.
    pub(in crate::transport) async fn open_session(&self) -> Result<Channel<Msg>, Error> {
        let handle = self.handle();
        let opened = self.opened(async move { handle.channel_open_session().await }).await?;
        opened.map_err(|error| self.lost(Phase::OpenChannel, Some(Arc::new(error))))
    }

    async fn opened(
        &self,
        opening: impl Future<Output = Result<Channel<Msg>, russh::Error>> + Send + 'static,
    ) -> Result<Result<Channel<Msg>, russh::Error>, Error> {
        // In a task of its own: a channel that opens after all must be closed.
        let (answer, opened) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let opened = opening.await;
            if let Err(Ok(unwanted)) = answer.send(opened) {
                // A failing write means that the connection is gone, and the channel with it.
                let _ = unwanted.close().await;
            }
        });
        let limit = self.open_timeout();
        let _user = self.parking().enter();
        match timeout(limit, opened).await {
            Ok(Ok(opened)) => Ok(opened),
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

    async fn listen(&self, listen: &Address, inbound: mpsc::Sender<Inbound>) -> Result<Address, Error> {
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

    async fn unlisten(&self, listen: &Address, inbound: &mpsc::Sender<Inbound>) {
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
