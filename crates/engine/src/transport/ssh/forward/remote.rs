use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::address::Address;
use super::error::ForwardError;
use super::forward::{Alive, Shared};
use super::news::News;
use super::parking::User;
use super::relay::relay;
use super::routes::Inbound;
use super::socket;
use super::wire::Claim;
use crate::error::Error;
use crate::transport::ssh::Link as SshLink;

/// Connections that may come in before we get to them; more are refused.
const WAITING: usize = 256;
/// A lost connection's listener may live on at the server for a moment: how often, and after which pause, its port is asked
/// for again.
const ATTEMPTS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(100);

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

/// Serves what comes in until the forward closes.
pub async fn serve(shared: Arc<Shared>, mut inbound: mpsc::Receiver<Inbound>, to: Address, alive: Alive) {
    loop {
        let next = tokio::select! {
            biased;
            () = shared.closing() => return,
            next = inbound.recv() => next,
        };
        let Some(next) = next else { return };
        tokio::spawn(serve_one(Arc::clone(&shared), next, to.clone(), alive.clone()));
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
