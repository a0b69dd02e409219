use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A server: what handshake and connection limits are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub host: Arc<str>,
    pub port: u16,
}

/// The identity of a pooled connection. Two callers share a connection only when their keys are equal.
///
/// The fingerprint is a SHA-256 over everything else that must not be mixed (credentials, host-key policy, jump chain),
/// made by the transport. It holds no secret and cannot be turned back into one.
#[derive(Debug, Clone)]
pub struct Key(Arc<KeyParts>);

#[derive(Debug, PartialEq, Eq)]
struct KeyParts {
    endpoint: Endpoint,
    username: Arc<str>,
    fingerprint: [u8; 32],
}

impl Key {
    pub fn new(host: &str, port: u16, username: &str, fingerprint: [u8; 32]) -> Self {
        Self(Arc::new(KeyParts {
            endpoint: Endpoint { host: host.into(), port },
            username: username.into(),
            fingerprint,
        }))
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    pub fn host(&self) -> &str {
        &self.0.endpoint.host
    }

    pub fn port(&self) -> u16 {
        self.0.endpoint.port
    }

    pub fn username(&self) -> &str {
        &self.0.username
    }

    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.0.fingerprint
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.fingerprint.hash(state);
        self.0.endpoint.port.hash(state);
        self.0.endpoint.host.hash(state);
    }
}

/// `user@host:port#fingerprint`, safe to print.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &self.0;
        write!(f, "{}@{}:{}#", parts.username, parts.endpoint.host, parts.endpoint.port)?;
        parts.fingerprint.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let base = Key::new("a", 22, "u", [1; 32]);
        assert_eq!(base, Key::new("a", 22, "u", [1; 32]));
        for other in [
            Key::new("b", 22, "u", [1; 32]),
            Key::new("a", 23, "u", [1; 32]),
            Key::new("a", 22, "v", [1; 32]),
            Key::new("a", 22, "u", [2; 32]),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn prints_a_short_fingerprint() {
        assert_eq!(Key::new("h", 22, "u", [0xab; 32]).to_string(), "u@h:22#abababababababab");
    }
}
