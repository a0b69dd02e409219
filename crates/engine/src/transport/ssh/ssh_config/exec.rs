use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::problem::Problem;

/// For a command of `Match exec`.
const EXEC_LIMIT: Duration = Duration::from_secs(10);

/// Runs a command as `Match exec` does: silent, for its exit code.
pub fn succeeds(command: &str) -> Result<bool, Problem> {
    let shell = std::env::var("SHELL").ok().filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".to_owned());
    let mut child = Command::new(shell)
        .arg("-c")
        .arg(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("the command of 'Match exec' cannot be run: {error}"))?;
    let until = Instant::now() + EXEC_LIMIT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                // It may have ended in this very moment.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("the command of 'Match exec' did not end within {} s", EXEC_LIMIT.as_secs()));
            }
            Err(error) => return Err(format!("the command of 'Match exec' cannot be waited for: {error}")),
        }
    }
}
