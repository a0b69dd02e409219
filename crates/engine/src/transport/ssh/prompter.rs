use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::target::Secret;
use crate::error::Cause;

/// One round of questions of a keyboard-interactive login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Questions {
    /// A heading, often empty.
    pub name: String,
    pub instructions: String,
    pub prompts: Vec<Prompt>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    pub text: String,
    /// May the answer be seen while it is typed?
    pub echo: bool,
}

/// One answer per prompt, or why there are none.
pub type Answers = Pin<Box<dyn Future<Output = Result<Vec<Secret>, Cause>> + Send>>;

type Ask = dyn Fn(Questions) -> Answers + Send + Sync;

/// Answers the questions of keyboard-interactive logins.
pub struct Prompter {
    /// Tells prompters apart: connections made with the answers of one are not lent to another.
    pub id: u64,
    ask: Box<Ask>,
}

impl Prompter {
    pub fn new(id: u64, ask: impl Fn(Questions) -> Answers + Send + Sync + 'static) -> Self {
        Self { id, ask: Box::new(ask) }
    }

    pub(super) fn ask(&self, questions: Questions) -> Answers {
        (self.ask)(questions)
    }
}

impl fmt::Debug for Prompter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompter").field("id", &self.id).finish_non_exhaustive()
    }
}
