use std::sync::Arc;

use russh::MethodKind;
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Reply};
use russh::keys::agent::AgentIdentity;
use russh::keys::{HashAlg, PrivateKeyWithHashAlg};

use super::agent::OpenAgent;
use super::attempts::Attempts;
use super::handler::Handler;
use super::identity::Credentials;
use super::offers::{Offer, Offers, Proof, Signatory};
use super::prompter::{Prompt, Questions};
use super::signer::{Hand, SignError};
use super::target::SshTarget;
use crate::error::{Cause, Error};

/// Refusals after which we stop by ourselves: OpenSSH ends the connection at its sixth (MaxAuthTries).
const MAX_REFUSALS: usize = 5;

/// One login: keys, then questions, then the password, each at most once, going on as long as the server wants more. A
/// refused login is never tried again: servers count failures and punish them.
pub struct Login<'a> {
    handle: &'a mut Handle<Handler>,
    target: &'a SshTarget,
    agent: Option<OpenAgent>,
    offers: Offers,
    questions_left: bool,
    password_left: bool,
    rsa_hash: Option<HashAlg>,
    attempts: Attempts,
    /// Why an agent was of no use.
    problem: Option<Cause>,
}

/// How a login stands after an attempt.
enum Step {
    In,
    /// Refused, or accepted as one of several factors.
    Further,
    /// The connection has ended.
    Ended,
}

/// What a method needs to be tried with.
enum Method {
    Key(Box<Offer>),
    Questions,
    Password,
}

impl<'a> Login<'a> {
    pub fn new(handle: &'a mut Handle<Handler>, target: &'a SshTarget) -> Self {
        Self {
            handle,
            target,
            agent: None,
            offers: Offers::default(),
            questions_left: target.keyboard_interactive.is_some() || target.password.is_some(),
            password_left: target.password.is_some(),
            rsa_hash: None,
            attempts: Attempts::default(),
            problem: None,
        }
    }

    pub async fn run(mut self, credentials: Credentials) -> Result<(), Error> {
        self.prepare(credentials).await?;
        while let Some(method) = self.next() {
            match self.attempt(method).await? {
                Step::In => return Ok(()),
                Step::Further => {}
                Step::Ended => {
                    self.attempts.ended();
                    break;
                }
            }
        }
        Err(self.refused())
    }

    /// Asks the agent for its keys and makes the list of offers.
    async fn prepare(&mut self, credentials: Credentials) -> Result<(), Error> {
        let Credentials { identities, certificates, mut agent, agent_problem } = credentials;
        let mut problem = agent_problem;
        let mut held = Vec::new();
        if let Some(agent) = &mut agent {
            match agent.identities(self.handle.agent_session_binding()).await {
                Ok(keys) => held = keys,
                Err(error) => problem = Some(error),
            }
        }
        let certificate_given = self.target.certificate.is_some();
        let certificate_count = certificates.len();
        self.offers = Offers::new(&identities, certificates, held, self.target.identities_only);
        if certificate_given && certificate_count > 0 && !self.offers.has_certificate() {
            return Err(Error::Certificate { problem: "its private key is not among ours".to_owned(), source: None });
        }
        let reserved = usize::from(self.target.keyboard_interactive.is_some()) + usize::from(self.password_left);
        self.offers.fit(MAX_REFUSALS - reserved);
        let nothing_else = self.offers.waiting.is_empty() && !self.questions_left;
        match problem {
            Some(error) if nothing_else && self.target.agent.is_asked_for() => Err(error),
            problem if nothing_else => Err(self.nothing_to_offer(agent.as_ref(), problem)),
            problem => {
                self.problem = problem.map(|error| Arc::new(error) as Cause);
                self.agent = agent;
                Ok(())
            }
        }
    }

    fn nothing_to_offer(&self, agent: Option<&OpenAgent>, problem: Option<Error>) -> Error {
        let why = match agent {
            Some(agent) if self.target.identities_only => {
                format!(" (the ssh-agent at {} has none of the keys that identitiesOnly allows)", agent.place)
            }
            Some(agent) => format!(" (the ssh-agent at {} has no keys)", agent.place),
            None => String::new(),
        };
        let source = problem.map(|error| Arc::new(error) as Cause);
        Error::NoCredentials { username: self.target.username.clone(), why, source }
    }

    /// OpenSSH's order, of what we have and the server may take.
    fn next(&mut self) -> Option<Method> {
        if self.attempts.refusals >= MAX_REFUSALS {
            self.offers.left_out += self.offers.waiting.len();
            return None;
        }
        if self.attempts.may_take(MethodKind::PublicKey)
            && let Some(offer) = self.offers.waiting.pop_front()
        {
            return Some(Method::Key(Box::new(offer)));
        }
        if self.questions_left && self.may_ask() {
            return Some(Method::Questions);
        }
        (self.password_left && self.attempts.may_take(MethodKind::Password)).then_some(Method::Password)
    }

    /// Without a prompter, the password answers; but only where the server does not take it as such, because a server
    /// that does would count a wrong one twice.
    fn may_ask(&self) -> bool {
        let kind = MethodKind::KeyboardInteractive;
        match self.target.keyboard_interactive {
            Some(_) => self.attempts.may_take(kind),
            None => self.attempts.wants(kind) && !self.attempts.wants(MethodKind::Password),
        }
    }

    async fn attempt(&mut self, method: Method) -> Result<Step, Error> {
        match method {
            Method::Key(offer) => self.with_key(*offer).await,
            Method::Questions => self.with_questions().await,
            Method::Password => Ok(self.with_password().await),
        }
    }

    async fn with_key(&mut self, offer: Offer) -> Result<Step, Error> {
        let hash = match offer.is_rsa() {
            true => match self.rsa_hash().await {
                Ok(hash) => Some(hash),
                Err(error) => return Ok(self.ended(error)),
            },
            false => None,
        };
        match self.sign(&offer, hash).await {
            Ok(AuthResult::Success) => Ok(Step::In),
            Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                let judged = self.attempts.note(MethodKind::PublicKey, remaining_methods, partial_success);
                if judged {
                    self.attempts.tried_key(&offer.label);
                } else {
                    // Its turn comes when the server takes keys.
                    self.offers.waiting.push_front(offer);
                }
                Ok(self.step())
            }
            Err(SignError::Ended(cause)) => {
                self.problem.get_or_insert(cause);
                Ok(Step::Ended)
            }
            Err(SignError::None(cause)) => {
                // The server waits for whatever comes next, and counts nothing.
                self.attempts.tried_key(&format!("{} without a signature", offer.label));
                self.problem = Some(cause);
                Ok(Step::Further)
            }
        }
    }

    async fn sign(&mut self, offer: &Offer, hash: Option<HashAlg>) -> Result<AuthResult, SignError> {
        let user = self.target.username.as_str();
        let mut hand = match (&offer.signatory, &offer.proof) {
            (Signatory::Own(key), Proof::Key(_)) => {
                let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
                let answer = self.handle.authenticate_publickey(user, key).await;
                return answer.map_err(|error| SignError::Ended(Arc::new(error)));
            }
            (Signatory::Own(key), Proof::Certificate(_)) => Hand::Own(Arc::clone(key)),
            (Signatory::Agent(identity), _) => agent_hand(self.agent.as_mut(), identity)?,
        };
        match &offer.proof {
            Proof::Key(key) => self.handle.authenticate_publickey_with(user, key.clone(), hash, &mut hand).await,
            Proof::Certificate(certificate) => {
                let certificate = certificate.as_ref().clone();
                self.handle.authenticate_certificate_with(user, certificate, hash, &mut hand).await
            }
        }
    }

    async fn with_password(&mut self) -> Step {
        let Some(password) = &self.target.password else { return Step::Further };
        match self.handle.authenticate_password(self.target.username.as_str(), password.as_str()).await {
            Ok(AuthResult::Success) => Step::In,
            Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                self.attempts.tried("password");
                self.password_left = !self.attempts.note(MethodKind::Password, remaining_methods, partial_success);
                self.step()
            }
            Err(error) => self.ended(error),
        }
    }

    /// As many rounds of questions as the server has. Once answered they are never answered again.
    async fn with_questions(&mut self) -> Result<Step, Error> {
        let username = self.target.username.as_str();
        let mut reply = self.handle.authenticate_keyboard_interactive_start(username, None::<String>).await;
        let mut rounds = 0;
        loop {
            match reply {
                Ok(Reply::Success) => return Ok(Step::In),
                Ok(Reply::Failure { remaining_methods, partial_success }) => {
                    let kind = MethodKind::KeyboardInteractive;
                    self.attempts.tried("keyboard-interactive");
                    let judged = self.attempts.note(kind, remaining_methods, partial_success);
                    self.questions_left = rounds == 0 && !judged;
                    return Ok(self.step());
                }
                Ok(Reply::InfoRequest { name, instructions, prompts }) => {
                    let prompts: Vec<Prompt> =
                        prompts.into_iter().map(|prompt| Prompt { text: prompt.prompt, echo: prompt.echo }).collect();
                    // A round without prompts only says something.
                    rounds += usize::from(!prompts.is_empty());
                    let questions = Questions { name, instructions, prompts };
                    let Some(answers) = self.target.answers(questions, rounds).await? else {
                        self.questions_left = false;
                        self.attempts.tried("keyboard-interactive");
                        return Ok(Step::Further);
                    };
                    let answers = answers.iter().map(|answer| answer.as_str().to_owned()).collect();
                    reply = self.handle.authenticate_keyboard_interactive_respond(answers).await;
                }
                Err(error) => return Ok(self.ended(error)),
            }
        }
    }

    /// The strongest RSA signature the server says it takes; SHA-256, which every current server takes, if it says
    /// nothing. Never SHA-1. Asked once: the answer may take a second to come.
    async fn rsa_hash(&mut self) -> Result<HashAlg, russh::Error> {
        let hash = match self.rsa_hash {
            Some(hash) => hash,
            None => self.handle.best_supported_rsa_hash().await?.flatten().unwrap_or(HashAlg::Sha256),
        };
        self.rsa_hash = Some(hash);
        Ok(hash)
    }

    fn step(&self) -> Step {
        if self.attempts.is_over() { Step::Ended } else { Step::Further }
    }

    fn ended(&mut self, error: russh::Error) -> Step {
        self.problem.get_or_insert_with(|| Arc::new(error));
        Step::Ended
    }

    fn refused(self) -> Error {
        let Self { target, attempts, offers, problem, .. } = self;
        Error::Authentication {
            username: target.username.clone(),
            tried: attempts.tried_text(offers.left_out),
            accepted: attempts.accepted_text(),
            source: problem,
        }
    }
}

fn agent_hand<'b>(agent: Option<&'b mut OpenAgent>, identity: &'b AgentIdentity) -> Result<Hand<'b>, SignError> {
    match agent {
        Some(agent) => Ok(Hand::Agent(&mut agent.client, identity)),
        None => Err(SignError::None(Arc::new(Error::Internal { what: "signing with an agent" }))),
    }
}
