//! The one error type of the engine.
//!
//! Every variant has a stable [`code`](Error::code), the [`Phase`] it failed in, a [`Kind`] that says what a caller can
//! do about it, and whether the command may have [`Reached`] the server. Causes stay reachable through `source()`.
//! Errors are `Clone` because one failed dial answers everybody who waited for it.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use crate::host_key::HostKeyRefusal;
use crate::transport::docker::Refusal;
use crate::transport::kube::KubeRefusal;
use crate::transport::ssh::forward::ForwardError;

/// A shared underlying error.
pub type Cause = Arc<dyn StdError + Send + Sync>;

/// What the engine was doing when it failed, in the order a command passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    Queue,
    Dial,
    Handshake,
    Authenticate,
    OpenChannel,
    Run,
    Transfer,
    Close,
}

impl Phase {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Dial => "dial",
            Self::Handshake => "handshake",
            Self::Authenticate => "authenticate",
            Self::OpenChannel => "open-channel",
            Self::Run => "run",
            Self::Transfer => "transfer",
            Self::Close => "close",
        }
    }
}

/// Did the command reach the server? Only `No` makes running it again provably safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    No,
    Yes,
    Unknown,
}

/// What sort of failure it is, in the words of `@xec-sh/core`'s `FailureKind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    Timeout,
    ConnectionLost,
    ConnectionRefused,
    Authentication,
    NotFound,
    PermissionDenied,
    InvalidUsage,
    HostKeyMismatch,
    Unknown,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection-lost",
            Self::ConnectionRefused => "connection-refused",
            Self::Authentication => "authentication",
            Self::NotFound => "not-found",
            Self::PermissionDenied => "permission-denied",
            Self::InvalidUsage => "invalid-usage",
            Self::HostKeyMismatch => "host-key-mismatch",
            Self::Unknown => "unknown",
        }
    }
}

/// Which output stream an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

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
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidOption { .. } => "EINVAL_OPTION",
            Self::KeyFile { .. } => "EKEYFILE",
            Self::KeyFormat { .. } => "EKEYFORMAT",
            Self::PassphraseMissing | Self::PassphraseWrong { .. } => "EPASSPHRASE",
            Self::SshConfig { .. } => "ESSHCONFIG",
            Self::Proxy { .. } => "EPROXY",
            Self::JumpHost { .. } | Self::JumpRefused { .. } => "EJUMPHOST",
            Self::Certificate { .. } => "ECERTIFICATE",
            Self::Agent { .. } => "EAGENT",
            Self::WrongAnswers { .. } | Self::Prompter { .. } => "EPROMPT",
            Self::Resolve { .. } => "ENOTFOUND",
            Self::Dial { code, .. } => code,
            Self::Handshake { .. } => "EHANDSHAKE",
            Self::NoCommonAlgorithm { .. } => "ENOALGORITHM",
            Self::HostKey { .. } => "EHOSTKEY",
            Self::KnownHosts { .. } => "EKNOWNHOSTS",
            Self::Authentication { .. } | Self::NoCredentials { .. } => "EAUTH",
            Self::Timeout { .. } => "ETIMEDOUT",
            Self::ConnectionLost { .. } => "ECONNLOST",
            Self::ChannelRefused { .. } => "ECHANNEL",
            Self::ExecRefused => "EEXEC",
            Self::PtyRefused => "EPTY",
            Self::ShellUnsupported => "ESHELL",
            Self::Sudo { .. } => "ESUDO",
            Self::ShellEnded => "ESHELLENDED",
            Self::SessionClosed { .. } => "ESESSIONCLOSED",
            Self::NoExitStatus => "ENOSTATUS",
            Self::PoolExhausted { .. } | Self::QueueFull { .. } => "EPOOLEXHAUSTED",
            Self::PoolClosed { .. } => "EPOOLCLOSED",
            Self::Aborted { .. } => "ABORT_ERR",
            Self::MaxBuffer { .. } => "EMAXBUFFER",
            Self::BreakerOpen { .. } => "EBREAKEROPEN",
            Self::HealthCheckFailed => "EUNHEALTHY",
            Self::Forward(error) => error.code(),
            Self::Docker(refusal) => refusal.why.code(),
            Self::Kube(refusal) => refusal.why.code(),
            Self::Kubeconfig { .. } => "EKUBECONFIG",
            Self::Credentials { .. } => "ECREDENTIALS",
            Self::Tls { .. } => "ETLS",
            Self::RemoteFile { code, .. } => code,
            Self::LocalFile { source, .. } => local_code(source),
            Self::ResumeMismatch { .. } => "ERESUME",
            Self::NoSftp { .. } => "ENOSFTP",
            Self::SftpProtocol { .. } => "EPROTO",
            Self::SftpClosed => "ESFTPCLOSED",
            Self::Archive { .. } => "EARCHIVE",
            Self::Internal { .. } => "EINTERNAL",
        }
    }

    /// The file it is about.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::RemoteFile { path, .. } | Self::LocalFile { path, .. } | Self::ResumeMismatch { path, .. } => {
                Some(path)
            }
            Self::Archive { entry, .. } => Some(entry),
            _ => None,
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::InvalidOption { .. }
            | Self::KeyFormat { .. }
            | Self::PassphraseMissing
            | Self::PoolClosed { .. }
            | Self::ResumeMismatch { .. }
            | Self::SftpClosed => Kind::InvalidUsage,
            Self::RemoteFile { kind, .. } => *kind,
            Self::LocalFile { source, .. } => local_kind(source),
            Self::NoSftp { .. } => Kind::NotFound,
            Self::SshConfig { source, .. } => source.as_ref().map_or(Kind::InvalidUsage, io_kind),
            Self::Proxy { kind, .. } => *kind,
            Self::JumpHost { source, .. } => source.kind(),
            Self::JumpRefused { prohibited: true, .. } => Kind::PermissionDenied,
            Self::JumpRefused { .. } => Kind::ConnectionRefused,
            Self::ShellUnsupported | Self::SessionClosed { .. } => Kind::InvalidUsage,
            Self::KeyFile { source, .. } | Self::KnownHosts { source, .. } | Self::Agent { source, .. } => {
                io_kind(source)
            }
            Self::Certificate { source, .. } => source.as_ref().map_or(Kind::InvalidUsage, io_kind),
            Self::WrongAnswers { .. } => Kind::InvalidUsage,
            Self::Prompter { .. }
            | Self::PassphraseWrong { .. }
            | Self::Authentication { .. }
            | Self::NoCredentials { .. }
            | Self::Sudo { .. } => Kind::Authentication,
            Self::Resolve { .. } | Self::ChannelRefused { .. } => Kind::ConnectionRefused,
            Self::Dial { kind, .. } => *kind,
            Self::BreakerOpen { source, .. } => source.as_ref().map_or(Kind::ConnectionRefused, |error| error.kind()),
            Self::Handshake { .. } | Self::ConnectionLost { .. } => Kind::ConnectionLost,
            Self::HostKey { .. } => Kind::HostKeyMismatch,
            Self::Timeout { .. } => Kind::Timeout,
            Self::Forward(error) => error.kind(),
            Self::Docker(refusal) => refusal.why.kind(),
            Self::Kube(refusal) => refusal.why.kind(),
            Self::Kubeconfig { source, .. } => source.as_ref().map_or(Kind::InvalidUsage, io_kind),
            Self::Credentials { .. } => Kind::Authentication,
            Self::Tls { .. } => Kind::Authentication,
            Self::ExecRefused | Self::PtyRefused => Kind::PermissionDenied,
            Self::NoCommonAlgorithm { .. }
            | Self::NoExitStatus
            | Self::ShellEnded
            | Self::PoolExhausted { .. }
            | Self::QueueFull { .. }
            | Self::Aborted { .. }
            | Self::MaxBuffer { .. }
            | Self::HealthCheckFailed
            | Self::SftpProtocol { .. }
            | Self::Archive { .. }
            | Self::Internal { .. } => Kind::Unknown,
        }
    }

    pub fn phase(&self) -> Phase {
        match self {
            Self::Docker(refusal) => refusal.phase(),
            Self::Kube(refusal) => refusal.phase(),
            Self::Kubeconfig { .. } => Phase::Queue,
            Self::Credentials { .. } => Phase::Authenticate,
            Self::Tls { .. } => Phase::Handshake,
            Self::InvalidOption { .. }
            | Self::SshConfig { .. }
            | Self::PoolExhausted { .. }
            | Self::QueueFull { .. } => Phase::Queue,
            Self::Proxy { .. } | Self::JumpHost { .. } | Self::JumpRefused { .. } => Phase::Dial,
            Self::Resolve { .. } | Self::Dial { .. } | Self::BreakerOpen { .. } => Phase::Dial,
            Self::Handshake { .. }
            | Self::NoCommonAlgorithm { .. }
            | Self::HostKey { .. }
            | Self::KnownHosts { .. } => Phase::Handshake,
            Self::KeyFile { .. }
            | Self::KeyFormat { .. }
            | Self::PassphraseMissing
            | Self::PassphraseWrong { .. }
            | Self::Certificate { .. }
            | Self::Agent { .. }
            | Self::WrongAnswers { .. }
            | Self::Prompter { .. }
            | Self::Authentication { .. }
            | Self::NoCredentials { .. } => Phase::Authenticate,
            Self::ChannelRefused { .. } | Self::NoSftp { .. } | Self::ShellUnsupported | Self::Forward(_) => {
                Phase::OpenChannel
            }
            Self::RemoteFile { .. }
            | Self::LocalFile { .. }
            | Self::ResumeMismatch { .. }
            | Self::SftpProtocol { .. }
            | Self::Archive { .. }
            | Self::SftpClosed => Phase::Transfer,
            Self::ExecRefused
            | Self::PtyRefused
            | Self::Sudo { .. }
            | Self::NoExitStatus
            | Self::ShellEnded
            | Self::SessionClosed { .. }
            | Self::MaxBuffer { .. }
            | Self::HealthCheckFailed
            | Self::Internal { .. } => Phase::Run,
            Self::Timeout { phase, .. }
            | Self::ConnectionLost { phase, .. }
            | Self::PoolClosed { phase, .. }
            | Self::Aborted { phase, .. } => *phase,
        }
    }

    pub fn reached(&self) -> Reached {
        match self {
            Self::Timeout { reached, .. }
            | Self::ConnectionLost { reached, .. }
            | Self::PoolClosed { reached, .. }
            | Self::Aborted { reached, .. } => *reached,
            // The server answered the request, so it saw the command.
            Self::ExecRefused
            | Self::Sudo { .. }
            | Self::NoExitStatus
            | Self::ShellEnded
            | Self::MaxBuffer { .. }
            | Self::RemoteFile { .. } => Reached::Yes,
            Self::Docker(refusal) => refusal.reached(),
            Self::Kube(refusal) => refusal.reached(),
            // The command follows the terminal without waiting for it.
            Self::PtyRefused
            | Self::Internal { .. }
            | Self::LocalFile { .. }
            | Self::SftpProtocol { .. }
            | Self::Archive { .. } => Reached::Unknown,
            _ => Reached::No,
        }
    }
}

/// What a failed attempt to connect means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialFailure {
    /// The fault is on our side (options, key files): another attempt cannot help, and the server never saw this one.
    Ours,
    /// The server refuses who we are, or we refuse who it is.
    Refused,
    /// No way to the server, or it broke off.
    Unreachable,
    /// The server hangs up on newcomers for now.
    Throttled,
}

impl Error {
    pub fn dial_failure(&self) -> DialFailure {
        match self {
            Self::Handshake { dropped: true, .. } => DialFailure::Throttled,
            Self::JumpHost { source, .. } => source.dial_failure(),
            Self::Authentication { .. }
            | Self::HostKey { .. }
            | Self::NoCommonAlgorithm { .. }
            | Self::Tls { .. }
            | Self::Docker(_)
            | Self::Kube(_)
            | Self::JumpRefused { prohibited: true, .. }
            | Self::Proxy { kind: Kind::Authentication | Kind::PermissionDenied, .. } => DialFailure::Refused,
            Self::Proxy { .. } | Self::JumpRefused { .. } => DialFailure::Unreachable,
            Self::Resolve { .. }
            | Self::Dial { .. }
            | Self::Handshake { .. }
            | Self::Timeout { .. }
            | Self::ConnectionLost { .. } => DialFailure::Unreachable,
            _ => DialFailure::Ours,
        }
    }
}

/// The messages of an error's causes, outermost first, without the error's own.
pub fn causes(error: &Error) -> Vec<String> {
    let mut texts = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // Transparent wrappers repeat their inner message; once is enough.
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        next = cause.source();
    }
    texts
}

fn io_kind(cause: &Cause) -> Kind {
    match cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::NotFound) => Kind::NotFound,
        Some(std::io::ErrorKind::PermissionDenied) => Kind::PermissionDenied,
        _ => Kind::InvalidUsage,
    }
}

fn phase_noun(phase: Phase) -> &'static str {
    match phase {
        Phase::Queue => "Waiting for a free channel",
        Phase::Dial => "Connecting",
        Phase::Handshake => "The SSH handshake",
        Phase::Authenticate => "Authentication",
        Phase::OpenChannel => "Opening a channel",
        Phase::Run => "The command",
        Phase::Transfer => "The transfer",
        Phase::Close => "Closing",
    }
}

fn local_code(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound => "ENOENT",
        Io::PermissionDenied => "EACCES",
        Io::AlreadyExists => "EEXIST",
        Io::IsADirectory => "EISDIR",
        Io::NotADirectory => "ENOTDIR",
        Io::StorageFull => "ENOSPC",
        Io::QuotaExceeded => "EDQUOT",
        Io::ReadOnlyFilesystem => "EROFS",
        Io::FileTooLarge => "EFBIG",
        Io::InvalidInput | Io::InvalidFilename => "EINVAL",
        _ => "EIO",
    }
}

fn local_kind(error: &std::io::Error) -> Kind {
    match error.kind() {
        std::io::ErrorKind::NotFound => Kind::NotFound,
        std::io::ErrorKind::PermissionDenied => Kind::PermissionDenied,
        _ => Kind::Unknown,
    }
}

/// The system's words without its number.
fn local_problem(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

fn lost_text(phase: Phase, reached: Reached) -> &'static str {
    if phase == Phase::Transfer {
        return " during a file operation: what the server had not confirmed may be undone";
    }
    match reached {
        Reached::No => " before the command was sent",
        Reached::Yes => " while the command was running: how it ended is unknown",
        Reached::Unknown => " after the command was sent: whether it ran is unknown",
    }
}
