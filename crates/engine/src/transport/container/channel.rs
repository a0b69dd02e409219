use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use super::orders::{Input, Order, Orders, What};
use super::output::{Output, Over};
use super::until;
use crate::command::{Place, Pty, Variables};
use crate::error::{Error, Phase, Reached};
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Expected, Signal};

/// Events that may wait for their reader before the exec's line is not read any more.
const EVENTS: usize = 16;
/// Pieces of stdin that may wait for the server.
const PIECES: usize = 4;

/// One exec in a container. Dropping it ends its line.
pub struct ExecChannel {
    events: mpsc::Receiver<ChannelEvent>,
    writer: ExecWriter,
}

#[derive(Clone)]
pub struct ExecWriter {
    orders: mpsc::UnboundedSender<Order>,
    input: mpsc::Sender<Input>,
    prepared: Arc<Mutex<Prepared>>,
    /// The option that says where it runs.
    whereabouts: &'static str,
    out_of_reach: Arc<OnceLock<&'static str>>,
}

/// What is known before the command itself.
#[derive(Default)]
struct Prepared {
    place: Option<(Arc<Place>, Variables)>,
    pty: Option<Pty>,
    expected: Expected,
}

impl ExecChannel {
    /// `whereabouts`: the option that says where it runs. `life`: the exec's own; an error ends the channel without a word, as a
    /// lost connection does, and so does a connection that is cut.
    pub fn new<F>(
        whereabouts: &'static str,
        mut cut: watch::Receiver<bool>,
        life: impl FnOnce(Arc<Output>, Orders, mpsc::Receiver<Input>) -> F,
    ) -> Self
    where
        F: Future<Output = Result<(), Over>> + Send + 'static,
    {
        let (orders, received) = Orders::new();
        let (input, pieces) = mpsc::channel(PIECES);
        let (told, events) = mpsc::channel(EVENTS);
        let output = Arc::new(Output::new(told));
        let out_of_reach = output.reach();
        let life = life(Arc::clone(&output), received, pieces);
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = until(&mut cut, |cut| *cut) => {}
                outcome = life => {
                    if outcome.is_ok() {
                        output.say(ChannelEvent::Closed).await;
                    }
                }
            }
        });
        Self { events, writer: ExecWriter { orders, input, prepared: Arc::default(), whereabouts, out_of_reach } }
    }
}

impl Channel for ExecChannel {
    type Writer = ExecWriter;

    fn writer(&self) -> ExecWriter {
        self.writer.clone()
    }

    async fn next(&mut self) -> Option<ChannelEvent> {
        self.events.recv().await
    }
}

impl ExecWriter {
    /// The exec's task is gone: it has ended, or its connection.
    fn order(&self, order: Order) -> Result<(), Error> {
        self.orders.send(order).map_err(|_| over())
    }
}

fn over() -> Error {
    Error::ConnectionLost { phase: Phase::Run, reached: Reached::Unknown, source: None }
}

impl ChannelWriter for ExecWriter {
    fn place(&self, place: &Arc<Place>, env: &[(String, String)]) {
        self.prepared.lock().place = Some((Arc::clone(place), env.to_vec()));
    }

    fn expects_input(&self, expected: Expected) {
        self.prepared.lock().expected = expected;
    }

    async fn pty(&self, pty: &Pty) -> Result<(), Error> {
        self.prepared.lock().pty = Some(pty.clone());
        Ok(())
    }

    /// Resolves when the server is about to be told to start it: before, nothing can have run.
    async fn exec(&self, line: Vec<u8>) -> Result<(), Error> {
        let Prepared { place, pty, expected } = std::mem::take(&mut *self.prepared.lock());
        let Some((place, env)) = place else {
            return Err(Error::InvalidOption { option: self.whereabouts, problem: "it is missing".to_owned() });
        };
        let (about_to, started) = oneshot::channel();
        self.order(Order::Start(Box::new(What { place, env, pty, line, input: expected }), about_to))?;
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

    fn out_of_reach(&self) -> Option<&'static str> {
        self.out_of_reach.get().copied()
    }
}
