use super::{Error, Kind};

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
