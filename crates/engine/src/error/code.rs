use super::Error;
use super::local::local_code;

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
            Self::NoStdin { .. } => "ESTDIN",
            Self::NoExitStatus => "ENOSTATUS",
            Self::PoolExhausted { .. } | Self::QueueFull { .. } => "EPOOLEXHAUSTED",
            Self::PoolClosed { .. } => "EPOOLCLOSED",
            Self::Aborted { .. } => "ABORT_ERR",
            Self::MaxBuffer { .. } => "EMAXBUFFER",
            Self::BreakerOpen { .. } => "EBREAKEROPEN",
            Self::HealthCheckFailed => "EUNHEALTHY",
            Self::Forward(error) => error.code(),
            Self::RemoteFile { code, .. } => code,
            Self::LocalFile { source, .. } => local_code(source),
            Self::ResumeMismatch { .. } => "ERESUME",
            Self::NoSftp { .. } => "ENOSFTP",
            Self::SftpProtocol { .. } => "EPROTO",
            Self::SftpClosed => "ESFTPCLOSED",
            Self::Internal { .. } => "EINTERNAL",
        }
    }
}
