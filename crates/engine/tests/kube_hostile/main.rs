//! Two hundred answers to an exec's upgrade that no real API server gives: each is an error with its code, kind and phase, none hangs, and
//! the next command works.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

mod answers;
mod frames;
mod heads;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Config;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::timeout;
use xec_engine::command::{Command, ExitStatus, Place, Pod};
use xec_engine::error::{Error, Kind, Phase, Reached};
use xec_engine::events::EventBuffer;
use xec_engine::pool::{HostConfig, Pool, PoolConfig, Reconnect, Request};
use xec_engine::run::{Cancel, Outcome, exec};
use xec_engine::transport::kube::{KubeTarget, KubeTransport};

use self::server::{Server, WELL};

/// For all of them together, on a machine that does other things besides.
const ALL: Duration = Duration::from_secs(120);
/// For an answer that comes.
const ENOUGH: Duration = Duration::from_secs(30);
/// How long an answer that stays away is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is answered, and which error that is.
pub struct Case {
    pub name: String,
    pub answer: Answer,
    pub code: &'static str,
}

pub enum Answer {
    /// Written in place of an answer; then the line ends.
    Raw(Vec<u8>),
    /// Written, and nothing after it.
    Held(Vec<u8>),
    /// Written again and again after what comes first.
    Endless(Vec<u8>, Vec<u8>),
    /// A right answer but for these headers (none: without it), then bytes.
    Switched { changes: Vec<(&'static str, Option<String>)>, then: Vec<u8>, held: bool },
    /// A right answer, then what comes first, then the rest again and again.
    Flood(Vec<u8>, Vec<u8>),
}

pub fn case(name: impl Into<String>, answer: Answer, code: &'static str) -> Case {
    Case { name: name.into(), answer, code }
}

struct Client {
    pool: Arc<Pool<KubeTransport>>,
    request: Request<KubeTransport>,
}

impl Client {
    fn new(port: u16, patience: Duration) -> Self {
        let config = Config::new(format!("http://127.0.0.1:{port}").parse().unwrap());
        let target = Arc::new(KubeTarget { config: Arc::new(config), user: "u".into(), timeout: patience });
        let limits =
            HostConfig { reconnect: Reconnect { max_retries: 0, ..Reconnect::default() }, ..HostConfig::default() };
        let events = Arc::new(EventBuffer::default());
        Self {
            pool: Arc::new(Pool::new(KubeTransport, PoolConfig::default(), events, Handle::current())),
            request: Request::new(target.key(), target, Arc::new(limits)),
        }
    }

    async fn exec(&self, pod: &str, limit: Duration) -> Outcome {
        let place = Place {
            container: "main".into(),
            pod: Some(Pod { namespace: "default".into(), name: pod.into() }),
            argv: Some(vec!["true".into()]),
            ..Place::default()
        };
        let command = Command {
            line: "true".into(),
            place: Some(Arc::new(place)),
            max_buffer: 1024 * 1024,
            timeout: Some(limit),
            ..Command::default()
        };
        exec(Arc::clone(&self.pool), self.request.clone(), command, Cancel::default()).await
    }
}

/// What is wrong with how a case ended.
async fn judge(port: u16, pod: String, case: &Case) -> Result<Error, String> {
    // Only where nothing more comes is it waited for; the others have all the time they need.
    let waits = case.code == "ETIMEDOUT" || matches!(case.answer, Answer::Held(_));
    let client = Client::new(port, if waits { PATIENCE } else { ENOUGH });
    let error = match client.exec(&pod, if waits { PATIENCE * 2 } else { ENOUGH }).await {
        Ok(output) => return Err(format!("it ended well: {:?}", output.status)),
        Err(failure) => failure.error,
    };
    if error.code() != case.code {
        return Err(format!("{} instead of {}: {error}", error.code(), case.code));
    }
    check(&error)?;
    let next =
        client.exec(WELL, ENOUGH).await.map_err(|failure| format!("and the next one failed: {}", failure.error))?;
    if next.status != ExitStatus::Code(0) {
        return Err(format!("and the next one ended with {:?}", next.status));
    }
    Ok(error)
}

/// Kind, phase and whether the command may have run, as the code has them.
fn check(error: &Error) -> Result<(), String> {
    let (kind, phases): (Kind, &[Phase]) = match error.code() {
        "EUPGRADE" | "EBUSY" => (Kind::ConnectionRefused, &[Phase::OpenChannel]),
        "EPROTO" | "EKUBE" => (Kind::Unknown, &[Phase::Run]),
        "ECONNLOST" => (Kind::ConnectionLost, &[Phase::Run, Phase::OpenChannel]),
        "ETIMEDOUT" => (Kind::Timeout, &[Phase::Run, Phase::OpenChannel]),
        "EUNAUTHORIZED" => (Kind::Authentication, &[Phase::Authenticate]),
        "EFORBIDDEN" => (Kind::PermissionDenied, &[Phase::OpenChannel]),
        "ENOPOD" | "ENONAMESPACE" | "ENOCONTAINER" | "ENOENT" | "ENOPROGRAM" => (Kind::NotFound, &[Phase::OpenChannel]),
        "ENOTRUNNING" | "EINVAL" | "ECONFLICT" => (Kind::InvalidUsage, &[Phase::OpenChannel]),
        "EMAXBUFFER" => (error.kind(), &[Phase::Run]),
        code => return Err(format!("a code that this test does not know: {code}")),
    };
    let kind = if error.to_string().contains("must be specified") { Kind::InvalidUsage } else { kind };
    if error.kind() != kind || !phases.contains(&error.phase()) {
        return Err(format!("{} has kind {:?} and phase {:?}: {error}", error.code(), error.kind(), error.phase()));
    }
    if kind == Kind::ConnectionRefused && error.reached() != Reached::No {
        return Err(format!("nothing can have run: {error}"));
    }
    if error.to_string().len() < 10 {
        return Err(format!("it says nothing: {error}"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_hostile_answer_is_an_error_of_its_own() {
    let cases: Arc<Vec<Case>> =
        Arc::new(heads::cases().into_iter().chain(answers::cases()).chain(frames::cases()).collect());
    assert!(cases.len() >= 200, "{} are not two hundred", cases.len());
    let server = Server::start(Arc::clone(&cases)).await;
    let mut running = JoinSet::new();
    for index in 0..cases.len() {
        let (cases, port) = (Arc::clone(&cases), server.port);
        running.spawn(async move {
            let case = &cases[index];
            let outcome = judge(port, format!("case-{index}"), case).await;
            (case.code, outcome.map_err(|problem| format!("{}: {problem}", case.name)))
        });
    }
    let mut wrong = Vec::new();
    let mut seen = BTreeMap::<_, usize>::new();
    let all = async {
        while let Some(done) = running.join_next().await {
            match done.unwrap() {
                (code, Ok(_)) => *seen.entry(code).or_default() += 1,
                (_, Err(problem)) => wrong.push(problem),
            }
        }
    };
    timeout(ALL, all).await.expect("none of them hangs");
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(seen.values().sum::<usize>(), cases.len(), "{seen:?}");
}
