use std::fmt;
use std::time::Duration;

use super::hop::HopAddress;
use super::value::Persist;
use crate::transport::ssh::HostKeyChecking;

/// Which agent to ask for keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentChoice {
    None,
    /// The one that `SSH_AUTH_SOCK` names.
    Environment,
    Socket(String),
}

/// How to get there, when not straight.
#[derive(Clone, PartialEq, Eq)]
pub enum Via {
    /// First hop first.
    Jump(Vec<HopAddress>),
    /// A shell's line whose input and output lead to the server.
    Command(String),
}

impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jump(hops) => f.debug_tuple("Jump").field(hops).finish(),
            // People put tokens into command lines.
            Self::Command(_) => f.debug_tuple("Command").finish_non_exhaustive(),
        }
    }
}

/// What the files say about one host, tokens replaced. `None` and empty lists: nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub host_name: String,
    pub port: u16,
    pub user: String,
    /// The port or user is not only the default.
    pub port_given: bool,
    pub user_given: bool,
    pub identity_files: Vec<String>,
    pub certificate_files: Vec<String>,
    pub identities_only: Option<bool>,
    pub identity_agent: Option<AgentChoice>,
    pub via: Option<Via>,
    /// `Some` and empty: `none`.
    pub known_hosts: Option<Vec<String>>,
    /// As above, the machine's.
    pub global_known_hosts: Option<Vec<String>>,
    pub host_key_checking: Option<HostKeyChecking>,
    pub host_key_alias: Option<String>,
    /// Zero: no keepalive.
    pub alive_interval: Option<Duration>,
    pub alive_count_max: Option<u32>,
    pub connect_timeout: Option<Duration>,
    pub control_master: Option<bool>,
    pub control_path: Option<String>,
    pub control_persist: Option<Persist>,
}
