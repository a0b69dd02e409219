//! OpenSSH user certificates: a key with an authority's word for whose it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, PublicKey};

use super::identity::read;
use super::paths::expand_home;
use super::target::{KeySource, SshTarget};
use crate::error::Error;

/// More certificates inside each other than any authority makes; ssh-key follows them without end.
const MAX_NESTING: usize = 2;

/// The certificates that the target names, and those beside its key files.
pub fn load(target: &SshTarget, key_files: &[PathBuf]) -> Result<Vec<Certificate>, Error> {
    let mut certificates = Vec::new();
    match &target.certificate {
        None => {}
        Some(KeySource::Text(text)) => certificates.push(parse(text)?),
        Some(KeySource::File(path)) => certificates.push(from_file(&expand_home(path))?),
    }
    let named = target.certificate_files.iter().map(|path| expand_home(path));
    for path in named.chain(key_files.iter().map(|path| beside(path))) {
        match from_file(&path) {
            Ok(certificate) => certificates.push(certificate),
            // Files that only may be there are passed over, as ssh does.
            Err(error) => tracing::debug!(file = %path.display(), %error, "no certificate"),
        }
    }
    Ok(certificates)
}

/// `id_ed25519` → `id_ed25519-cert.pub`
fn beside(key_file: &Path) -> PathBuf {
    let mut name = key_file.as_os_str().to_owned();
    name.push("-cert.pub");
    PathBuf::from(name)
}

fn from_file(path: &Path) -> Result<Certificate, Error> {
    let text = read(path).map_err(|error| Error::Certificate {
        problem: format!("{} cannot be read", path.display()),
        source: Some(Arc::new(error)),
    })?;
    parse(&text)
}

fn parse(text: &str) -> Result<Certificate, Error> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if nesting(line) > MAX_NESTING {
        return Err(unusable("it holds certificates inside of certificates"));
    }
    let certificate = Certificate::from_openssh(line).map_err(|error| Error::Certificate {
        problem: "it is not the text of an OpenSSH certificate (a -cert.pub file)".to_owned(),
        source: Some(Arc::new(error)),
    })?;
    match certificate.cert_type() {
        CertType::User => Ok(certificate),
        CertType::Host => Err(unusable("it is a host's certificate, not a user's")),
    }
}

/// How many certificates the text holds at most.
fn nesting(line: &str) -> usize {
    use base64::Engine as _;
    let body = line.split_whitespace().nth(1).unwrap_or_default();
    let bytes = base64::engine::general_purpose::STANDARD.decode(body).unwrap_or_default();
    let marker = b"-cert-v01@";
    bytes.windows(marker.len()).filter(|window| window == marker).count()
}

fn unusable(problem: &str) -> Error {
    Error::Certificate { problem: problem.to_owned(), source: None }
}

/// The key that a certificate is about.
pub fn key_of(certificate: &Certificate) -> PublicKey {
    PublicKey::new(certificate.public_key().clone(), "")
}

/// What the authority calls it, and whether its time is over or has not come: the server only says no.
pub fn describe(certificate: &Certificate) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let time = match (certificate.valid_after() > now, certificate.valid_before() < now) {
        (true, _) => ", not valid yet",
        (_, true) => ", expired",
        _ => "",
    };
    format!("certificate '{}'{time}", certificate.key_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_lie_beside_their_keys() {
        assert_eq!(beside(Path::new("/a/id_rsa")), Path::new("/a/id_rsa-cert.pub"));
    }

    #[test]
    fn nonsense_is_refused_and_not_repeated() {
        for text in ["", "s3cr3t", "ssh-ed25519 AAAA", "ssh-ed25519-cert-v01@openssh.com !!", "\n\n"] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.code(), "ECERTIFICATE");
            assert!(!error.to_string().contains("s3cr3t"));
        }
    }
}
