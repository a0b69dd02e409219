use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::Instant;

use super::features::Features;
use super::packet::Packet;
use super::reply::Reply;
use super::wire::request;
use crate::error::Error;

/// What all transfers of a session may have on the way together, in KiB, so that many at once need no more memory than
/// one.
const READS: usize = 16 * 1024;
const WRITES: usize = 8 * 1024;

/// How much of that a request takes.
pub fn kibibytes(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).max(1)
}

pub type Answered = Result<Reply, Error>;

/// What a session's callers and its driver share: who waits for which answer.
pub struct Shared {
    state: Mutex<State>,
    pub features: OnceLock<Features>,
    pub reads: Semaphore,
    pub writes: Semaphore,
    ended: watch::Sender<bool>,
}

struct State {
    waiting: HashMap<u32, oneshot::Sender<Answered>>,
    greeting: Option<oneshot::Sender<Answered>>,
    next_id: u32,
    /// Taken when the session is to close: the driver sends what was sent before, then says goodbye.
    outgoing: Option<UnboundedSender<Bytes>>,
    failed: Option<Error>,
    /// The last sign of life while somebody waits.
    heard: Instant,
}

/// An answer on its way.
pub struct Pending(oneshot::Receiver<Answered>);

impl Pending {
    /// Cancel-safe: asking again goes on waiting.
    pub async fn answer(&mut self) -> Answered {
        // The driver answers everybody before it ends, however it ends.
        (&mut self.0).await.unwrap_or(Err(Error::Internal { what: "an SFTP session" }))
    }
}

impl Shared {
    /// A session whose first packet is `hello`, what it sends, and the answer to its greeting.
    pub fn greeting(hello: Bytes) -> (Self, UnboundedReceiver<Bytes>, Pending) {
        let (outgoing, packets) = unbounded_channel();
        // The receiver is right here.
        let _ = outgoing.send(hello);
        let (greeting, greeted) = oneshot::channel();
        let state = State {
            waiting: HashMap::new(),
            greeting: Some(greeting),
            next_id: 0,
            outgoing: Some(outgoing),
            failed: None,
            heard: Instant::now(),
        };
        let shared = Self {
            state: Mutex::new(state),
            features: OnceLock::new(),
            reads: Semaphore::new(READS),
            writes: Semaphore::new(WRITES),
            ended: watch::Sender::new(false),
        };
        (shared, packets, Pending(greeted))
    }

    /// Queues a request; requests are sent in the order of the calls.
    pub fn send(&self, build: impl FnOnce(u32) -> Bytes) -> Pending {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        let id = state.next_id;
        state.next_id = id.wrapping_add(1);
        if let Err(error) = state.push(build(id)) {
            // The receiver is right here.
            let _ = sender.send(Err(error));
        } else {
            if state.waiting.is_empty() {
                state.heard = Instant::now();
            }
            state.waiting.insert(id, sender);
        }
        Pending(receiver)
    }

    /// Hands an answer to who waits for it; `false` when nobody ever asked.
    pub fn answer(&self, id: Option<u32>, reply: Reply) -> bool {
        let mut state = self.state.lock();
        state.heard = Instant::now();
        let waiter = match id {
            Some(id) => state.waiting.remove(&id),
            None => state.greeting.take(),
        };
        let Some(waiter) = waiter else { return false };
        if let Err(Ok(Reply::Handle(handle))) = waiter.send(Ok(reply)) {
            // Who opened it has left; the server would keep it open.
            let packet = Packet::new(request::CLOSE, state.next_id).string(&handle).finish();
            let (sender, _nobody) = oneshot::channel();
            let id = state.next_id;
            if state.push(packet).is_ok() {
                state.next_id = id.wrapping_add(1);
                state.waiting.insert(id, sender);
            }
        }
        true
    }

    /// The session is over: everybody gets this error, now and later. The first one counts.
    pub fn fail(&self, error: Error) {
        let mut state = self.state.lock();
        state.outgoing = None;
        let error = state.failed.get_or_insert(error).clone();
        let greeting = state.greeting.take();
        let waiters: Vec<_> = state.waiting.drain().map(|(_, waiter)| waiter).chain(greeting).collect();
        drop(state);
        for waiter in waiters {
            // Who has left needs no answer.
            let _ = waiter.send(Err(error.clone()));
        }
    }

    /// Lets what was asked be answered, then ends the session.
    pub fn close(&self) {
        self.state.lock().outgoing = None;
    }

    pub fn is_closing(&self) -> bool {
        self.state.lock().outgoing.is_none()
    }

    /// A sign that the line moves.
    pub fn note_sent(&self) {
        self.state.lock().heard = Instant::now();
    }

    /// Nobody waits for an answer.
    pub fn is_answered(&self) -> bool {
        let state = self.state.lock();
        state.waiting.is_empty() && state.greeting.is_none()
    }

    /// How long nothing has been heard while somebody waits.
    pub fn silent_for(&self) -> Duration {
        let state = self.state.lock();
        let waiting = !state.waiting.is_empty() || state.greeting.is_some();
        if waiting { state.heard.elapsed() } else { Duration::ZERO }
    }

    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Resolves when the driver is done and the channel given back.
    pub async fn ended(&self) {
        // The sender is in `self`, so it cannot be gone.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

impl State {
    fn push(&self, packet: Bytes) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let outgoing = self.outgoing.as_ref().ok_or(Error::SftpClosed)?;
        outgoing.send(packet).map_err(|_| Error::SftpClosed)
    }
}
