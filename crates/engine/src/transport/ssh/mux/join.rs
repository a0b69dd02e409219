use std::path::{Path, PathBuf};

use super::client::{Found, find, remove_stale};
use super::listener::is_served;
use super::passenger::PassengerConnection;
use super::path::Facts;
use super::shared::SharedConnection;
use crate::error::Error;
use crate::transport::ssh::link::Link;
use crate::transport::ssh::target::{SshTarget, Traffic};

/// The longest path a UNIX socket can have, on Linux; elsewhere it is a little shorter, and the system says so.
const MAX_PATH: usize = 107;

/// Where the target's control socket is; `None` for one that shares nothing.
pub fn control_path(target: &SshTarget) -> Result<Option<PathBuf>, Error> {
    let Some(control) = target.control.as_ref() else { return Ok(None) };
    let invalid = |problem| Error::InvalidOption { option: "controlPath", problem };
    let path = if control.expanded {
        control.path.clone().into()
    } else {
        Facts::new(&target.host, target.port, &target.username).expand(&control.path).map_err(invalid)?
    };
    if path.as_os_str().len() > MAX_PATH {
        let problem = format!("{} is longer than {MAX_PATH} bytes, the most for a socket; %C is short", path.display());
        return Err(invalid(problem));
    }
    Ok(Some(path))
}

/// A connection through the master behind the target's control path, if one is there and well. Whatever else is there never
/// stands in the way of a connection of our own.
///
/// Commands share one, and the server's own limit on sessions. Streams, files and forwards have places of their own on each, and so
/// take as many as they need: OpenSSH's master has a window for each session, and ours a connection.
pub async fn join(target: &SshTarget) -> Result<Option<Link>, Error> {
    let Some(path) = control_path(target)?.filter(|path| !is_served(path)) else { return Ok(None) };
    let (commands, limit) = (target.traffic == Traffic::Commands, target.connect_timeout);
    let sessions = matches!(target.traffic, Traffic::Commands | Traffic::Bulk);
    Ok(match find(&path, sessions).await {
        Found::Shared(stream) => Some(Link::Shared(SharedConnection::new(path, stream, limit, !commands))),
        Found::Usual(stream) => Some(Link::Passenger(PassengerConnection::new(path, stream, limit, commands))),
        Found::Nothing => None,
        Found::Stale => {
            clear(&path, target).await;
            None
        }
        Found::Unusable(error) => {
            tracing::warn!(path = %path.display(), %error, "no ControlMaster to use: connecting directly");
            None
        }
    })
}

/// Only for who wants to serve there, which no hop does: for others a dead socket is somebody else's affair.
async fn clear(path: &Path, target: &SshTarget) {
    if target.control.as_ref().is_some_and(|control| control.serve && !target.traffic.is_hop())
        && let Err(error) = remove_stale(path).await
    {
        tracing::warn!(path = %path.display(), %error, "a dead control socket stays");
    }
}
