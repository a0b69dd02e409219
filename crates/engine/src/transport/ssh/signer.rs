//! Who signs a login: a private key of ours, or the agent.

use std::sync::Arc;

use russh::Signer;
use russh::keys::agent::AgentIdentity;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{HashAlg, PrivateKey, PublicKey};

use super::agent::AgentClient;
use crate::error::Cause;

/// Signs once, for one offer.
pub enum Hand<'a> {
    Own(Arc<PrivateKey>),
    /// The agent, and the identity by which it knows the key: with a certificate from a file, that is the plain key.
    Agent(&'a mut AgentClient, &'a AgentIdentity),
}

#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("the connection ended")]
    Ended(#[source] Cause),
    #[error("no signature")]
    None(#[source] Cause),
}

impl From<russh::SendError> for SignError {
    fn from(error: russh::SendError) -> Self {
        Self::Ended(Arc::new(error))
    }
}

impl Signer for Hand<'_> {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        _offered: &AgentIdentity,
        hash: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        match self {
            Self::Own(key) => sign(key, hash, to_sign).map_err(|error| SignError::None(Arc::new(error))),
            Self::Agent(client, identity) => {
                client.sign_request(identity, hash, to_sign).await.map_err(|error| SignError::None(Arc::new(error)))
            }
        }
    }
}

/// `data` with its signature behind it, which is what russh sends.
fn sign(key: &PrivateKey, hash: Option<HashAlg>, mut data: Vec<u8>) -> Result<Vec<u8>, russh::keys::ssh_key::Error> {
    let signature = match key.key_data() {
        KeypairData::Rsa(pair) => (pair, hash).try_sign(&data)?,
        _ => key.try_sign(&data)?,
    };
    signature.encode_prefixed(&mut data)?;
    Ok(data)
}

/// Hardware keys sign in their token only, which an agent can talk to and we cannot.
pub fn can_sign(key: &PrivateKey) -> bool {
    !matches!(key.key_data(), KeypairData::SkEcdsaSha2NistP256(_) | KeypairData::SkEd25519(_))
}

/// As `ssh-add -l` names a key: what tells it apart without giving anything away.
pub fn describe(key: &PublicKey, name: &str) -> String {
    let fingerprint = key.fingerprint(HashAlg::Sha256);
    // Comments come from files and agents: nothing in them may act on a terminal or break a line.
    let name: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    format!("{} {fingerprint} {name}", key.algorithm().as_str()).trim_end().to_owned()
}
