use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, DuplexStream, copy_bidirectional};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::address::Address;
use super::error::ForwardError;
use super::forward::{Alive, Shared};
use super::news::News;
use super::parking::User;
use super::relay::relay;
use super::routes::Inbound;
use super::socket;
use super::socks;
use super::wire::Claim;
use crate::error::Error;
use crate::transport::ssh::Link as SshLink;

/// Connections that may come in before we get to them; more are refused.
const WAITING: usize = 256;
/// A lost connection's listener may live on at the server for a moment: how often, and after which pause, its port is asked
/// for again.
const ATTEMPTS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(100);
/// For a SOCKS client to say what it wants.
const REQUEST: Duration = Duration::from_secs(10);
/// What may be between a SOCKS client and its target.
const PIECE: usize = 64 * 1024;

/// A listener on the server, which moves with its forward from connection to connection.
pub struct ServerListener {
    /// As its owner asked.
    asked: Address,
    /// As the server answered.
    bound: Address,
    claim: Claim,
    inbound: mpsc::Sender<Inbound>,
    /// Who is to come must not be kept waiting by who is there.
    user: User,
}

impl ServerListener {
    pub async fn open(asked: Address, connection: &SshLink) -> Result<(Self, mpsc::Receiver<Inbound>), Error> {
        let (inbound, arriving) = mpsc::channel(WAITING);
        let (bound, claim) = connection.listen(&asked, inbound.clone()).await?;
        Ok((Self { asked, bound, claim, inbound, user: connection.parking().enter() }, arriving))
    }

    pub fn bound(&self) -> &Address {
        &self.bound
    }

    /// The same port on a new connection. Where any port was asked for and this one is taken now, another one.
    pub async fn open_again(&mut self, connection: &SshLink) -> Result<(), Error> {
        let mut pause = PAUSE;
        for _ in 0..ATTEMPTS {
            match connection.listen(&self.bound, self.inbound.clone()).await {
                Err(Error::Forward(ForwardError::ListenDenied { .. })) => {}
                answered => return answered.map(|claimed| self.moved(claimed, connection)),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        connection.listen(&self.asked, self.inbound.clone()).await.map(|claimed| self.moved(claimed, connection))
    }

    fn moved(&mut self, (bound, claim): (Address, Claim), connection: &SshLink) {
        self.bound = bound;
        self.claim = claim;
        self.user = connection.parking().enter();
    }

    /// Would it go on when our connection is closed?
    pub fn outlives_us(&self) -> bool {
        !matches!(self.claim, Claim::Connection)
    }

    pub async fn close(self, connection: &SshLink) {
        connection.unlisten(&self.bound, &self.inbound, self.claim).await;
    }
}

/// Serves what comes in until the forward closes. `to`: `None` where each client names its own target, by SOCKS.
pub async fn serve(shared: Arc<Shared>, mut inbound: mpsc::Receiver<Inbound>, to: Option<Address>, alive: Alive) {
    loop {
        let next = tokio::select! {
            biased;
            () = shared.closing() => return,
            next = inbound.recv() => next,
        };
        let Some(next) = next else { return };
        match to.clone() {
            Some(to) => tokio::spawn(serve_one(Arc::clone(&shared), next, to, alive.clone())),
            None => tokio::spawn(serve_by_socks(Arc::clone(&shared), next, alive.clone())),
        };
    }
}

async fn serve_one(shared: Arc<Shared>, inbound: Inbound, to: Address, alive: Alive) {
    let Inbound { caller, from, parking } = inbound;
    let _user = parking.enter();
    let _alive = alive;
    let _active = shared.counters.begin();
    match socket::connect(&to).await {
        Ok(socket) => {
            let far = caller.accept().await;
            shared.outlet.tell(News::Connected { from, to });
            if let Err(error) = relay(socket, far, &shared.counters, &parking, shared.closing()).await {
                shared.failed(Error::Forward(error));
            }
        }
        Err(error) => {
            caller.reject().await;
            shared.failed(Error::Forward(ForwardError::LocalTarget { to: to.to_string(), source: Arc::new(error) }));
        }
    }
}

async fn serve_by_socks(shared: Arc<Shared>, inbound: Inbound, alive: Alive) {
    let Inbound { caller, from, parking } = inbound;
    let _user = parking.enter();
    let _alive = alive;
    let _active = shared.counters.begin();
    let far = caller.accept().await;
    // What it says goes through the relay like everything else, so that nothing waits but in its place.
    let (ours, theirs) = tokio::io::duplex(PIECE);
    let carrying = relay(Box::new(ours), far, &shared.counters, &parking, shared.closing());
    let (carried, answered) = tokio::join!(carrying, answer(theirs, &shared, from));
    for error in [carried.err().map(Error::Forward), answered.err()].into_iter().flatten() {
        shared.failed(error);
    }
}

/// Connects a client to where it wants to go. It ends by itself when the relay does.
async fn answer(mut client: DuplexStream, shared: &Shared, from: Option<(String, u16)>) -> Result<(), Error> {
    let asked = timeout(REQUEST, socks::request(&mut client)).await;
    let asked = asked.unwrap_or_else(|_| Err(socks::Refused("it did not say what it wants in time".into())));
    let (version, to) = asked.map_err(|refused| Error::Forward(ForwardError::Socks { problem: refused.0 }))?;
    let connected = socket::connect(&to)
        .await
        .map_err(|error| Error::Forward(ForwardError::LocalTarget { to: to.to_string(), source: Arc::new(error) }));
    if client.write_all(&socks::reply(version, connected.as_ref().map(|_| ()))).await.is_err() {
        tracing::debug!(%to, "a SOCKS client left before its answer");
    }
    let mut target = connected?;
    shared.outlet.tell(News::Connected { from, to });
    // Whoever breaks off breaks the other side off with it, which is all there is to say.
    let _ = copy_bidirectional(&mut client, &mut target).await;
    Ok(())
}
