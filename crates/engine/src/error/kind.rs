use super::local::local_kind;
use super::{Cause, Error};

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

impl Error {
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
            Self::JumpHost { source, .. } | Self::Misplaced { source, .. } => source.kind(),
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
            | Self::NoStdin { .. }
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
}

fn io_kind(cause: &Cause) -> Kind {
    match cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::NotFound) => Kind::NotFound,
        Some(std::io::ErrorKind::PermissionDenied) => Kind::PermissionDenied,
        _ => Kind::InvalidUsage,
    }
}
