//! Signals for execs, which the API does not have.
//!
//! A second exec in the same container says `kill`. It needs the process id there: the command's shell has said it, or the
//! machine knows it, when the daemon runs on ours. A program without a shell at a daemon elsewhere has a variable by which
//! it is found. Where the container has no `sh` or no `kill`, and the machine is not ours, the process stays.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::client::{DockerClient, typed_error};
use crate::error::Error;
use crate::shell::Nonce;
use crate::transport::Signal;
use crate::transport::container::preamble::{Preamble, said};

/// How often `kill` is begun for a command that goes on running, and after which pause.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_millis(10);
/// For `kill` to end.
const KILLING: Duration = Duration::from_secs(5);

/// What is known about the process of an exec.
pub struct Process {
    pub exec: String,
    pub container: String,
    pub user: Option<String>,
    pub tag: Option<Tag>,
}

/// A variable that nothing else has: what was started with it can be found in `/proc`.
pub struct Tag(Nonce);

impl Tag {
    pub fn fresh() -> Self {
        Self(Nonce::fresh())
    }

    pub fn assignment(&self) -> String {
        format!("XEC_EXEC={}", self.0)
    }
}

/// Sends `signal` to the process and its group, if there is a way. What fails is logged: the process may be gone already.
pub async fn kill(client: &DockerClient, process: &Process, preamble: &Mutex<Preamble>, signal: Signal) {
    let said = said(preamble).await;
    for _ in 0..ATTEMPTS {
        let sent = match (said, &process.tag) {
            (Some(pid), _) => signal_within(client, process, pid, signal).await,
            (None, Some(tag)) => signal_tagged(client, process, tag, signal).await,
            (None, None) => signal_from_outside(client, process, signal).await,
        };
        match sent {
            Ok(true) => return,
            Ok(false) => tracing::debug!(exec = process.exec, signal = signal.name(), "no process took the signal"),
            Err(error) => {
                tracing::debug!(%error, exec = process.exec, "a process in a container could not be signalled");
            }
        }
        // A busy daemon may fail to start `kill`; one that cannot answer will not do so either.
        match client.api().inspect_exec(&process.exec).await {
            Ok(seen) if seen.running == Some(true) => sleep(PAUSE).await,
            _ => return,
        }
    }
}

/// By a `kill` in the container, as the same user, who may do it to their own; as root where they may not.
async fn signal_within(client: &DockerClient, process: &Process, pid: u32, signal: Signal) -> Result<bool, Error> {
    let name = signal.name();
    // Every exec leads a session, so its process id is that of its group too.
    as_either(client, process, format!("kill -{name} -{pid} 2>/dev/null || kill -{name} {pid}")).await
}

async fn signal_tagged(client: &DockerClient, process: &Process, tag: &Tag, signal: Signal) -> Result<bool, Error> {
    let (name, tag) = (signal.name(), tag.assignment());
    let line = format!(
        "set -- $(grep -l {tag} /proc/[0-9]*/environ 2>/dev/null); [ $# -gt 0 ] || exit 1; \
         for f; do f=${{f#/proc/}}; kill -{name} ${{f%/environ}}; done"
    );
    as_either(client, process, line).await
}

async fn as_either(client: &DockerClient, process: &Process, line: String) -> Result<bool, Error> {
    if run_kill(client, process, line.clone(), process.user.clone()).await? {
        return Ok(true);
    }
    run_kill(client, process, line, Some("0".to_owned())).await
}

async fn run_kill(client: &DockerClient, process: &Process, line: String, user: Option<String>) -> Result<bool, Error> {
    let options = bollard::exec::CreateExecOptions {
        cmd: Some(vec!["sh".to_owned(), "-c".to_owned(), line]),
        user,
        ..Default::default()
    };
    let id = client.api().create_exec(&process.container, options).await.map_err(typed_error)?.id;
    let detached = bollard::exec::StartExecOptions { detach: true, ..Default::default() };
    client.api().start_exec(&id, Some(detached)).await.map_err(typed_error)?;
    let deadline = Instant::now() + KILLING;
    loop {
        let seen = client.api().inspect_exec(&id).await.map_err(typed_error)?;
        if seen.running != Some(true) && seen.exit_code.is_some() {
            return Ok(seen.exit_code == Some(0));
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        sleep(LOOK).await;
    }
}

/// By what the daemon's machine knows, if it is ours.
#[cfg(target_os = "linux")]
async fn signal_from_outside(client: &DockerClient, process: &Process, signal: Signal) -> Result<bool, Error> {
    let seen = client.api().inspect_exec(&process.exec).await.map_err(typed_error)?;
    let pid = seen.pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0);
    let (Some(pid), Some(container)) = (pid, seen.container_id) else { return Ok(false) };
    if !client.is_local() || !belongs(pid, &container).await {
        return Ok(false);
    }
    let number = match signal.name().parse_signal() {
        Some(number) => number,
        None => return Ok(false),
    };
    if nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid), number).is_ok() {
        return Ok(true);
    }
    // Not ours to signal; the container's users may.
    match inner_pid(pid).await {
        Some(inner) => signal_within(client, process, inner, signal).await,
        None => Ok(false),
    }
}

#[cfg(not(target_os = "linux"))]
async fn signal_from_outside(_: &DockerClient, _: &Process, _: Signal) -> Result<bool, Error> {
    Ok(false)
}

#[cfg(target_os = "linux")]
trait SignalName {
    fn parse_signal(&self) -> Option<nix::sys::signal::Signal>;
}

#[cfg(target_os = "linux")]
impl SignalName for str {
    fn parse_signal(&self) -> Option<nix::sys::signal::Signal> {
        format!("SIG{self}").parse().ok()
    }
}

/// Process ids are used again, and a daemon behind a local socket may run elsewhere: in a virtual machine, say.
#[cfg(target_os = "linux")]
async fn belongs(pid: i32, container: &str) -> bool {
    match tokio::fs::read_to_string(format!("/proc/{pid}/cgroup")).await {
        Ok(groups) => !container.is_empty() && groups.contains(container),
        Err(_) => false,
    }
}

/// Its number in the innermost namespace.
#[cfg(target_os = "linux")]
async fn inner_pid(pid: i32) -> Option<u32> {
    let status = tokio::fs::read_to_string(format!("/proc/{pid}/status")).await.ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().next_back()?.parse().ok()
}
