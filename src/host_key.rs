//! Questions about host keys, from the engine's threads to JavaScript and back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Weak};

use napi::bindgen_prelude::{FnArgs, FromNapiValue, Function, JsObjectValue, Object};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Result, Status, sys};
use napi_derive::napi;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use xec_engine::error::Cause;
use xec_engine::host_key::HostKeyRefusal;
use xec_engine::transport::ssh::{HostKeyQuestion, HostKeyVerifier};

use crate::callback::CallbackFailed;

/// A host key to decide about.
#[napi(object, object_from_js = false)]
pub struct HostKeyRecord {
    pub host: String,
    pub port: u32,
    pub algorithm: String,
    pub fingerprint: String,
    pub base64: String,
}

/// What a refusal knows.
#[napi(object)]
pub struct HostKeyRefusalRecord {
    pub problem: String,
    pub algorithm: String,
    pub fingerprint: String,
    pub place: Option<PlaceRecord>,
    /// Lines that were skipped.
    pub unreadable: Vec<PlaceRecord>,
}

/// A line of a file.
#[napi(object)]
pub struct PlaceRecord {
    pub file: String,
    pub line: u32,
    pub problem: Option<String>,
}

impl From<&HostKeyRefusal> for HostKeyRefusalRecord {
    fn from(refusal: &HostKeyRefusal) -> Self {
        let place = |place: &xec_engine::host_key::Place, problem: Option<&str>| PlaceRecord {
            file: place.file.display().to_string(),
            line: u32::try_from(place.line).unwrap_or(u32::MAX),
            problem: problem.map(str::to_owned),
        };
        Self {
            problem: refusal.problem.as_str().to_owned(),
            algorithm: refusal.algorithm.clone(),
            fingerprint: refusal.fingerprint.clone(),
            place: refusal.problem.place().map(|line| place(line, None)),
            unreadable: refusal.unreadable.iter().map(|line| place(&line.place, Some(line.problem))).collect(),
        }
    }
}

/// Called with a ticket and a key; answers through [`answer_host_key`].
type Ask = ThreadsafeFunction<Arguments, (), Arguments, Status, false, true>;

type Arguments = FnArgs<(u32, HostKeyRecord)>;

/// What JavaScript gives for a verifier: `{ id, ask }`. The function is held as long as a target of the engine needs it, and
/// made callable from threads once for all of them, not for every command.
pub struct VerifierSpec(pub HostKeyVerifier);

/// By id. Gone when the last target is, so that JavaScript can collect the function.
static VERIFIERS: LazyLock<Mutex<HashMap<u32, Weak<Ask>>>> = LazyLock::new(Mutex::default);
static NEXT_VERIFIER: AtomicU32 = AtomicU32::new(1);

/// Questions under way, by ticket.
static OPEN: LazyLock<Mutex<HashMap<u32, oneshot::Sender<Answer>>>> = LazyLock::new(Mutex::default);
static NEXT_TICKET: AtomicU32 = AtomicU32::new(1);

type Answer = std::result::Result<bool, Cause>;

/// An identity for one function, of all in this process.
#[napi]
pub fn next_host_key_verifier() -> u32 {
    NEXT_VERIFIER.fetch_add(1, Ordering::Relaxed)
}

/// Answers a question; `problem` says why it has no answer, and `thrown` is the number under which the facade keeps what was
/// thrown. Too late is not an error: nobody waits any more.
#[napi]
pub fn answer_host_key(ticket: u32, trusted: bool, problem: Option<String>, thrown: Option<u32>) {
    if let Some(question) = OPEN.lock().remove(&ticket) {
        // Whoever asked may have given up just now.
        let _ = question.send(problem.map_or(Ok(trusted), |problem| Err(CallbackFailed::cause(problem, thrown))));
    }
}

impl FromNapiValue for VerifierSpec {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: passed on as they came.
        let given = unsafe { Object::from_napi_value(env, value)? };
        let id: u32 = given.get_named_property("id")?;
        let ask = callable(id, &given)?;
        Ok(Self(HostKeyVerifier::new(u64::from(id), move |question| Box::pin(put(Arc::clone(&ask), question)))))
    }
}

fn callable(id: u32, given: &Object) -> Result<Arc<Ask>> {
    let mut verifiers = VERIFIERS.lock();
    if let Some(ask) = verifiers.get(&id).and_then(Weak::upgrade) {
        return Ok(ask);
    }
    let function: Function<Arguments, ()> = given.get_named_property("ask")?;
    // Weak: a question keeps no process alive, the promise of whoever waits for the connection does.
    let ask = Arc::new(function.build_threadsafe_function().callee_handled::<false>().weak::<true>().build()?);
    verifiers.retain(|_, ask| ask.strong_count() > 0);
    verifiers.insert(id, Arc::downgrade(&ask));
    Ok(ask)
}

/// Asks, and waits for the answer. Dropped, it withdraws the question.
async fn put(ask: Arc<Ask>, question: HostKeyQuestion) -> Answer {
    let (ticket, answer) = Ticket::new();
    let record = HostKeyRecord {
        host: question.host,
        port: u32::from(question.port),
        algorithm: question.algorithm,
        fingerprint: question.fingerprint,
        base64: question.base64,
    };
    if ask.call((ticket.0, record).into(), ThreadsafeFunctionCallMode::NonBlocking) != Status::Ok {
        return Err(CallbackFailed::cause("its thread has ended".to_owned(), None));
    }
    answer.await.unwrap_or_else(|_| Err(CallbackFailed::cause("it was not answered".to_owned(), None)))
}

struct Ticket(u32);

impl Ticket {
    fn new() -> (Self, oneshot::Receiver<Answer>) {
        let (sender, answer) = oneshot::channel();
        let ticket = NEXT_TICKET.fetch_add(1, Ordering::Relaxed);
        OPEN.lock().insert(ticket, sender);
        (Self(ticket), answer)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        OPEN.lock().remove(&self.0);
    }
}
