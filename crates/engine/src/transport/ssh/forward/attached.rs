//! Forwards that belong to one connection: it is not looked for anew when it is lost. For others, whom we serve as a master.

use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::address::Address;
use super::error::ForwardError;
use super::far::Far;
use super::forward::Shared;
use super::local::Clients;
use super::news::Outlet;
use super::parking::User;
use super::relay::relay;
use super::remote::{self, ServerListener};
use super::socket::Listener;
use crate::error::Error;
use crate::transport::ssh::Link as SshLink;

/// What is asked of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// We listen; the server connects to `to`, or to what each client asks for by SOCKS. Of several addresses, those that this
    /// machine has.
    Here { listen: Vec<Address>, to: Option<Address> },
    /// The server listens; we connect to `to`, or to what each client asks for by SOCKS.
    There { listen: Address, to: Option<Address> },
}

/// The forwards of one connection, and what they share.
pub struct Attachments {
    link: Arc<SshLink>,
    shared: Arc<Shared>,
}

/// One of them. Dropped, it takes no new clients; those that are there go on.
pub struct Attached {
    port: u16,
    listening: Vec<AbortHandle>,
    server: Option<ServerListener>,
}

/// One connection to somewhere, open.
pub struct Opened {
    far: Far,
    /// On a connection of commands nobody is alone.
    _others: User,
}

impl Attachments {
    pub fn new(link: Arc<SshLink>) -> Self {
        let nowhere = Address::tcp("", 0);
        Self { link, shared: Arc::new(Shared::new(nowhere, Outlet::unheard())) }
    }

    pub fn link(&self) -> &Arc<SshLink> {
        &self.link
    }

    /// Begins to listen. `keep` is kept for as long as that and the last client go on. To be awaited: a server that has been
    /// asked to listen must be asked to stop.
    pub async fn begin(&self, errand: Errand, keep: impl Send + 'static) -> Result<Attached, Error> {
        let (alive, mut gone) = mpsc::channel(1);
        let others = self.link.parking().enter();
        let kept = async move {
            // Nothing is ever sent.
            let _ = gone.recv().await;
            drop((keep, others));
        };
        match errand {
            Errand::Here { listen, to } => {
                let listeners = bind_all(&listen).await?;
                let port = listeners.first().map_or(0, Listener::port);
                // It has its connection for good, or has none.
                let (_, up) = watch::channel(Some(Arc::clone(&self.link)));
                let clients = Clients { shared: Arc::clone(&self.shared), to, up, alive, overflow: None };
                let accept = |listener| tokio::spawn(clients.clone().accept(listener)).abort_handle();
                let listening = listeners.into_iter().map(accept).collect();
                tokio::spawn(kept);
                Ok(Attached { port, listening, server: None })
            }
            Errand::There { listen, to } => {
                let (server, inbound) = ServerListener::open(listen, &self.link).await?;
                let serving = tokio::spawn(remote::serve(Arc::clone(&self.shared), inbound, to, alive));
                tokio::spawn(kept);
                let port = server.bound().port();
                Ok(Attached { port, listening: vec![serving.abort_handle()], server: Some(server) })
            }
        }
    }

    /// A connection to `to`, by way of the server. Whoever stops waiting leaves nothing open.
    pub async fn open(&self, to: &Address) -> Result<Opened, Error> {
        let others = self.link.parking().enter();
        Ok(Opened { far: self.link.open_towards(to, None).await?, _others: others })
    }

    /// Carries its bytes until both sides have finished, one is gone, all is to end, or `gone` resolves.
    pub async fn carry(
        &self,
        socket: UnixStream,
        opened: Opened,
        gone: impl Future<Output = ()>,
    ) -> Result<(), ForwardError> {
        let parking = self.link.parking();
        let _user = parking.enter();
        let _active = self.shared.counters.begin();
        let closing = async {
            tokio::select! {
                () = gone => {}
                () = self.shared.closing() => {}
            }
        };
        relay(Box::new(socket), opened.far, &self.shared.counters, &parking, closing).await
    }

    /// All of it is to end: no new clients, and the present ones are cut.
    pub fn end(&self) {
        self.shared.begin_to_close();
    }

    /// Resolves when much waits for clients that do not read. Cancel-safe.
    pub async fn crowded(&self) {
        self.link.parking().until_crowded().await;
    }
}

impl Attached {
    /// Where it listens; 0 for a path.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As dropping it, and the server is told; bounded.
    pub async fn close(mut self, attachments: &Attachments) {
        if let Some(server) = self.server.take() {
            server.close(&attachments.link).await;
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.listening.iter().for_each(AbortHandle::abort);
    }
}

/// All of the addresses that this machine has, and at least one.
async fn bind_all(addresses: &[Address]) -> Result<Vec<Listener>, Error> {
    let mut listeners = Vec::new();
    let mut missing = None;
    for address in addresses {
        match Listener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if is_missing(&error) => missing = Some(ForwardError::listen(address, error)),
            Err(error) => return Err(ForwardError::listen(address, error)),
        }
    }
    match missing {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

/// A machine without that address, or without that kind of addresses.
fn is_missing(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_several_addresses_those_that_there_are_and_none_that_somebody_else_has() {
        let here = Address::tcp("127.0.0.1", 0);
        // Of a network for documentation: no machine has it.
        let elsewhere = Address::tcp("192.0.2.1", 0);
        let listeners = bind_all(&[elsewhere.clone(), here.clone()]).await.unwrap();
        assert_eq!(listeners.len(), 1);
        let taken = here.with_port(listeners[0].port());
        assert_eq!(bind_all(&[here, taken]).await.err().unwrap().code(), "EADDRINUSE");
        assert_eq!(bind_all(&[elsewhere]).await.err().unwrap().code(), "EADDRNOTAVAIL");
    }
}
