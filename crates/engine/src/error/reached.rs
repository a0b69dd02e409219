use super::{Error, Phase};
use crate::transport::ssh::forward::ForwardError;

/// Did the command reach the server? Only `No` makes running it again provably safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    No,
    Yes,
    Unknown,
}

impl Error {
    pub fn reached(&self) -> Reached {
        match self {
            Self::Timeout { reached, .. }
            | Self::NoStdin { reached, .. }
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
            Self::Forward(ForwardError::Stalled) => Reached::Yes,
            Self::Docker(refusal) => refusal.reached(),
            Self::Kube(refusal) => refusal.reached(),
            // The command follows the terminal without waiting for it.
            Self::PtyRefused
            | Self::Internal { .. }
            | Self::LocalFile { .. }
            | Self::Misplaced { .. }
            | Self::SftpProtocol { .. }
            | Self::Archive { .. } => Reached::Unknown,
            _ => Reached::No,
        }
    }
}

pub(super) fn lost_text(phase: Phase, reached: Reached) -> &'static str {
    if phase == Phase::Transfer {
        return " during a file operation: what the server had not confirmed may be undone";
    }
    match reached {
        Reached::No => " before the command was sent",
        Reached::Yes => " while the command was running: how it ended is unknown",
        Reached::Unknown => " after the command was sent: whether it ran is unknown",
    }
}
