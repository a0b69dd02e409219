use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::endpoint::Endpoint;
use crate::pool::Key;

/// Which daemon, and how long it may take to answer.
#[derive(Debug, Clone)]
pub struct DockerTarget {
    pub endpoint: Arc<Endpoint>,
    /// For a line, and for the head of each answer.
    pub timeout: Duration,
}

impl DockerTarget {
    /// A daemon, and the certificates for it.
    pub fn key(&self) -> Key {
        let (host, port) = self.endpoint.host_and_port();
        let mut hash = Sha256::new();
        hash.update(self.endpoint.to_string());
        hash.update([0]);
        if let Some(tls) = self.endpoint.tls() {
            hash.update(tls.fingerprint());
        }
        if let Endpoint::Bridge { fingerprint, .. } = &*self.endpoint {
            hash.update(fingerprint);
        }
        Key::new(&host, port, "docker", hash.finalize().into())
    }
}
