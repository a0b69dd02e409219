use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use russh::keys::{Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};
use tokio::time::{Instant, timeout_at};

use super::host_key_verifier::{HostKeyQuestion, HostKeyVerifier};
use super::known_hosts::{self, CertificateVerdict, HostNames, KnownHosts, Offer, Verdict};
use super::target::{HostKeyChecking, SshTarget};
use crate::error::{Cause, Error, Phase, Reached};
use crate::host_key::{HostKeyProblem, HostKeyRefusal};

/// Decides whether a server's key is to be trusted.
#[derive(Clone)]
pub struct HostKeyJudge {
    host: String,
    port: u16,
    names: HostNames,
    source: Source,
    /// How long connecting may take, and when that is over.
    limit: Duration,
    deadline: Instant,
}

/// Before the deadline, so that a verifier that does not answer is named, and not the server blamed. At most a fifth of all
/// the time there is.
const MARGIN: Duration = Duration::from_millis(100);

/// Where trust comes from.
#[derive(Clone)]
enum Source {
    /// Nowhere: every key is taken.
    Nobody,
    Verifier(HostKeyVerifier),
    Files(Arc<Files>),
}

struct Files {
    paths: Vec<PathBuf>,
    known: KnownHosts,
    accept_new: bool,
}

impl HostKeyJudge {
    /// Reads what there is to read, anew for every connection: a key may have been revoked meanwhile.
    pub async fn load(target: &SshTarget, deadline: Instant) -> Result<Self, Error> {
        let source = match (&target.host_key_verifier, target.host_key_checking) {
            (Some(verifier), _) => Source::Verifier(verifier.clone()),
            (None, HostKeyChecking::Off) => Source::Nobody,
            (None, checking) => {
                Source::Files(load(target.known_hosts_files(), checking == HostKeyChecking::AcceptNew).await?)
            }
        };
        let names = HostNames::new(&target.host, target.port, target.host_key_alias.as_deref());
        Ok(Self {
            host: target.host.clone(),
            port: target.port,
            names,
            source,
            limit: target.connect_timeout,
            deadline,
        })
    }

    /// What to ask the server to prove itself with.
    pub fn offer(&self) -> Offer {
        match &self.source {
            Source::Files(files) => files.known.offer(&self.names),
            Source::Nobody | Source::Verifier(_) => Offer::default(),
        }
    }

    /// The server has proven that it holds this key. Answers with the key when it is trusted because it is on file under
    /// the host's exact name.
    pub async fn judge(&self, presented: &PublicKeyOrCertificate) -> Result<Option<PublicKey>, Error> {
        let key = presented.public_key();
        match &self.source {
            Source::Nobody => Ok(None),
            Source::Verifier(verifier) => self.ask(verifier, &key).await.map(|()| None),
            Source::Files(files) => {
                let (judge, files, certificate) = (self.clone(), Arc::clone(files), presented.certificate().cloned());
                // Recording a new key writes a file.
                tokio::task::spawn_blocking(move || judge.look_up(&files, key, certificate.as_ref()))
                    .await
                    .unwrap_or(Err(Error::Internal { what: "checking a host key" }))
            }
        }
    }

    /// Adds keys to the file that the server has proven to hold, as long as it is trusted by `trusted`.
    pub async fn record_proven(&self, trusted: PublicKey, proven: Vec<PublicKey>) {
        let Some((names, files)) = self.learning() else { return };
        let (names, files) = (names.clone(), Arc::clone(files));
        let recording = move || known_hosts::record_proven(&files.paths, &names, &trusted, &proven);
        match tokio::task::spawn_blocking(recording).await {
            Ok(Ok(added)) => tracing::debug!(host = self.names.exact(), added, "host keys of a known host recorded"),
            Ok(Err(error)) => tracing::warn!(host = self.names.exact(), %error, "proven host keys not recorded"),
            Err(panicked) => {
                tracing::warn!(host = self.names.exact(), error = %panicked, "proven host keys not recorded")
            }
        }
    }

    /// Is the key worth a proof? Not when it is on file already, nor when it is revoked.
    pub fn is_news(&self, key: &PublicKey) -> bool {
        self.learning().is_some_and(|(names, files)| {
            !files.known.holds(names, key.key_data())
                && !matches!(files.known.verdict(names, key), Verdict::Revoked(_) | Verdict::Unclear(_))
        })
    }

    /// `strict` promises that nothing is written.
    fn learning(&self) -> Option<(&HostNames, &Arc<Files>)> {
        match &self.source {
            Source::Files(files) if files.accept_new => Some((&self.names, files)),
            _ => None,
        }
    }

    async fn ask(&self, verifier: &HostKeyVerifier, key: &PublicKey) -> Result<(), Error> {
        let encoded = key.to_openssh().map_err(|_| Error::Internal { what: "writing down a host key" })?;
        let question = HostKeyQuestion {
            host: self.host.clone(),
            port: self.port,
            algorithm: key.algorithm().to_string(),
            fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
            base64: encoded.split(' ').nth(1).unwrap_or_default().to_owned(),
        };
        let margin = MARGIN.min(self.limit / 5);
        let answered = timeout_at(self.deadline.checked_sub(margin).unwrap_or(self.deadline), verifier.ask(question));
        match answered.await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(self.refusal(HostKeyProblem::Rejected, key, None, None)),
            Ok(Err(cause)) => Err(self.refusal(HostKeyProblem::VerifierFailed, key, None, Some(cause))),
            Err(_) => Err(Error::Timeout {
                phase: Phase::Handshake,
                limit: self.limit,
                reached: Reached::No,
                source: Some(Arc::new(NotAnswered)),
            }),
        }
    }

    fn look_up(
        &self,
        files: &Files,
        key: PublicKey,
        certificate: Option<&Certificate>,
    ) -> Result<Option<PublicKey>, Error> {
        let refuse = |problem| Err(self.refusal(problem, &key, Some(files), None));
        let mut verdict = files.known.verdict(&self.names, &key);
        let mut on_file = files.known.holds(&self.names, key.key_data());
        match certificate.map(|certificate| files.known.certificate_verdict(&self.names, certificate, now())) {
            Some(CertificateVerdict::Trusted) => return Ok(None),
            Some(CertificateVerdict::Refused(reason)) => verdict = reason,
            // As `ssh` does: a key that is on file by itself needs no certificate. A new one is not taken on the word of a
            // certificate that is worth nothing.
            Some(CertificateVerdict::Bad(problem)) if verdict != Verdict::Known => {
                return refuse(HostKeyProblem::Certificate(problem));
            }
            _ => {}
        }
        if verdict == Verdict::Unknown && files.accept_new {
            verdict = self.accept(files, &key);
            on_file = true;
        }
        match verdict {
            Verdict::Known => Ok(on_file.then_some(key)),
            Verdict::Unknown => refuse(HostKeyProblem::Unknown),
            Verdict::Changed(place) => refuse(HostKeyProblem::Changed(place)),
            Verdict::Revoked(place) => refuse(HostKeyProblem::Revoked(place)),
            Verdict::Unclear(line) => refuse(HostKeyProblem::UnreadableRevocation(line)),
        }
    }

    /// Trusts a new host and records it. A file that cannot be written is no reason to refuse (`ssh` does not either),
    /// but the log says so, because the next first contact will be as blind as this one.
    fn accept(&self, files: &Files, key: &PublicKey) -> Verdict {
        known_hosts::record(&files.paths, &self.names, key).unwrap_or_else(|error| {
            tracing::warn!(host = self.names.exact(), %error, "new host key accepted but not recorded");
            Verdict::Known
        })
    }

    fn refusal(&self, problem: HostKeyProblem, key: &PublicKey, files: Option<&Files>, source: Option<Cause>) -> Error {
        let refusal = HostKeyRefusal {
            problem,
            host: self.names.exact().to_owned(),
            algorithm: key.algorithm().to_string(),
            fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
            files: files.map(|files| files.paths.clone()).unwrap_or_default(),
            unreadable: files.map(|files| files.known.unreadable().to_vec()).unwrap_or_default(),
        };
        Error::HostKey { refusal: Arc::new(refusal), source }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("hostKeyVerifier has not answered")]
struct NotAnswered;

async fn load(paths: Vec<PathBuf>, accept_new: bool) -> Result<Arc<Files>, Error> {
    let reading = move || KnownHosts::load(&paths).map(|known| Arc::new(Files { paths, known, accept_new }));
    tokio::task::spawn_blocking(reading)
        .await
        .unwrap_or_else(|panicked| Err((PathBuf::new(), std::io::Error::other(panicked))))
        .map_err(|(path, error)| Error::KnownHosts { path: path.display().to_string(), source: Arc::new(error) })
}

/// Seconds since 1970; before that, no certificate is valid.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
