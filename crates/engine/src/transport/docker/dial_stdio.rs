//! A daemon's socket behind an SSH server that forwards no sockets: a program there connects to it, as the Docker CLI has it.

use std::sync::Arc;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelStream};
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::error::{Error, Phase, Reached};
use crate::run::quote;
use crate::transport::ssh::SshConnection;

/// What is said once there is such a program, before it says anything.
const READY: &[u8; 6] = b"ready\n";

/// A line to the socket, closed when it is dropped; `None` where there is no socket, no `docker` program, or no command may be run.
/// Cancel-safe.
pub async fn dial_stdio(connection: &Arc<SshConnection>, socket: &str) -> Result<Option<ChannelStream<Msg>>, Error> {
    let (connection, command) = (Arc::clone(connection), command(socket));
    // In a task of its own, which ends by itself: a channel that nobody waits for any more must be closed.
    let (answer, dialed) = oneshot::channel();
    tokio::spawn(async move {
        let _ = answer.send(dial(&connection, command).await);
    });
    dialed.await.unwrap_or(Err(Error::Internal { what: "docker system dial-stdio" }))
}

async fn dial(connection: &SshConnection, command: String) -> Result<Option<ChannelStream<Msg>>, Error> {
    let limit = connection.open_timeout();
    let late = || Error::Timeout { phase: Phase::OpenChannel, limit, reached: Reached::No, source: None };
    let mut channel = connection.open_session().await?;
    if !timeout(limit, is_accepted(&mut channel, command)).await.unwrap_or(false) {
        // A failing write means that the connection is gone, and the channel with it.
        let _ = channel.close().await;
        return Ok(None);
    }
    let mut stream = channel.into_stream();
    let mut said = [0; READY.len()];
    match timeout(limit, stream.read_exact(&mut said)).await {
        Ok(Ok(_)) if said == *READY => Ok(Some(stream)),
        // Its end, or a shell's greeting, which would be taken for the daemon's.
        Ok(_) => Ok(None),
        Err(_) => Err(late()),
    }
}

async fn is_accepted(channel: &mut Channel<Msg>, command: String) -> bool {
    if channel.exec(true, command).await.is_err() {
        return false;
    }
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Success => return true,
            ChannelMsg::Failure | ChannelMsg::Close => return false,
            _ => {}
        }
    }
    false
}

fn command(socket: &str) -> String {
    let (path, host) = (quote(socket), quote(&format!("unix://{socket}")));
    format!(
        "[ -S {path} ] && command -v docker >/dev/null 2>&1 && echo ready && exec docker --host {host} system dial-stdio"
    )
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn a_path_is_one_word() {
        assert!(command("/a b'c").ends_with(r"docker --host 'unix:///a b'\''c' system dial-stdio"));
    }
}
