//! Signals for execs, which the API does not have: a second exec in the same container says `kill`, to the process id that the
//! command's shell has said. Where there is no shell nobody knows one, and the process stays.

use std::time::Duration;

use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::client::KubeClient;
use super::exec::exec_request;
use super::frames::{self, Frame, Status};
use super::socket::{self, Version};
use crate::command::Pod;
use crate::error::Error;
use crate::transport::Signal;
use crate::transport::container::preamble::{Preamble, said};

/// For `kill` to end.
const KILLING: Duration = Duration::from_secs(5);

/// What is known about the process of an exec.
pub struct Process {
    pub pod: Pod,
    pub container: String,
}

/// Sends `signal` to the process and its group, if there is a way. What fails is logged: the process may be gone already.
pub async fn kill(client: &KubeClient, process: &Process, preamble: &Mutex<Preamble>, signal: Signal) {
    let (pod, name) = (&process.pod.name, signal.name());
    let Some(pid) = said(preamble).await else {
        tracing::debug!(pod, signal = name, "nobody knows which process to signal");
        return;
    };
    match timeout(KILLING, run_kill(client, process, pid, name)).await {
        Ok(Ok(Some(Status::Code(0)))) => {}
        Ok(Ok(_)) => tracing::debug!(pod, signal = name, "no process took the signal"),
        Ok(Err(error)) => tracing::debug!(%error, pod, "a process in a pod could not be signalled"),
        Err(_) => tracing::debug!(pod, signal = name, "a signal took too long"),
    }
}

/// Every exec leads a session, so its process id is that of its group too.
async fn run_kill(client: &KubeClient, process: &Process, pid: u32, name: &str) -> Result<Option<Status>, Error> {
    let line = format!("kill -{name} -{pid} 2>/dev/null || kill -{name} {pid}");
    let words = ["sh".to_owned(), "-c".to_owned(), line];
    let request = exec_request(&process.pod, &process.container, &words, false, false);
    let (mut stream, _) = socket::open(client, &request, &[Version::V5, Version::V4]).await?;
    while let Some(message) = stream.next().await {
        if let Ok(Message::Binary(message)) = message
            && let Ok(Frame::Status(status)) = frames::decode(message)
        {
            return Ok(Some(status));
        }
    }
    Ok(None)
}
