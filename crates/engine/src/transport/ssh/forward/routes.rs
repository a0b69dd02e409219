use std::sync::Arc;

use parking_lot::Mutex;
use russh::client::{ChannelOpenHandle, Msg};
use russh::{Channel, ChannelOpenFailure};
use tokio::sync::mpsc;

use super::address::Address;
use super::far::Far;
use super::parking::Parking;

/// A connection that came in at the server's side. Dropping it refuses it.
pub struct Inbound {
    pub caller: Caller,
    /// Who connected, where that is known.
    pub from: Option<(String, u16)>,
    /// Of the connection that its channel is on.
    pub parking: Arc<Parking>,
}

/// Which way it came.
pub enum Caller {
    Channel {
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
    },
    /// Somebody else's master brought it. It has been accepted already.
    #[cfg(unix)]
    Socket(tokio::net::UnixStream),
}

impl Caller {
    pub async fn accept(self) -> Far {
        match self {
            Self::Channel { channel, reply } => {
                reply.accept().await;
                Far::Channel(channel)
            }
            #[cfg(unix)]
            Self::Socket(socket) => Far::Socket(socket),
        }
    }

    /// Its other end cannot be reached.
    pub async fn reject(self) {
        match self {
            Self::Channel { reply, .. } => reply.reject(ChannelOpenFailure::ConnectFailed).await,
            #[cfg(unix)]
            Self::Socket(socket) => drop(socket),
        }
    }
}

/// Which forward gets what comes in on one connection. What nobody asked for is refused: a server must not be able to
/// reach into our network.
#[derive(Default)]
pub struct Routes {
    routes: Mutex<Vec<Route>>,
    /// Held while the server chooses a port: a connection may come in before we are told which one.
    pub choosing: tokio::sync::Mutex<()>,
}

struct Route {
    listen: Address,
    to: mpsc::Sender<Inbound>,
}

impl Routes {
    pub fn add(&self, listen: Address, to: mpsc::Sender<Inbound>) {
        self.routes.lock().push(Route { listen, to });
    }

    /// Of one forward: another one may have asked for the same address, and have it.
    pub fn remove(&self, listen: &Address, to: &mpsc::Sender<Inbound>) {
        self.routes.lock().retain(|route| route.listen != *listen || !route.to.same_channel(to));
    }

    /// The server has chosen `port` for the route that asked for any.
    pub fn chosen(&self, listen: &Address, port: u16) {
        for route in self.routes.lock().iter_mut().filter(|route| route.listen == *listen) {
            route.listen = listen.with_port(port);
        }
    }

    /// Hands a connection to its forward. One whose forward has more of them waiting than it can take is refused.
    pub fn offer(&self, at: &Address, inbound: Inbound) {
        let Some(to) = self.find(at) else {
            tracing::debug!(%at, "the server forwarded a connection that nobody asked for");
            return;
        };
        if to.try_send(inbound).is_err() {
            tracing::debug!(%at, "a forwarded connection was refused: too many at once, or its forward is closed");
        }
    }

    fn find(&self, at: &Address) -> Option<mpsc::Sender<Inbound>> {
        let routes = self.routes.lock();
        let exact = routes.iter().find(|route| route.listen == *at);
        // Servers name the address they listen on in their own way; the port cannot be mistaken where one forward has it.
        let by_port = || {
            let mut same = routes.iter().filter(|route| at.port() != 0 && route.listen.port() == at.port());
            same.next().filter(|_| same.next().is_none())
        };
        let being_chosen = || {
            let is_tcp = matches!(at, Address::Tcp { .. });
            routes.iter().find(|route| is_tcp && matches!(route.listen, Address::Tcp { port: 0, .. }))
        };
        exact.or_else(by_port).or_else(being_chosen).map(|route| route.to.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(listens: &[Address]) -> (Routes, Vec<mpsc::Receiver<Inbound>>) {
        let routes = Routes::default();
        let receivers = listens
            .iter()
            .map(|listen| {
                let (sender, receiver) = mpsc::channel(1);
                routes.add(listen.clone(), sender);
                receiver
            })
            .collect();
        (routes, receivers)
    }

    fn goes_to(routes: &Routes, receivers: &[mpsc::Receiver<Inbound>], at: &Address) -> Option<usize> {
        let found = routes.find(at)?;
        receivers.iter().position(|receiver| {
            // The same channel: filling it through one end shows at the other.
            receiver.sender_strong_count() > 0 && receiver_is(&found, receiver)
        })
    }

    fn receiver_is(sender: &mpsc::Sender<Inbound>, receiver: &mpsc::Receiver<Inbound>) -> bool {
        let before = receiver.sender_strong_count();
        let another = sender.clone();
        let after = receiver.sender_strong_count();
        drop(another);
        after == before + 1
    }

    #[test]
    fn a_connection_goes_to_the_forward_of_its_address_and_port() {
        let one = Address::tcp("127.0.0.1", 80);
        let two = Address::tcp("127.0.0.2", 80);
        let (routes, receivers) = routes(&[one.clone(), two.clone()]);
        assert_eq!(goes_to(&routes, &receivers, &one), Some(0));
        assert_eq!(goes_to(&routes, &receivers, &two), Some(1));
        assert_eq!(goes_to(&routes, &receivers, &Address::tcp("::1", 80)), None, "two have the port");
    }

    #[test]
    fn a_server_may_call_the_address_what_it_likes_where_the_port_is_clear() {
        let (routes, receivers) = routes(&[Address::tcp("localhost", 80)]);
        assert_eq!(goes_to(&routes, &receivers, &Address::tcp("127.0.0.1", 80)), Some(0));
        assert_eq!(goes_to(&routes, &receivers, &Address::tcp("127.0.0.1", 81)), None);
        assert_eq!(goes_to(&routes, &receivers, &Address::Unix("/tmp/x".into())), None);
    }

    #[test]
    fn a_connection_may_come_before_the_chosen_port_is_known() {
        let any = Address::tcp("127.0.0.1", 0);
        let (routes, receivers) = routes(std::slice::from_ref(&any));
        assert_eq!(goes_to(&routes, &receivers, &any.with_port(4711)), Some(0));
        routes.chosen(&any, 4711);
        assert_eq!(goes_to(&routes, &receivers, &any.with_port(4711)), Some(0));
        assert_eq!(goes_to(&routes, &receivers, &any.with_port(4712)), None);
        let to = routes.find(&any.with_port(4711)).unwrap();
        routes.remove(&any.with_port(4711), &mpsc::channel(1).0);
        assert_eq!(goes_to(&routes, &receivers, &any.with_port(4711)), Some(0), "another forward's end is not its own");
        routes.remove(&any.with_port(4711), &to);
        assert_eq!(goes_to(&routes, &receivers, &any.with_port(4711)), None);
    }
}
