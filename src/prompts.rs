//! Questions of a keyboard-interactive login, on their way to JavaScript and back.

use std::sync::Arc;

use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use xec_engine::error::Cause;
use xec_engine::transport::ssh::{Answers, Prompter, Questions, Secret};
use zeroize::Zeroizing;

use crate::callback::CallbackFailed;

/// Weak: a target with a prompter keeps no process alive.
type Ask = ThreadsafeFunction<NativeQuestions, (), NativeQuestions, Status, false, true>;

/// Who answers, and a number that tells it from others.
#[napi(object, object_to_js = false)]
pub struct PrompterSpec {
    pub id: u32,
    #[napi(ts_type = "(questions: NativeQuestions) => void")]
    pub ask: Ask,
}

#[napi(object)]
pub struct PromptRecord {
    pub prompt: String,
    pub echo: bool,
}

type Reply = Result<Vec<Secret>, Cause>;

/// One round of questions. Forgotten without an answer it counts as failed.
#[napi]
pub struct NativeQuestions {
    questions: Questions,
    reply: Mutex<Option<oneshot::Sender<Reply>>>,
}

#[napi]
impl NativeQuestions {
    #[napi(getter)]
    pub fn name(&self) -> String {
        self.questions.name.clone()
    }

    #[napi(getter)]
    pub fn instructions(&self) -> String {
        self.questions.instructions.clone()
    }

    #[napi(getter)]
    pub fn prompts(&self) -> Vec<PromptRecord> {
        let record = |prompt: &xec_engine::transport::ssh::Prompt| PromptRecord {
            prompt: prompt.text.clone(),
            echo: prompt.echo,
        };
        self.questions.prompts.iter().map(record).collect()
    }

    #[napi]
    pub fn answer(&self, answers: Vec<String>) {
        self.settle(Ok(answers.into_iter().map(Zeroizing::new).collect()));
    }

    /// `thrown` is the number under which the facade keeps the error.
    #[napi]
    pub fn fail(&self, message: String, thrown: u32) {
        self.settle(Err(CallbackFailed::cause(message, Some(thrown))));
    }

    fn settle(&self, reply: Reply) {
        if let Some(sender) = self.reply.lock().take() {
            // The login may have timed out in the meantime: then nobody wants to know.
            let _ = sender.send(reply);
        }
    }
}

impl PrompterSpec {
    pub fn into_prompter(self) -> Arc<Prompter> {
        let ask = Arc::new(self.ask);
        Arc::new(Prompter::new(u64::from(self.id), move |questions| put(&ask, questions)))
    }
}

fn put(ask: &Ask, questions: Questions) -> Answers {
    let (sender, receiver) = oneshot::channel();
    let questions = NativeQuestions { questions, reply: Mutex::new(Some(sender)) };
    // Refused only while its thread is ending; the questions are dropped then, and the receiver learns of it.
    let _ = ask.call(questions, ThreadsafeFunctionCallMode::NonBlocking);
    Box::pin(async move {
        let gone = || CallbackFailed::cause("its thread ended before it answered".to_owned(), None);
        receiver.await.unwrap_or_else(|_| Err(gone()))
    })
}
