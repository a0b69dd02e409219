//! Why a server's host key was not trusted, in values and in words.

use std::fmt;
use std::path::PathBuf;

/// A line of a known_hosts file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(text, "{}, line {}", self.file.display(), self.line)
    }
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub place: Place,
    pub problem: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeyProblem {
    /// The line holds another key of this host.
    Changed(Place),
    /// Known under no name, and `strict` takes no strangers.
    Unknown,
    Revoked(Place),
    /// A revocation that cannot be read may be about this key.
    UnreadableRevocation(Unreadable),
    /// Signed by an authority we know, and still not good.
    Certificate(CertificateProblem),
    /// The caller's verifier said no.
    Rejected,
    /// The caller's verifier failed; the error's source says how.
    VerifierFailed,
}

impl HostKeyProblem {
    /// A stable word for programs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Changed(_) => "changed",
            Self::Unknown => "unknown",
            Self::Revoked(_) => "revoked",
            Self::UnreadableRevocation(_) => "unreadable-revocation",
            Self::Certificate(_) => "certificate",
            Self::Rejected => "rejected",
            Self::VerifierFailed => "verifier-failed",
        }
    }

    /// The line it is about.
    pub const fn place(&self) -> Option<&Place> {
        match self {
            Self::Changed(place) | Self::Revoked(place) => Some(place),
            Self::UnreadableRevocation(line) => Some(&line.place),
            _ => None,
        }
    }
}

/// What is wrong with a host certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    #[error("it is a user's certificate, not a host's")]
    NotForHosts,
    #[error("it is not valid yet: its time begins at {0} (seconds since 1970)")]
    NotYetValid(u64),
    #[error("it has expired: its time ended at {0} (seconds since 1970)")]
    Expired(u64),
    #[error("it is for {names}, not for {host}")]
    OtherHost { host: String, names: String },
    #[error("it has a critical option we do not know: {0}")]
    CriticalOption(String),
    #[error("it is signed with {0}, which is too weak")]
    WeakSignature(String),
    #[error("the authority's signature on it does not hold")]
    BadSignature,
}

/// A refused host key.
#[derive(Debug, Clone)]
pub struct HostKeyRefusal {
    pub problem: HostKeyProblem,
    /// As known_hosts names it.
    pub host: String,
    pub algorithm: String,
    /// SHA-256, as `ssh` prints it.
    pub fingerprint: String,
    /// Where we looked; empty when a verifier decided.
    pub files: Vec<PathBuf>,
    /// Lines that were skipped: one of them may be the one that is missed.
    pub unreadable: Vec<Unreadable>,
}

impl fmt::Display for HostKeyRefusal {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason(text)?;
        match self.unreadable.as_slice() {
            [] => Ok(()),
            [Unreadable { place, problem }] => write!(text, ". Not readable: {place} ({problem})"),
            [Unreadable { place, problem }, others @ ..] => {
                write!(text, ". Not readable: {place} ({problem}) and {} more", others.len())
            }
        }
    }
}

impl HostKeyRefusal {
    fn reason(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, algorithm, fingerprint, .. } = self;
        match &self.problem {
            HostKeyProblem::Changed(place) => write!(
                text,
                "HOST KEY VERIFICATION FAILED for {host}: it presents {algorithm} {fingerprint}, which is not the key in \
                 {place}. Someone may be intercepting the connection. If the server's key was really replaced, \
                 remove the old entry: ssh-keygen -R '{host}' -f '{}'",
                place.file.display()
            ),
            HostKeyProblem::Unknown => write!(
                text,
                "Host key of {host} is not known: {algorithm} {fingerprint} is not in {} and hostKeyChecking is \
                 'strict'. Check the fingerprint and add the key, or use 'accept-new'",
                self.file_list()
            ),
            HostKeyProblem::Revoked(place) => write!(
                text,
                "Host key of {host} is REVOKED: {algorithm} {fingerprint}, or the authority that signed it, is marked \
                 @revoked in {place}. Do not connect"
            ),
            HostKeyProblem::UnreadableRevocation(Unreadable { place, problem }) => write!(
                text,
                "Host key of {host} cannot be trusted: {place} revokes a key and cannot be read ({problem}), so it may be \
                 {algorithm} {fingerprint}. Repair the line"
            ),
            HostKeyProblem::Certificate(problem) => write!(
                text,
                "Host certificate of {host} ({algorithm} {fingerprint}) is not accepted, though an authority of \
                 known_hosts signed it: {problem}"
            ),
            HostKeyProblem::Rejected => {
                write!(text, "Host key of {host} was refused by hostKeyVerifier: {algorithm} {fingerprint}")
            }
            HostKeyProblem::VerifierFailed => {
                write!(
                    text,
                    "Host key of {host} is not trusted, because hostKeyVerifier failed: {algorithm} {fingerprint}"
                )
            }
        }
    }

    fn file_list(&self) -> String {
        self.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}
