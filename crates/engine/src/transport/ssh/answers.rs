//! What a target has to say to a server's questions.

use super::prompter::{Prompt, Questions};
use super::target::{Secret, SshTarget};
use crate::error::Error;

impl SshTarget {
    /// `None`: there is nothing to say to these.
    pub(super) async fn answers(&self, questions: Questions, rounds: usize) -> Result<Option<Vec<Secret>>, Error> {
        let wanted = questions.prompts.len();
        let Some(prompter) = &self.keyboard_interactive else {
            return Ok(self.password_for(&questions, rounds));
        };
        if wanted == 0 && questions.name.is_empty() && questions.instructions.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let answers = prompter.ask(questions).await.map_err(|source| Error::Prompter { source })?;
        if answers.len() == wanted {
            return Ok(Some(answers));
        }
        Err(Error::WrongAnswers { answers: answers.len(), prompts: wanted })
    }

    /// The password for every hidden prompt, in one round only: a second one would be told the same.
    fn password_for(&self, questions: &Questions, rounds: usize) -> Option<Vec<Secret>> {
        if rounds > 1 && !questions.prompts.is_empty() {
            return None;
        }
        let password = self.password.as_ref()?;
        let answer = |prompt: &Prompt| if prompt.echo { Secret::default() } else { password.clone() };
        Some(questions.prompts.iter().map(answer).collect())
    }
}
