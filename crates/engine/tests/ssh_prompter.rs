//! Questions in several rounds, which OpenSSH's PAM of a test machine does not ask.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test helpers")]

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use russh::keys::{Algorithm, PrivateKey, key::safe_rng};
use russh::server::{Auth, Config, Handler, Response, run_stream};
use tokio::net::TcpListener;
use xec_engine::error::Error;
use xec_engine::pool::Hops;
use xec_engine::transport::Transport;
use xec_engine::transport::ssh::{
    Agent, HostKeyChecking, Link, Prompt, Prompter, Questions, Secret, SshTarget, SshTransport,
};

/// What the server asks, round by round, and the answers it takes.
const ROUNDS: [(&str, &[&str]); 3] =
    [("Step one", &["user"]), ("A word of welcome", &[]), ("Step two", &["code", "pin"])];

#[derive(Clone, Default)]
struct Asks {
    round: usize,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Handler for Asks {
    type Error = russh::Error;

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let answers = response.into_iter().flatten().map(|answer| String::from_utf8_lossy(&answer).into_owned());
        self.heard.lock().extend(answers);
        let Some((name, prompts)) = ROUNDS.get(self.round) else {
            return Ok(if *self.heard.lock() == ["a", "b", "c"] { Auth::Accept } else { Auth::reject() });
        };
        self.round += 1;
        let prompts: Vec<(Cow<'static, str>, bool)> =
            prompts.iter().map(|prompt| (Cow::Borrowed(*prompt), *prompt == "user")).collect();
        Ok(Auth::Partial { name: Cow::Borrowed(name), instructions: "".into(), prompts: prompts.into() })
    }
}

async fn server(asks: Asks) -> u16 {
    let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
    let config = Arc::new(Config { keys: vec![key], auth_rejection_time: Duration::ZERO, ..Config::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // A client that is refused leaves without a word.
        let _ = run_stream(config, stream, asks).await.unwrap().await;
    });
    port
}

async fn login(prompter: Option<Prompter>, password: Option<&str>) -> (Result<Link, Error>, Vec<String>) {
    let asks = Asks::default();
    let target = SshTarget {
        password: password.map(|password| Secret::new(password.to_owned())),
        keyboard_interactive: prompter.map(Arc::new),
        agent: Agent::Off,
        host_key_checking: HostKeyChecking::Off,
        ..SshTarget::new("127.0.0.1", server(asks.clone()).await, "demo")
    };
    let outcome = SshTransport.connect(&Arc::new(target), &Hops::none()).await;
    let heard = asks.heard.lock().clone();
    (outcome, heard)
}

/// Gives the answers in turn, and notes the questions.
fn answering(answers: &'static [&'static str]) -> (Prompter, Arc<Mutex<Vec<Questions>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (notes, left) = (Arc::clone(&asked), Mutex::new(answers.iter()));
    let prompter = Prompter::new(1, move |questions: Questions| {
        let count = questions.prompts.len();
        notes.lock().push(questions);
        let answers = left.lock().by_ref().take(count).map(|answer| Secret::new((*answer).to_owned())).collect();
        Box::pin(async move { Ok(answers) })
    });
    (prompter, asked)
}

#[tokio::test]
async fn as_many_rounds_as_the_server_has() {
    let (prompter, asked) = answering(&["a", "b", "c"]);
    let (outcome, heard) = login(Some(prompter), None).await;
    assert!(outcome.is_ok());
    assert_eq!(heard, ["a", "b", "c"]);
    let asked = asked.lock();
    assert_eq!(asked.iter().map(|questions| questions.name.as_str()).collect::<Vec<_>>(), ROUNDS.map(|(name, _)| name));
    assert_eq!(asked[0].prompts, [Prompt { text: "user".into(), echo: true }]);
    assert_eq!(asked[2].prompts.len(), 2);
}

#[tokio::test]
async fn too_few_answers_are_refused_before_they_are_sent() {
    let (prompter, _) = answering(&["a", "b"]);
    let (outcome, heard) = login(Some(prompter), None).await;
    assert!(matches!(outcome.err(), Some(Error::WrongAnswers { answers: 1, prompts: 2 })));
    assert_eq!(heard, ["a"]);
}

#[tokio::test]
async fn a_failing_prompter_is_the_cause() {
    let prompter = Prompter::new(1, |_| Box::pin(async { Err(Arc::new(std::fmt::Error) as xec_engine::error::Cause) }));
    let (outcome, heard) = login(Some(prompter), None).await;
    let error = outcome.err().expect("there were no answers");
    assert_eq!((error.code(), heard.len()), ("EPROMPT", 0));
    assert!(std::error::Error::source(&error).is_some());
}

/// A visible prompt is no place for a password, and a second round of questions is about something else.
#[tokio::test]
async fn a_password_answers_hidden_prompts_of_one_round_only() {
    let (outcome, heard) = login(None, Some("s3cret")).await;
    let error = outcome.err().expect("a password is not enough");
    assert_eq!(error.code(), "EAUTH");
    assert_eq!(heard, [""]);
    assert!(!error.to_string().contains("s3cret"));
}
