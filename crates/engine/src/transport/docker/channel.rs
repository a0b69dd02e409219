use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use super::client::DockerClient;
use super::connection::End;
use super::exec::{Exec, What};
use crate::command::{Place, Pty, Variables};
use crate::error::{Error, Phase, Reached};
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Signal};

/// Events that may wait for their reader before the exec's line is not read any more.
const EVENTS: usize = 16;
/// Pieces of stdin that may wait for the daemon.
const PIECES: usize = 4;

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

/// One exec in a container. Dropping it ends its line.
pub struct DockerChannel {
    events: mpsc::Receiver<ChannelEvent>,
    writer: DockerWriter,
}

#[derive(Clone)]
pub struct DockerWriter {
    orders: mpsc::UnboundedSender<Order>,
    input: mpsc::Sender<Input>,
    prepared: Arc<Mutex<Prepared>>,
}

/// What is known before the command itself.
#[derive(Default)]
struct Prepared {
    place: Option<(Arc<Place>, Variables)>,
    pty: Option<Pty>,
    no_input: bool,
}

impl DockerChannel {
    pub fn new(client: Arc<DockerClient>, daemon: watch::Receiver<Option<End>>, cut: watch::Receiver<bool>) -> Self {
        let (orders, received) = mpsc::unbounded_channel();
        let (input, pieces) = mpsc::channel(PIECES);
        let (told, events) = mpsc::channel(EVENTS);
        tokio::spawn(Exec::new(client, told, daemon).serve(received, pieces, cut));
        Self { events, writer: DockerWriter { orders, input, prepared: Arc::default() } }
    }
}

impl Channel for DockerChannel {
    type Writer = DockerWriter;

    fn writer(&self) -> DockerWriter {
        self.writer.clone()
    }

    async fn next(&mut self) -> Option<ChannelEvent> {
        self.events.recv().await
    }
}

impl DockerWriter {
    /// The exec's task is gone: it has ended, or its connection.
    fn order(&self, order: Order) -> Result<(), Error> {
        self.orders.send(order).map_err(|_| over())
    }
}

fn over() -> Error {
    Error::ConnectionLost { phase: Phase::Run, reached: Reached::Unknown, source: None }
}

impl ChannelWriter for DockerWriter {
    fn place(&self, place: &Arc<Place>, env: &[(String, String)]) {
        self.prepared.lock().place = Some((Arc::clone(place), env.to_vec()));
    }

    fn expects_input(&self, expected: bool) {
        self.prepared.lock().no_input = !expected;
    }

    async fn pty(&self, pty: &Pty) -> Result<(), Error> {
        self.prepared.lock().pty = Some(pty.clone());
        Ok(())
    }

    /// Resolves when the daemon knows the command and is about to be told to start it: before, nothing can have run.
    async fn exec(&self, line: Vec<u8>) -> Result<(), Error> {
        let Prepared { place, pty, no_input } = std::mem::take(&mut *self.prepared.lock());
        let Some((place, env)) = place else {
            return Err(Error::InvalidOption { option: "container", problem: "it is missing".to_owned() });
        };
        let (about_to, started) = oneshot::channel();
        self.order(Order::Start(Box::new(What { place, env, pty, line, input: !no_input }), about_to))?;
        started.await.map_err(|_| over())
    }

    async fn resize(&self, columns: u32, rows: u32) -> Result<(), Error> {
        self.order(Order::Resize(columns, rows))
    }

    async fn write(&self, data: Bytes) -> Result<(), Error> {
        self.input.send(Input::Data(data)).await.map_err(|_| over())
    }

    async fn eof(&self) -> Result<(), Error> {
        self.input.send(Input::End).await.map_err(|_| over())
    }

    async fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.order(Order::Signal(signal))
    }

    async fn close(&self) -> Result<(), Error> {
        self.order(Order::Close)
    }
}
