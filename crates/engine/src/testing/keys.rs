//! Keys made for one run and forgotten with it.

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey};

use super::EmbeddedServerError;

pub(super) fn generate() -> Result<PrivateKey, EmbeddedServerError> {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).map_err(EmbeddedServerError::GenerateKey)
}

/// As `ssh-keygen -l` prints it: `SHA256:…`.
pub(super) fn fingerprint(key: &PrivateKey) -> String {
    key.public_key().fingerprint(HashAlg::Sha256).to_string()
}

/// A fresh Ed25519 key for a client.
pub struct ClientKey(PrivateKey);

impl ClientKey {
    pub fn generate() -> Result<Self, EmbeddedServerError> {
        generate().map(Self)
    }

    /// The line for `User::authorized_key`.
    pub fn public_line(&self) -> Result<String, EmbeddedServerError> {
        self.0.public_key().to_openssh().map_err(EmbeddedServerError::GenerateKey)
    }

    /// The text of the private key file, not encrypted.
    pub fn private_text(&self) -> Result<String, EmbeddedServerError> {
        let text = self.0.to_openssh(LineEnding::LF).map_err(EmbeddedServerError::GenerateKey)?;
        Ok(text.to_string())
    }

    /// 32 bytes of randomness as a word: a name or a password that nobody can guess.
    pub fn random_word() -> Result<String, EmbeddedServerError> {
        let print = fingerprint(&generate()?);
        Ok(print.chars().filter(char::is_ascii_alphanumeric).skip("SHA256".len()).collect())
    }
}
