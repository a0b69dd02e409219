use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::command::{Place, Pty, Variables};
use crate::transport::Signal;

/// What is to run.
pub struct What {
    pub place: Arc<Place>,
    pub env: Variables,
    pub pty: Option<Pty>,
    pub line: Vec<u8>,
    /// Something will be written to its stdin.
    pub input: bool,
}

/// What an exec is told, in order.
pub enum Order {
    Start(Box<What>, oneshot::Sender<()>),
    Signal(Signal),
    Resize(u32, u32),
    Close,
}

/// What goes to its stdin.
pub enum Input {
    Data(Bytes),
    End,
}

/// An exec's ear.
pub struct Orders(mpsc::UnboundedReceiver<Order>);

impl Orders {
    pub fn new() -> (mpsc::UnboundedSender<Order>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self(receiver))
    }

    /// `None`: whoever gave them is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Order> {
        self.0.recv().await
    }

    /// The command. What is said before it has no meaning yet.
    pub async fn first(&mut self) -> Option<(Box<What>, oneshot::Sender<()>)> {
        loop {
            match self.next().await {
                Some(Order::Start(what, about_to)) => return Some((what, about_to)),
                None | Some(Order::Close) => return None,
                Some(Order::Signal(_) | Order::Resize(..)) => {}
            }
        }
    }

    /// Whoever sends a signal before the command runs wants it not to.
    pub async fn unwanted(&mut self) {
        while let Some(Order::Start(..) | Order::Resize(..)) = self.next().await {}
    }
}
