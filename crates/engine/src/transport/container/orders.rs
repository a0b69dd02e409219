use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::command::{Place, Pty, Variables};
use crate::transport::{Expected, Signal};

/// What is to run.
pub struct What {
    pub place: Arc<Place>,
    pub env: Variables,
    pub pty: Option<Pty>,
    pub line: Vec<u8>,
    /// What will be written to its stdin.
    pub input: Expected,
}

impl What {
    pub fn has_input(&self) -> bool {
        self.input != Expected::Nothing
    }
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
pub struct Orders {
    received: mpsc::UnboundedReceiver<Order>,
    /// The last size that was heard while nobody could use it.
    kept: Option<Order>,
}

impl Orders {
    pub fn new() -> (mpsc::UnboundedSender<Order>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self { received: receiver, kept: None })
    }

    /// `None`: whoever gave them is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Order> {
        match self.kept.take() {
            Some(order) => Some(order),
            None => self.received.recv().await,
        }
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

    /// Whoever sends a signal before the command runs wants it not to. A new size is for later. Cancel-safe.
    pub async fn unwanted(&mut self) {
        loop {
            match self.received.recv().await {
                Some(size @ Order::Resize(..)) => self.kept = Some(size),
                Some(Order::Start(..)) => {}
                None | Some(Order::Signal(_) | Order::Close) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_size_that_came_too_early_is_heard_later() {
        let (sender, mut orders) = Orders::new();
        for columns in [80, 120] {
            assert!(sender.send(Order::Resize(columns, 24)).is_ok());
        }
        assert!(timeout(Duration::from_secs(1), orders.unwanted()).await.is_err(), "a size is no reason to stop");
        assert!(matches!(orders.next().await, Some(Order::Resize(120, 24))));
        assert!(sender.send(Order::Close).is_ok());
        orders.unwanted().await;
    }
}
