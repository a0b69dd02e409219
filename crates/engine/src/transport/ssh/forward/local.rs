use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::address::Address;
use super::error::ForwardError;
use super::far::Far;
use super::forward::{Alive, Shared, Up};
use super::link::Link;
use super::news::News;
use super::overflow::Overflow;
use super::parking::Parking;
use super::relay::relay;
use super::socket::{Client, Listener};
use super::socks;
use crate::error::{Error, Phase, Reached};

/// How long a client waits for a connection that is being made again before it is refused.
const PATIENCE: Duration = Duration::from_secs(10);
/// For a SOCKS client to say what it wants.
const REQUEST: Duration = Duration::from_secs(10);
/// After an `accept` that failed, for lack of descriptors mostly: trying at once would only burn time.
const BREATH: Duration = Duration::from_millis(50);

/// A client's way, and what waits on the connection it is on.
struct Opened {
    far: Far,
    parking: Arc<Parking>,
    /// Where that is not the forward's own connection.
    link: Option<Link>,
}

/// Serves the clients of a local or dynamic forward.
#[derive(Clone)]
pub struct Clients {
    pub shared: Arc<Shared>,
    /// `None`: each client names its own target, by SOCKS.
    pub to: Option<Address>,
    pub up: Up,
    pub alive: Alive,
    /// `None`: they stay on the connection they have.
    pub overflow: Option<Overflow>,
}

impl Clients {
    /// Takes clients until the forward closes.
    pub async fn accept(self, listener: Listener) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.shared.closing() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(client) => {
                    tokio::spawn(self.clone().serve(client));
                }
                Err(error) => {
                    let address = self.shared.bound.lock().clone();
                    self.shared.outlet.tell(News::Failed(ForwardError::listen(&address, error)));
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    async fn serve(self, mut client: Client) {
        let _alive = &self.alive;
        let _active = self.shared.counters.begin();
        let opened = match &self.to {
            Some(to) => self.open(to, client.from.clone()).await.map(|opened| (opened, to.clone())),
            None => self.open_requested(&mut client).await,
        };
        match opened {
            Ok((Opened { far, parking, link }, to)) => {
                self.shared.outlet.tell(News::Connected { from: client.from, to });
                let _user = parking.enter();
                let carried = relay(client.socket, far, &self.shared.counters, &parking, self.shared.closing()).await;
                if let Some(link) = link {
                    link.release();
                }
                if let Err(error) = carried {
                    self.shared.failed(Error::Forward(error));
                }
            }
            Err(_) if self.shared.is_closing() => {}
            Err(error) => self.shared.failed(error),
        }
    }

    async fn open_requested(&self, client: &mut Client) -> Result<(Opened, Address), Error> {
        let asked = timeout(REQUEST, socks::request(&mut client.socket)).await;
        let asked = asked.unwrap_or_else(|_| Err(socks::Refused("it did not say what it wants in time".into())));
        let (version, to) = asked.map_err(|refused| Error::Forward(ForwardError::Socks { problem: refused.0 }))?;
        let opened = self.open(&to, client.from.clone()).await;
        let reply = socks::reply(version, opened.as_ref().map(|_| ()));
        if client.socket.write_all(&reply).await.is_err() {
            tracing::debug!(%to, "a SOCKS client left before its answer");
        }
        opened.map(|opened| (opened, to))
    }

    /// By way of the connection of now, or on the next one if there is one in time.
    async fn open(&self, to: &Address, from: Option<(String, u16)>) -> Result<Opened, Error> {
        let mut up = self.up.clone();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let connection = match timeout_at(deadline, up.wait_for(Option::is_some)).await {
                Ok(Ok(connection)) => connection.clone(),
                Ok(Err(_)) => None,
                Err(_) => return Err(too_long()),
            };
            // Only a forward that is closed has lost its keeper.
            let Some(connection) = connection else {
                return Err(Error::PoolClosed { phase: Phase::Dial, reached: Reached::No });
            };
            let link = match self.overflow.as_ref().filter(|_| connection.parking().is_crowded()) {
                Some(overflow) => overflow.link().await,
                None => None,
            };
            let elsewhere = link.as_ref().and_then(Link::connection);
            let connection = elsewhere.unwrap_or(connection);
            match connection.open_towards(to, from.clone()).await {
                Ok(far) => return Ok(Opened { far, parking: connection.parking(), link }),
                Err(Error::ConnectionLost { .. }) if link.is_some() && Instant::now() < deadline => {}
                Err(Error::ConnectionLost { .. }) if timeout_at(deadline, up.changed()).await.is_ok() => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn too_long() -> Error {
    Error::Timeout { phase: Phase::Dial, limit: PATIENCE, reached: Reached::No, source: None }
}
