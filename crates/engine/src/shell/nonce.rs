use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A word that nobody can guess: 128 bits in hexadecimal. It is used once, and the command it frames never gets to see it.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// From the keyed hash that the standard library seeds from the operating system: what cannot see its key cannot tell
    /// what it says next.
    pub fn fresh() -> Self {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let turn = COUNTER.fetch_add(1, Ordering::Relaxed);
        let half = || RandomState::new().hash_one(turn);
        Self(format!("{:016x}{:016x}", half(), half()))
    }

    /// For tests: a word that is known.
    pub fn known(word: &str) -> Self {
        Self(word.to_owned())
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        let nonces: std::collections::HashSet<String> = (0..1000).map(|_| Nonce::fresh().to_string()).collect();
        assert_eq!(nonces.len(), 1000);
        assert!(nonces.iter().all(|nonce| nonce.len() == 32));
    }
}
