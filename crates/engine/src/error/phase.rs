use super::Error;
use crate::transport::ssh::forward::ForwardError;

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

impl Error {
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
            Self::Forward(ForwardError::Stalled) => Phase::Transfer,
            Self::ChannelRefused { .. } | Self::NoSftp { .. } | Self::ShellUnsupported | Self::Forward(_) => {
                Phase::OpenChannel
            }
            Self::RemoteFile { .. }
            | Self::LocalFile { .. }
            | Self::ResumeMismatch { .. }
            | Self::Misplaced { .. }
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
            | Self::NoStdin { phase, .. }
            | Self::ConnectionLost { phase, .. }
            | Self::PoolClosed { phase, .. }
            | Self::Aborted { phase, .. } => *phase,
        }
    }
}

/// As the subject of a sentence.
pub(super) fn phase_noun(phase: Phase) -> &'static str {
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
