//! Loading private keys, off the runtime's threads: files block, and an encrypted key costs its key derivation.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::ssh_key;
use russh::keys::{self, PrivateKey};
use zeroize::Zeroizing;

use super::legacy_pem;
use super::paths::{expand_home, home};
use super::target::{KeySource, Secret, SshTarget};
use crate::error::{Cause, Error};

/// The files `ssh` tries when nothing is given, in its order.
const DEFAULT_FILES: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];

/// The keys to offer: the given one, or, without any credentials, those of ssh's default files that need no passphrase.
pub async fn load(target: &Arc<SshTarget>) -> Result<Vec<Arc<PrivateKey>>, Error> {
    if target.private_key.is_none() && target.identity_files.is_empty() && target.password.is_some() {
        return Ok(Vec::new());
    }
    let target = Arc::clone(target);
    tokio::task::spawn_blocking(move || load_blocking(&target))
        .await
        .unwrap_or(Err(Error::Internal { what: "loading a private key" }))
}

fn load_blocking(target: &SshTarget) -> Result<Vec<Arc<PrivateKey>>, Error> {
    let passphrase = target.passphrase.as_ref().map(|secret| secret.as_str());
    match &target.private_key {
        None if !target.identity_files.is_empty() => Ok(usable(target.identity_files.iter(), passphrase)),
        None => Ok(default_keys()),
        Some(KeySource::Text(text)) => Ok(vec![Arc::new(decode(text, passphrase)?)]),
        Some(KeySource::File(path)) => {
            let path = expand_home(path);
            let text = read(&path).map_err(|error| unreadable(&path, error))?;
            Ok(vec![Arc::new(decode(&text, passphrase)?)])
        }
    }
}

/// Missing, unreadable and encrypted default files are passed over, as `ssh` does without a terminal.
fn default_keys() -> Vec<Arc<PrivateKey>> {
    let Some(folder) = home().map(|home| home.join(".ssh")) else { return Vec::new() };
    let files: Vec<PathBuf> = DEFAULT_FILES.iter().rev().map(|name| folder.join(name)).collect();
    usable(files.iter(), None)
}

fn usable<'a>(files: impl Iterator<Item = &'a PathBuf>, passphrase: Option<&str>) -> Vec<Arc<PrivateKey>> {
    files
        .filter_map(|file| read(&expand_home(file)).ok())
        .filter_map(|text| decode(&text, passphrase).ok())
        .map(Arc::new)
        .collect()
}

fn read(path: &Path) -> std::io::Result<Secret> {
    let bytes = Zeroizing::new(std::fs::read(path)?);
    Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::KeyFile { path: path.display().to_string(), source: Arc::new(error) }
}

/// Any PEM format: OpenSSH, PKCS#8, PKCS#1, SEC1; encrypted or not.
pub fn decode(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, Error> {
    // Line ends and indentation as editors and environment variables leave them.
    let text: Zeroizing<String> = Zeroizing::new(text.lines().map(|line| format!("{}\n", line.trim())).collect());
    if text.contains("BEGIN OPENSSH PRIVATE KEY") {
        return decode_openssh(&text, passphrase);
    }
    let encrypted = text.contains("ENCRYPTED");
    if encrypted && passphrase.is_none() {
        return Err(Error::PassphraseMissing);
    }
    if let Some(passphrase) = passphrase
        && let Some(decrypted) = legacy_pem::decrypt(&text, passphrase)
    {
        let plain = decrypted.map_err(|source| Error::PassphraseWrong { source: Arc::new(source) })?;
        return keys::decode_secret_key(&plain, None)
            .map_err(|error| Error::PassphraseWrong { source: Arc::new(error) });
    }
    keys::decode_secret_key(&text, passphrase).map_err(|error| {
        let source: Cause = Arc::new(error);
        if encrypted { Error::PassphraseWrong { source } } else { Error::KeyFormat { source } }
    })
}

fn decode_openssh(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, Error> {
    let key = PrivateKey::from_openssh(text.trim())
        .map_err(|error: ssh_key::Error| Error::KeyFormat { source: Arc::new(error) })?;
    if !key.is_encrypted() {
        return Ok(key);
    }
    let passphrase = passphrase.ok_or(Error::PassphraseMissing)?;
    key.decrypt(passphrase).map_err(|error| Error::PassphraseWrong { source: Arc::new(error) })
}
