//! A command, and what is known about how it ended. Shared by every transport.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::input::InputStream;

/// One command to run, before it is put into the words of a shell.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// A command line for the remote user's shell.
    pub line: String,
    /// Directory to change to first; a failing `cd` fails the command. `~` and `~/x` mean the remote home.
    pub cwd: Option<String>,
    /// Variables to export first, in this order.
    pub env: Variables,
    /// Bytes for stdin, followed by EOF. Without any, stdin is EOF at once.
    pub stdin: Option<Bytes>,
    /// More bytes for stdin, after `stdin`, as they come. They can be read once only, so such a command never runs again
    /// once it was sent.
    pub stdin_stream: Option<InputStream>,
    /// Nobody knows whether anything will come of `stdin_stream` before the command has ended.
    pub stdin_is_open: bool,
    /// A terminal to run under. stdout and stderr are one stream then, stdout.
    pub pty: Option<Pty>,
    /// As somebody else, by sudo.
    pub sudo: Option<Sudo>,
    /// Where on the other side, for transports whose connections lead to more than one place.
    pub place: Option<Arc<Place>>,
    /// From the call to the last byte. On expiry the remote process is ended.
    pub timeout: Option<Duration>,
    /// How much of that is over, because the call had to find out first where to run it.
    pub spent: Duration,
    /// The most bytes kept of each stream before the command is ended.
    pub max_buffer: usize,
    /// Keep a copy of both streams in arrival order as well.
    pub collect_all: bool,
    /// Run again on a new connection when the connection was lost after the command was sent.
    pub retry_lost_connection: bool,
    /// Higher first; equal priorities are first come, first served.
    pub priority: i32,
}

impl Command {
    /// When the call began.
    pub fn started(&self) -> Instant {
        let now = Instant::now();
        now.checked_sub(self.spent).unwrap_or(now)
    }
}

/// Variables for a command, in order.
pub type Variables = Vec<(String, String)>;

/// What a command runs in: a container, and how it is entered. Equal places are one to idle shells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// Its name or id, checked by who makes the place. In a pod: empty for the pod's default one.
    pub container: String,
    /// The pod that the container is in, for Kubernetes.
    pub pod: Option<Pod>,
    /// `user`, `user:group`, or ids of these; the container's own by default.
    pub user: Option<String>,
    /// An absolute path in the container; the container's own by default.
    pub workdir: Option<String>,
    /// With all of the host's privileges.
    pub privileged: bool,
    /// A program and its arguments, run without a shell in place of the command's line.
    pub argv: Option<Vec<String>>,
}

/// A pod by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Pod {
    pub namespace: String,
    pub name: String,
}

/// As whom a command runs, and how sudo is persuaded.
#[derive(Clone)]
pub struct Sudo {
    /// An account's name.
    pub user: String,
    /// The login user's. One line.
    pub password: Option<Zeroizing<String>>,
    pub method: SudoMethod,
}

/// How sudo gets the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SudoMethod {
    Askpass,
    Stdin,
}

impl fmt::Debug for Sudo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sudo").field("user", &self.user).field("method", &self.method).finish_non_exhaustive()
    }
}

/// A terminal for a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pty {
    /// Its type, as `TERM` says it.
    pub term: String,
    pub columns: u32,
    pub rows: u32,
    /// It begins without echo, line editing and signals by keys: what is typed first is not for its screen.
    pub quiet: bool,
}

/// How the remote process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitStatus {
    Code(u32),
    /// Killed by a signal, by its name without `SIG` as SSH sends it.
    Signal(String),
}

impl ExitStatus {
    /// The exit code as a shell would report it: `128 + n` for a signal.
    pub fn code(&self) -> u32 {
        match self {
            Self::Code(code) => *code,
            Self::Signal(name) => 128 + signal_number(name),
        }
    }

    /// `SIGKILL` and the like, for a process that a signal ended.
    pub fn signal(&self) -> Option<String> {
        match self {
            Self::Code(_) => None,
            Self::Signal(name) => Some(format!("SIG{name}")),
        }
    }
}

impl ExitStatus {
    /// From one number, as shells and container runtimes report it: `128 + n` means signal `n`. A program that ends with such
    /// a number by itself looks the same.
    pub fn of_number(number: u32) -> Self {
        match number.checked_sub(128).and_then(signal_name) {
            Some(name) => Self::Signal(name.to_owned()),
            None => Self::Code(number),
        }
    }

    /// The same, of what `sent` was sent to. Programs that handle a signal which asks them to end do so with its number, and others
    /// just have such a number. So one that can be handled is told only when it was sent from here; KILL, and what a crash is, always.
    pub fn reported(number: u32, sent: &[&str]) -> Self {
        match Self::of_number(number) {
            Self::Signal(name) if !FATAL.contains(&name.as_str()) && !sent.contains(&name.as_str()) => {
                Self::Code(number)
            }
            status => status,
        }
    }
}

/// No program ends by itself with the numbers of these.
const FATAL: [&str; 7] = ["KILL", "SEGV", "ABRT", "BUS", "ILL", "FPE", "SYS"];

const SIGNALS: [(&str, u32); 24] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

fn signal_name(number: u32) -> Option<&'static str> {
    SIGNALS.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

/// The POSIX number of a signal on Linux; 0 for one we do not know, so that the code is 128 and never success.
fn signal_number(name: &str) -> u32 {
    // OpenSSH sends signals it has no name for as `SIG@openssh.com`-suffixed extensions.
    let name = name.split('@').next().unwrap_or(name);
    SIGNALS.iter().find(|(known, _)| *known == name).map_or(0, |(_, number)| *number)
}

/// Where the time of one command went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timings {
    /// Waiting for a free channel.
    pub queued: Duration,
    /// Waiting for a connection that was being made for this command.
    pub connect: Duration,
    /// From opening the channel to its end.
    pub run: Duration,
}

/// The collected output of a command.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Both streams in arrival order, when asked for.
    pub all: Option<Vec<u8>>,
}

/// A command that ended by itself.
#[derive(Debug, Clone)]
pub struct Output {
    pub captured: Captured,
    pub status: ExitStatus,
    pub timings: Timings,
    pub duration: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_never_success() {
        assert_eq!(ExitStatus::Signal("KILL".into()).code(), 137);
        assert_eq!(ExitStatus::Signal("TERM".into()).signal().as_deref(), Some("SIGTERM"));
        assert_eq!(ExitStatus::Signal("NOSUCH".into()).code(), 128);
    }

    #[test]
    fn a_signal_that_can_be_handled_is_told_only_when_it_was_sent() {
        assert_eq!(ExitStatus::reported(143, &[]), ExitStatus::Code(143));
        assert_eq!(ExitStatus::reported(143, &["HUP", "TERM"]), ExitStatus::Signal("TERM".into()));
        assert_eq!(ExitStatus::reported(130, &["TERM"]), ExitStatus::Code(130));
        assert_eq!(ExitStatus::reported(137, &[]), ExitStatus::Signal("KILL".into()));
        assert_eq!(ExitStatus::reported(139, &[]), ExitStatus::Signal("SEGV".into()));
        assert_eq!(ExitStatus::reported(3, &["INT"]), ExitStatus::Code(3));
    }

    #[test]
    fn a_number_above_128_is_a_signal_where_there_is_one() {
        assert_eq!(ExitStatus::of_number(137), ExitStatus::Signal("KILL".into()));
        assert_eq!(ExitStatus::of_number(143).code(), 143);
        for code in [0, 1, 127, 128, 255] {
            assert_eq!(ExitStatus::of_number(code), ExitStatus::Code(code));
        }
    }

    #[test]
    fn a_code_is_itself() {
        assert_eq!(ExitStatus::Code(3).code(), 3);
        assert_eq!(ExitStatus::Code(3).signal(), None);
    }
}
