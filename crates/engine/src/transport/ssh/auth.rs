use std::sync::Arc;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};

use super::handler::Handler;
use super::target::SshTarget;
use crate::error::{Error, Phase, Reached};

/// One login: every method at most once, keys before the password. A refused login is never tried again: servers count
/// failures and punish them.
pub struct Login<'a> {
    handle: &'a mut Handle<Handler>,
    target: &'a SshTarget,
    tried: Vec<&'static str>,
    accepted: Option<MethodSet>,
}

/// What one attempt told us.
enum Attempt {
    In,
    /// Refused, or accepted as one of several factors.
    Further,
}

impl<'a> Login<'a> {
    pub fn new(handle: &'a mut Handle<Handler>, target: &'a SshTarget) -> Self {
        Self { handle, target, tried: Vec::new(), accepted: None }
    }

    pub async fn run(mut self, keys: Vec<Arc<PrivateKey>>) -> Result<(), Error> {
        if keys.is_empty() && self.target.password.is_none() {
            return Err(Error::NoCredentials { username: self.target.username.clone() });
        }
        for key in keys {
            if let Attempt::In = self.with_key(key).await.map_err(lost)? {
                return Ok(());
            }
        }
        if let Attempt::In = self.with_password().await.map_err(lost)? {
            return Ok(());
        }
        Err(self.refused())
    }

    async fn with_key(&mut self, key: Arc<PrivateKey>) -> Result<Attempt, russh::Error> {
        if !self.accepts(MethodKind::PublicKey) {
            return Ok(Attempt::Further);
        }
        let hash = if key.algorithm().is_rsa() { self.rsa_hash().await? } else { None };
        self.tried("publickey");
        let key = PrivateKeyWithHashAlg::new(key, hash);
        let result = self.handle.authenticate_publickey(self.target.username.as_str(), key).await?;
        Ok(self.note(result))
    }

    /// The password as itself; as the answer to a prompt only where the server does not take passwords as such, because a
    /// server that takes both would count a wrong one twice.
    async fn with_password(&mut self) -> Result<Attempt, russh::Error> {
        let Some(password) = &self.target.password else { return Ok(Attempt::Further) };
        if self.accepts(MethodKind::Password) {
            self.tried("password");
            let result = self.handle.authenticate_password(self.target.username.as_str(), password.as_str()).await?;
            if let Attempt::In = self.note(result) {
                return Ok(Attempt::In);
            }
        }
        let prompts_only = self.accepted.as_ref().is_some_and(|accepted| {
            accepted.contains(&MethodKind::KeyboardInteractive) && !accepted.contains(&MethodKind::Password)
        });
        if prompts_only { self.with_prompts().await } else { Ok(Attempt::Further) }
    }

    /// Answers every hidden prompt with the password, and gives up when a second round of prompts comes.
    async fn with_prompts(&mut self) -> Result<Attempt, russh::Error> {
        use KeyboardInteractiveAuthResponse as Reply;
        self.tried("keyboard-interactive");
        let username = self.target.username.as_str();
        let mut reply = self.handle.authenticate_keyboard_interactive_start(username, None::<String>).await?;
        let mut answered = false;
        loop {
            match reply {
                Reply::Success => return Ok(Attempt::In),
                Reply::Failure { remaining_methods, .. } => {
                    self.accepted = Some(remaining_methods);
                    return Ok(Attempt::Further);
                }
                Reply::InfoRequest { prompts, .. } => {
                    if answered && !prompts.is_empty() {
                        return Ok(Attempt::Further);
                    }
                    answered |= !prompts.is_empty();
                    let password = self.target.password.as_ref().map(|secret| secret.as_str()).unwrap_or_default();
                    let answers =
                        prompts.iter().map(|prompt| if prompt.echo { "" } else { password }.to_owned()).collect();
                    reply = self.handle.authenticate_keyboard_interactive_respond(answers).await?;
                }
            }
        }
    }

    /// The strongest RSA signature the server says it takes; SHA-256, which every current server takes, if it says
    /// nothing. Never SHA-1.
    async fn rsa_hash(&self) -> Result<Option<HashAlg>, russh::Error> {
        Ok(Some(self.handle.best_supported_rsa_hash().await?.flatten().unwrap_or(HashAlg::Sha256)))
    }

    fn accepts(&self, method: MethodKind) -> bool {
        self.accepted.as_ref().is_none_or(|accepted| accepted.contains(&method))
    }

    fn tried(&mut self, method: &'static str) {
        if !self.tried.contains(&method) {
            self.tried.push(method);
        }
    }

    fn note(&mut self, result: AuthResult) -> Attempt {
        match result {
            AuthResult::Success => Attempt::In,
            AuthResult::Failure { remaining_methods, .. } => {
                self.accepted = Some(remaining_methods);
                Attempt::Further
            }
        }
    }

    fn refused(self) -> Error {
        let accepted: Vec<String> =
            self.accepted.iter().flat_map(|accepted| accepted.iter()).map(String::from).collect();
        Error::Authentication {
            username: self.target.username.clone(),
            tried: list(&self.tried),
            accepted: list(&accepted),
        }
    }
}

/// How an error says that the server accepts no method at all.
pub const NOTHING: &str = "nothing";

fn list<S: AsRef<str>>(items: &[S]) -> String {
    if items.is_empty() {
        return NOTHING.to_owned();
    }
    items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// The connection ended in the middle of a login.
fn lost(error: russh::Error) -> Error {
    Error::ConnectionLost { phase: Phase::Authenticate, reached: Reached::No, source: Some(Arc::new(error)) }
}
