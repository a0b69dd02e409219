use std::fmt;

/// One end of a forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Tcp {
        host: String,
        port: u16,
    },
    /// The path of a UNIX socket.
    Unix(String),
}

impl Address {
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::Tcp { host: host.into(), port }
    }

    /// The same address with the port that was given for port 0.
    pub fn with_port(&self, port: u16) -> Self {
        match self {
            Self::Tcp { host, .. } => Self::Tcp { host: host.clone(), port },
            Self::Unix(path) => Self::Unix(path.clone()),
        }
    }

    pub fn port(&self) -> u16 {
        match self {
            Self::Tcp { port, .. } => *port,
            Self::Unix(_) => 0,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => f.write_str(path),
        }
    }
}

/// Who listens where, and where its connections go.
#[derive(Debug, Clone)]
pub enum ForwardSpec {
    /// We listen; the server connects to `to`.
    Local { listen: Address, to: Address },
    /// The server listens; we connect to `to`.
    Remote { listen: Address, to: Address },
    /// We listen and speak SOCKS; the server connects to whatever a client names.
    Dynamic { listen: Address },
}

impl ForwardSpec {
    pub fn listen(&self) -> &Address {
        match self {
            Self::Local { listen, .. } | Self::Remote { listen, .. } | Self::Dynamic { listen } => listen,
        }
    }
}
