//! The one error type of the engine.
//!
//! Every variant has a stable [`code`](Error::code), the [`Phase`] it failed in, a [`Kind`] that says what a caller can
//! do about it, and whether the command may have [`Reached`] the server. Causes stay reachable through `source()`.
//! Errors are `Clone` because one failed dial answers everybody who waited for it.

mod causes;
mod code;
mod dial_failure;
mod kind;
mod local;
mod phase;
mod reached;
mod stream;

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use crate::host_key::HostKeyRefusal;
use crate::transport::docker::Refusal;
use crate::transport::kube::KubeRefusal;
use crate::transport::ssh::forward::ForwardError;

pub use causes::causes;
pub use dial_failure::DialFailure;
pub use kind::Kind;
use local::local_problem;
pub use phase::Phase;
use phase::phase_noun;
pub use reached::Reached;
use reached::lost_text;
pub use stream::Stream;

/// A shared underlying error.
pub type Cause = Arc<dyn StdError + Send + Sync>;

/// Everything that can go wrong in the engine.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("Invalid option '{option}': {problem}")]
    InvalidOption { option: &'static str, problem: String },

    #[error("Cannot read the private key file {path}: check privateKey")]
    KeyFile {
        path: String,
        #[source]
        source: Cause,
    },

    #[error("The private key could not be parsed: give an OpenSSH, PKCS#8, PKCS#1 or SEC1 private key")]
    KeyFormat {
        #[source]
        source: Cause,
    },

    #[error("The private key is encrypted: give its passphrase")]
    PassphraseMissing,

    #[error("The private key could not be decrypted: the passphrase is wrong or the key is damaged")]
    PassphraseWrong {
        #[source]
        source: Cause,
    },

    /// `place`: a file, or a file and a line.
    #[error("Cannot use the ssh configuration {place}: {problem}")]
    SshConfig {
        place: String,
        problem: String,
        #[source]
        source: Option<Cause>,
    },

    /// `proxy`: where it listens, or that it is a command; never its password, nor the command itself.
    #[error("{proxy} does not connect us to {address}: {problem}")]
    Proxy {
        proxy: String,
        address: String,
        problem: String,
        kind: Kind,
        #[source]
        source: Option<Cause>,
    },

    /// Whatever went wrong, it was with the hop: we did not get as far as the target.
    #[error("Jump host {hop}: {source}")]
    JumpHost {
        hop: String,
        #[source]
        source: Arc<Error>,
    },

    #[error("Jump host {hop} does not connect us to {address}: {problem}")]
    JumpRefused { hop: String, address: String, problem: String, prohibited: bool },

    #[error("Cannot use the certificate: {problem}")]
    Certificate {
        problem: String,
        #[source]
        source: Option<Cause>,
    },

    #[error("Cannot use the ssh-agent at {place}")]
    Agent {
        place: String,
        #[source]
        source: Cause,
    },

    /// `answers` and `prompts`: how many.
    #[error("keyboardInteractive gave {answers} answers to {prompts} prompts")]
    WrongAnswers { answers: usize, prompts: usize },

    #[error("keyboardInteractive failed")]
    Prompter {
        #[source]
        source: Cause,
    },

    #[error("Cannot resolve host {host}: check the name and the network")]
    Resolve {
        host: String,
        #[source]
        source: Cause,
    },

    #[error("Cannot connect to {address}: {problem}")]
    Dial {
        address: String,
        problem: &'static str,
        code: &'static str,
        kind: Kind,
        #[source]
        source: Cause,
    },

    /// `dropped`: the server hung up before it said anything, as sshd does beyond MaxStartups.
    #[error("SSH handshake with {address} failed")]
    Handshake {
        address: String,
        dropped: bool,
        #[source]
        source: Cause,
    },

    #[error("No algorithm in common with {address} for {what}: the server offers {theirs}")]
    NoCommonAlgorithm { address: String, what: String, theirs: String },

    #[error("{refusal}")]
    HostKey {
        refusal: Arc<HostKeyRefusal>,
        #[source]
        source: Option<Cause>,
    },

    #[error("Cannot read known_hosts file {path}")]
    KnownHosts {
        path: String,
        #[source]
        source: Cause,
    },

    #[error(
        "All configured authentication methods failed for {username}: tried {tried}; the server accepts {accepted}"
    )]
    Authentication {
        username: String,
        tried: String,
        accepted: String,
        #[source]
        source: Option<Cause>,
    },

    #[error("No way to authenticate as {username}: give privateKey, agent, password or keyboardInteractive{why}")]
    NoCredentials {
        username: String,
        why: String,
        #[source]
        source: Option<Cause>,
    },

    #[error("{} timed out after {} ms", phase_noun(*.phase), .limit.as_millis())]
    Timeout {
        phase: Phase,
        limit: Duration,
        reached: Reached,
        #[source]
        source: Option<Cause>,
    },

    #[error("The connection was lost{}", lost_text(*.phase, *.reached))]
    ConnectionLost {
        phase: Phase,
        reached: Reached,
        #[source]
        source: Option<Cause>,
    },

    #[error("The server refuses to open a channel: {reason}")]
    ChannelRefused { reason: String },

    #[error("The server refused to run the command: it may allow no commands for this user")]
    ExecRefused,

    #[error("The server refused a terminal: it may allow none for this user; run the command without pty")]
    PtyRefused,

    #[error("The remote login shell can carry no session: it must be sh, dash, bash, zsh or ash, and answer")]
    ShellUnsupported,

    /// sudo did not run the command.
    #[error("sudo failed: {problem}")]
    Sudo { problem: String },

    #[error("The shell ended before the command did: how the command ended is unknown")]
    ShellEnded,

    #[error("The session is closed: {why}")]
    SessionClosed { why: Arc<str> },

    #[error("stdin cannot be brought to the session's command: {why}")]
    NoStdin { why: &'static str, phase: Phase, reached: Reached },

    #[error("The server closed the channel without an exit status: how the command ended is unknown")]
    NoExitStatus,

    #[error("Connection pool exhausted for {host}:{port} (max: {max})")]
    PoolExhausted { host: String, port: u16, max: usize },

    #[error("Connection pool queue for {host}:{port} is full (maxQueue: {max})")]
    QueueFull { host: String, port: u16, max: usize },

    #[error("The connection pool is closed")]
    PoolClosed { phase: Phase, reached: Reached },

    #[error("The operation was aborted")]
    Aborted { phase: Phase, reached: Reached },

    #[error("{} exceeded maxBuffer ({limit} bytes)", .stream.as_str())]
    MaxBuffer { stream: Stream, limit: usize },

    #[error(
        "Not connecting to {host}:{port} for another {} ms: {} attempts failed in a row", .retry_in.as_millis(), .failures
    )]
    BreakerOpen {
        host: String,
        port: u16,
        retry_in: Duration,
        failures: u32,
        #[source]
        source: Option<Arc<Error>>,
    },

    #[error("The health check command did not exit with 0")]
    HealthCheckFailed,

    #[error(transparent)]
    Forward(ForwardError),

    /// A Docker daemon said no.
    #[error(transparent)]
    Docker(Refusal),

    /// An API server, or what is behind it, said no.
    #[error(transparent)]
    Kube(KubeRefusal),

    #[error("Cannot use the kubeconfig: {problem}")]
    Kubeconfig {
        problem: String,
        #[source]
        source: Option<Cause>,
    },

    /// `problem` repeats nothing of what a credential plugin said: it may be a secret.
    #[error("No credentials for the cluster: {problem}")]
    Credentials {
        problem: String,
        #[source]
        source: Option<Cause>,
    },

    /// Either side did not trust the other's certificate, or one of them speaks no TLS.
    #[error("TLS with {address} failed: check the certificates, and that TLS is expected there")]
    Tls {
        address: String,
        #[source]
        source: Cause,
    },
    /// The server refused or failed a file operation.
    #[error("Cannot {operation} {path}: {problem}")]
    RemoteFile { operation: &'static str, path: String, code: &'static str, kind: Kind, problem: String },

    /// This machine refused or failed a file operation.
    #[error("Cannot {operation} the local {path}: {}", local_problem(.source))]
    LocalFile {
        operation: &'static str,
        path: String,
        #[source]
        source: Arc<std::io::Error>,
    },

    #[error("Cannot resume: {path} holds {there} bytes, more than the {whole} of its source. It is another file")]
    ResumeMismatch { path: String, there: u64, whole: u64 },

    /// A server that cannot replace a file in one step has lost its connection, or its temper, between two of them.
    #[error(
        "{path} could not be replaced and may be missing: what was there is at {old}, what should be there at {new}"
    )]
    Misplaced {
        path: String,
        old: String,
        new: String,
        #[source]
        source: Arc<Error>,
    },

    #[error("The server offers no SFTP: its sftp subsystem is missing, or not for this user")]
    NoSftp {
        #[source]
        source: Option<Cause>,
    },

    #[error("The server broke the SFTP protocol: {problem}")]
    SftpProtocol { problem: &'static str },

    #[error("The SFTP session is closed")]
    SftpClosed,

    /// An archive that cannot be trusted or read, or a tree that cannot be made into one.
    #[error("Cannot {operation} {entry}: {problem}")]
    Archive { operation: &'static str, entry: String, problem: &'static str },

    #[error("Internal error in {what}: please report it")]
    Internal { what: &'static str },
}

impl Error {
    /// The file it is about.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::RemoteFile { path, .. }
            | Self::LocalFile { path, .. }
            | Self::ResumeMismatch { path, .. }
            | Self::Misplaced { path, .. } => Some(path),
            Self::Archive { entry, .. } => Some(entry),
            _ => None,
        }
    }
}
