//! ssh-agent: it holds keys, hardware keys too, and signs with them.

use std::path::PathBuf;
use std::sync::Arc;

use russh::keys::agent::{AgentIdentity, AgentSessionBinding, client};

use super::paths::expand_home;
use super::target::{Agent, SshTarget};
use crate::error::Error;

#[cfg(unix)]
type Line = tokio::net::UnixStream;
#[cfg(windows)]
type Line = tokio::net::windows::named_pipe::NamedPipeClient;

pub type AgentClient = client::AgentClient<Line>;

/// An agent we are connected to.
pub struct OpenAgent {
    pub client: AgentClient,
    /// Where it listens, for messages.
    pub place: String,
}

impl Agent {
    /// Somebody said that this agent is to be used.
    pub fn is_asked_for(&self) -> bool {
        matches!(self, Self::Environment | Self::Socket(_))
    }

    pub fn socket(&self, nothing_given: bool) -> Option<PathBuf> {
        match self {
            Self::Default if nothing_given => environment(),
            Self::Default | Self::Off => None,
            Self::Environment => environment(),
            Self::Socket(path) => Some(expand_home(path)),
        }
    }
}

/// The agent's address as every program of this session finds it.
fn environment() -> Option<PathBuf> {
    std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty()).map(PathBuf::from)
}

/// Connects to the target's agent. `None`: there is none, and none was asked for.
pub async fn open(target: &SshTarget) -> Result<Option<OpenAgent>, Error> {
    let asked_for = target.agent.is_asked_for();
    let Some(socket) = target.agent.socket(target.gives_nothing()) else {
        return if asked_for { Err(not_set()) } else { Ok(None) };
    };
    let place = socket.display().to_string();
    match connect(&socket).await {
        Ok(client) => Ok(Some(OpenAgent { client, place })),
        Err(error) if asked_for => Err(unusable(place, error)),
        Err(error) => {
            // ssh does without as well.
            tracing::debug!(agent = place, %error, "no agent to be had");
            Ok(None)
        }
    }
}

#[cfg(unix)]
async fn connect(socket: &std::path::Path) -> Result<AgentClient, russh::keys::Error> {
    client::AgentClient::connect_uds(socket).await
}

#[cfg(windows)]
async fn connect(socket: &std::path::Path) -> Result<AgentClient, russh::keys::Error> {
    client::AgentClient::connect_named_pipe(socket).await
}

impl OpenAgent {
    /// Its keys and certificates. Keys that may only be used for certain servers show themselves once the agent knows
    /// which server this is, hence `binding`.
    pub async fn identities(&mut self, binding: Option<&AgentSessionBinding>) -> Result<Vec<AgentIdentity>, Error> {
        if let Some(binding) = binding
            && let Err(error) = self.client.bind_session(binding, false).await
        {
            // Agents other than OpenSSH's do not know this; they have no such keys either.
            tracing::debug!(agent = self.place, %error, "the agent does not bind itself to a session");
        }
        self.client.request_identities().await.map_err(|error| unusable(self.place.clone(), error))
    }
}

fn unusable(place: String, error: russh::keys::Error) -> Error {
    Error::Agent {
        place,
        source: match error {
            russh::keys::Error::IO(error) => Arc::new(error),
            other => Arc::new(other),
        },
    }
}

fn not_set() -> Error {
    let nothing = std::io::Error::new(std::io::ErrorKind::NotFound, "SSH_AUTH_SOCK is not set");
    Error::Agent { place: "SSH_AUTH_SOCK".to_owned(), source: Arc::new(nothing) }
}
