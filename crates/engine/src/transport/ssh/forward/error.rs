use std::io;
use std::sync::Arc;

use super::address::Address;
use crate::error::{Cause, Error, Kind};

/// What can go wrong with a forward besides its connection.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    #[error("Cannot listen on {address}")]
    Listen {
        address: String,
        #[source]
        source: Cause,
    },

    #[error("The server forbids forwarding to {to}: see AllowTcpForwarding, AllowStreamLocalForwarding and PermitOpen")]
    Denied { to: String },

    #[error(
        "The server refuses to listen on {listen}: it may forbid remote forwards (AllowTcpForwarding, PermitListen), or \
         the address is taken"
    )]
    ListenDenied { listen: String },

    #[error("The server cannot connect to {to} ({reason})")]
    Target { to: String, reason: String },

    #[error("Cannot connect to {to} for a connection the server forwarded")]
    LocalTarget {
        to: String,
        #[source]
        source: Cause,
    },

    #[error(
        "A client was cut off: it read nothing while too much waited for it, which held up others of its connection"
    )]
    Stalled,

    #[error("A client of a dynamic forward was refused: {problem}")]
    Socks { problem: String },
}

impl ForwardError {
    pub fn listen(address: &Address, source: io::Error) -> Error {
        Error::Forward(Self::Listen { address: address.to_string(), source: Arc::new(source) })
    }

    pub fn code(&self) -> &'static str {
        match self {
            Self::Listen { source, .. } => match io_kind(source) {
                Some(io::ErrorKind::AddrInUse) => "EADDRINUSE",
                Some(io::ErrorKind::PermissionDenied) => "EACCES",
                Some(io::ErrorKind::AddrNotAvailable) => "EADDRNOTAVAIL",
                _ => "ELISTEN",
            },
            Self::Denied { .. } | Self::ListenDenied { .. } => "EFORWARDDENIED",
            Self::Target { .. } | Self::LocalTarget { .. } => "EFORWARDTARGET",
            Self::Stalled => "EFORWARDSTALLED",
            Self::Socks { .. } => "ESOCKS",
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Listen { source, .. } if io_kind(source) == Some(io::ErrorKind::PermissionDenied) => {
                Kind::PermissionDenied
            }
            Self::Listen { .. } | Self::Socks { .. } => Kind::InvalidUsage,
            Self::Denied { .. } | Self::ListenDenied { .. } => Kind::PermissionDenied,
            Self::Target { .. } | Self::LocalTarget { .. } => Kind::ConnectionRefused,
            Self::Stalled => Kind::Unknown,
        }
    }
}

fn io_kind(cause: &Cause) -> Option<io::ErrorKind> {
    cause.downcast_ref::<io::Error>().map(io::Error::kind)
}
