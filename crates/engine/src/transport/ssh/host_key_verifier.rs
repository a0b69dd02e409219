use std::pin::Pin;
use std::sync::Arc;

use crate::error::Cause;

/// A host key that somebody else is to decide about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyQuestion {
    pub host: String,
    pub port: u16,
    /// As in known_hosts: `ssh-ed25519`.
    pub algorithm: String,
    /// `SHA256:` and the hash, as `ssh` prints it.
    pub fingerprint: String,
    /// The key itself, as known_hosts holds it.
    pub base64: String,
}

/// Trust it or not, or why no answer could be had.
pub type HostKeyAnswer = Pin<Box<dyn Future<Output = Result<bool, Cause>> + Send>>;

/// Decides about host keys in place of known_hosts. It has as long as connecting may take; its future is dropped then.
#[derive(Clone)]
pub struct HostKeyVerifier {
    id: u64,
    ask: Arc<dyn Fn(HostKeyQuestion) -> HostKeyAnswer + Send + Sync>,
}

impl HostKeyVerifier {
    /// `id` is its identity in pool keys: connections that one verifier let through are not lent to users of another.
    pub fn new(id: u64, ask: impl Fn(HostKeyQuestion) -> HostKeyAnswer + Send + Sync + 'static) -> Self {
        Self { id, ask: Arc::new(ask) }
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    pub async fn ask(&self, question: HostKeyQuestion) -> Result<bool, Cause> {
        (self.ask)(question).await
    }
}
