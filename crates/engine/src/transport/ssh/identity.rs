//! The keys a target names, read from where they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::ssh_key;
use russh::keys::{self, Certificate, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::agent::{self, OpenAgent};
use super::certificate;
use super::legacy_pem;
use super::named_file::contents;
use super::paths::{expand_home, home};
use super::signer::can_sign;
use super::target::{Agent, KeySource, Secret, SshTarget};
use crate::error::{Cause, Error};

/// The files `ssh` tries when nothing is given; the best key first.
const DEFAULT_FILES: [&str; 5] = ["id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk"];

/// A key that may be offered.
pub struct Identity {
    pub public: PublicKey,
    /// `None`: only an agent can sign with it.
    pub private: Option<Arc<PrivateKey>>,
    /// Its comment, or where it comes from.
    pub name: String,
}

/// What there is to log in with, apart from the target's own password and prompter.
pub struct Credentials {
    pub identities: Vec<Identity>,
    pub certificates: Vec<Certificate>,
    pub agent: Option<OpenAgent>,
    /// Why an agent that was asked for is of no use.
    pub agent_problem: Option<Error>,
}

/// Reads key files and opens the agent, before the server is troubled.
pub async fn load(target: &Arc<SshTarget>) -> Result<Credentials, Error> {
    let (identities, certificates) = files(target).await?;
    let (agent, agent_problem) = match agent::open(target).await {
        Ok(agent) => (agent, None),
        Err(error) => (None, Some(error)),
    };
    let nothing_else = identities.iter().all(|identity| identity.private.is_none())
        && target.password.is_none()
        && target.keyboard_interactive.is_none();
    match agent_problem {
        Some(error) if nothing_else => Err(error),
        agent_problem => Ok(Credentials { identities, certificates, agent, agent_problem }),
    }
}

type Files = (Vec<Identity>, Vec<Certificate>);

async fn files(target: &Arc<SshTarget>) -> Result<Files, Error> {
    if !target.needs_files() {
        return Ok(Files::default());
    }
    let target = Arc::clone(target);
    tokio::task::spawn_blocking(move || read_files(&target))
        .await
        .unwrap_or(Err(Error::Internal { what: "loading a private key" }))
}

fn read_files(target: &SshTarget) -> Result<Files, Error> {
    let mut identities: Vec<Identity> = given(target)?.into_iter().collect();
    let optional = optional_files(target);
    let passphrase = target.passphrase.as_ref().map(|secret| secret.as_str());
    identities.extend(optional.iter().filter_map(|path| from_file(path, passphrase).or_else(|| public_half(path))));
    let named = match &target.private_key {
        Some(KeySource::File(path)) => vec![expand_home(path)],
        _ => Vec::new(),
    };
    let key_files: Vec<PathBuf> = named.into_iter().chain(optional).collect();
    Ok((identities, certificate::load(target, &key_files)?))
}

/// The key the target gives. It must be usable; where an agent was asked for, it may also be the agent that can use it.
fn given(target: &SshTarget) -> Result<Option<Identity>, Error> {
    let passphrase = target.passphrase.as_ref().map(|secret| secret.as_str());
    let (text, path) = match &target.private_key {
        None => return Ok(None),
        Some(KeySource::Text(text)) => (text.clone(), None),
        Some(KeySource::File(path)) => {
            let path = expand_home(path);
            (read(&path).map_err(|error| unreadable(&path, error))?, Some(path))
        }
    };
    let place = path.as_ref().map_or_else(|| "the given key".to_owned(), |path| path.display().to_string());
    match (decode(&text, passphrase), path) {
        (Ok(key), _) => Ok(Some(Identity::of(key, &place))),
        (Err(error), path) if target.agent.is_asked_for() => {
            let public = public_part(&text).or_else(|| public_half(&path?).map(|identity| identity.public));
            public.map(|public| Some(Identity::for_agent(public, &place))).ok_or(error)
        }
        (Err(error), _) => Err(error),
    }
}

/// Files that may be there: the named ones, or, without any credentials, ssh's own.
fn optional_files(target: &SshTarget) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = target.identity_files.iter().map(|path| expand_home(path)).collect();
    let folder = home().map(|home| home.join(".ssh")).filter(|_| target.wants_default_files());
    files.extend(folder.iter().flat_map(|folder| DEFAULT_FILES.map(|name| folder.join(name))));
    files
}

/// Missing, unreadable and encrypted files are passed over, as `ssh` does without a terminal.
fn from_file(path: &Path, passphrase: Option<&str>) -> Option<Identity> {
    let text = read(path).ok()?;
    let place = path.display().to_string();
    match decode(&text, passphrase) {
        Ok(key) => Some(Identity::of(key, &place)),
        Err(error) => {
            tracing::debug!(file = place, %error, "key passed over");
            public_part(&text).map(|public| Identity::for_agent(public, &place))
        }
    }
}

/// Of a key that we cannot read, the `.pub` file beside it says which one it is.
fn public_half(path: &Path) -> Option<Identity> {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    let text = read(Path::new(&name)).ok()?;
    Some(Identity::for_agent(PublicKey::from_openssh(text.trim()).ok()?, &path.display().to_string()))
}

/// OpenSSH's format shows the public key even where the private one is encrypted.
fn public_part(text: &str) -> Option<PublicKey> {
    let text = text.trim();
    let of_private = PrivateKey::from_openssh(text).map(|key| key.public_key().clone());
    of_private.or_else(|_| PublicKey::from_openssh(text)).ok()
}

impl Identity {
    fn of(key: PrivateKey, place: &str) -> Self {
        let public = key.public_key().clone();
        let private = can_sign(&key).then(|| Arc::new(key));
        Self { private, ..Self::for_agent(public, place) }
    }

    fn for_agent(public: PublicKey, place: &str) -> Self {
        let comment = public.comment().as_str_lossy();
        let name = if comment.is_empty() { place } else { comment }.to_owned();
        Self { public, private: None, name }
    }
}

impl SshTarget {
    /// Nothing to log in with was given: ssh's defaults apply.
    pub(super) fn gives_nothing(&self) -> bool {
        self.private_key.is_none() && self.password.is_none() && self.keyboard_interactive.is_none()
    }

    /// Without credentials; and where a certificate's key or the agent's keys to choose from are not named.
    fn wants_default_files(&self) -> bool {
        let unnamed = self.private_key.is_none() && self.identity_files.is_empty();
        let choosing = self.identities_only && self.agent != Agent::Off;
        unnamed && (choosing || self.certificate.is_some() || (self.gives_nothing() && !self.agent.is_asked_for()))
    }

    fn needs_files(&self) -> bool {
        self.private_key.is_some()
            || self.certificate.is_some()
            || !self.identity_files.is_empty()
            || !self.certificate_files.is_empty()
            || self.wants_default_files()
    }
}

pub(super) fn read(path: &Path) -> std::io::Result<Secret> {
    let bytes = contents(path)?;
    Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::KeyFile { path: path.display().to_string(), source: Arc::new(error) }
}

/// Any PEM format: OpenSSH, PKCS#8, PKCS#1, SEC1; encrypted or not.
pub fn decode(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, Error> {
    // Line ends and indentation as editors and environment variables leave them.
    // Never more than that, so no copy is left behind by growing.
    let mut plain = Zeroizing::new(String::with_capacity(text.len() + 1));
    for line in text.lines() {
        plain.push_str(line.trim());
        plain.push('\n');
    }
    let text = plain;
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

#[cfg(test)]
mod tests {
    use russh::keys::Algorithm;
    use russh::keys::key::safe_rng;
    use russh::keys::ssh_key::LineEnding;

    use super::*;

    /// A folder of key files that is gone with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("xec-identity-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn key(&self, name: &str, passphrase: Option<&str>) -> PathBuf {
            let mut key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
            key.set_comment(name);
            let key = passphrase.map_or(key.clone(), |passphrase| key.encrypt(&mut safe_rng(), passphrase).unwrap());
            let path = self.0.join(name);
            std::fs::write(&path, key.to_openssh(LineEnding::LF).unwrap()).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            // A folder left in /tmp harms nobody.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn target() -> SshTarget {
        SshTarget::new("h", 22, "u")
    }

    #[test]
    fn identity_files_that_cannot_be_used_are_passed_over_but_name_an_agents_key() {
        let folder = Folder::new("files");
        let files = vec![folder.0.join("missing"), folder.key("locked", Some("x")), folder.key("open", None)];
        std::fs::write(folder.0.join("nonsense"), "no key").unwrap();
        let files = [files, vec![folder.0.join("nonsense")]].concat();
        let (identities, certificates) =
            read_files(&SshTarget { identity_files: files.clone(), certificate_files: files.clone(), ..target() })
                .unwrap();
        let usable = |identity: &Identity| identity.private.is_some();
        assert_eq!(identities.iter().map(usable).collect::<Vec<_>>(), [false, true]);
        assert_eq!(identities[1].name, "open");
        assert!(certificates.is_empty());
        let passphrase = Some(Secret::new("x".into()));
        let (identities, _) = read_files(&SshTarget { identity_files: files, passphrase, ..target() }).unwrap();
        assert!(identities.iter().all(usable));
    }

    #[test]
    fn a_key_that_was_given_must_be_usable_unless_an_agent_was_asked_for() {
        let folder = Folder::new("given");
        let private_key = || Some(KeySource::File(folder.0.join("locked")));
        folder.key("locked", Some("x"));
        let alone = SshTarget { private_key: private_key(), ..target() };
        assert!(matches!(read_files(&alone), Err(Error::PassphraseMissing)));
        let agent = Agent::Socket("/a".into());
        let (identities, _) = read_files(&SshTarget { private_key: private_key(), agent, ..target() }).unwrap();
        assert!(identities.iter().all(|identity| identity.private.is_none()) && identities.len() == 1);
    }

    #[test]
    fn default_files_are_for_targets_that_give_nothing() {
        assert!(target().wants_default_files());
        assert!(!SshTarget { password: Some(Secret::new("x".into())), ..target() }.wants_default_files());
        assert!(!SshTarget { agent: Agent::Environment, ..target() }.wants_default_files());
        assert!(SshTarget { agent: Agent::Environment, identities_only: true, ..target() }.wants_default_files());
        assert!(!SshTarget { identity_files: vec!["a".into()], ..target() }.wants_default_files());
    }
}
