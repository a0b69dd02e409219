//! What a command is put into, so that it can be signalled, get variables that no process list shows, and see its stdin end.
//!
//! The API has no signals: a shell says its process id first (see [`Preamble`]) and then becomes the command. It has no
//! variables: where there is a stdin, they come as its first line, a text for `eval`. And up to v4 it cannot say that stdin
//! has ended: there, stdin comes as lines of base64, up to a line with a dot.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::refusal::{KubeRefusal, KubeRefusalKind};
use super::socket::Version;
use crate::error::{Error, Stream};
use crate::run::quote;
use crate::shell::Nonce;
use crate::shell::framing::Scanner;
use crate::transport::container::What;
use crate::transport::container::preamble::Preamble;

/// As much of stdin as one line holds.
const PIECE: usize = 48 * 1024;

/// How a command goes to a pod.
pub struct Gate {
    /// What the container runs.
    pub words: Vec<String>,
    /// Says its process id, if it has a shell.
    pub preamble: Preamble,
    /// stdin is to be attached.
    pub attach: bool,
    /// There is no shell that could help.
    bare: bool,
    /// The shell waits for a first line.
    waits: bool,
    /// For variables, and for nothing else: the command's own stdin is at its end.
    input: bool,
    exports: String,
    missing: Nonce,
}

impl Gate {
    /// `shell`: may the container's `sh` be used?
    pub fn new(what: &What, shell: bool) -> Result<Self, Error> {
        let terminal = what.pty.is_some();
        let missing = Nonce::fresh();
        let exports = exports(what);
        if !shell {
            return match without_shell(what) {
                None => Ok(plain(what, missing)),
                Some(refusal) => Err(refusal.error()),
            };
        }
        // A terminal echoes what is written to it, so nothing can be said before the command.
        let waits = !terminal && (what.has_input() || !what.env.is_empty());
        let changed = what.place.workdir.as_ref().map(|path| format!("cd {} || exit 1\n", quote(path)));
        let before = changed.unwrap_or_default();
        let before = if terminal { format!("{exports}{before}") } else { before };
        let line = String::from_utf8_lossy(&what.line).into_owned();
        let (text, rest) = match (&what.place.argv, waits) {
            (None, false) => (format!("{before}{line}"), Vec::new()),
            (Some(argv), false) => (format!("{before}exec \"$@\""), argv.clone()),
            (argv, true) => {
                let wait = format!("{before}IFS= read -r x_ || exit 1;eval \"$x_\"");
                let own = || vec!["sh".to_owned(), "-c".to_owned(), line, "sh".to_owned()];
                (wait, argv.clone().unwrap_or_else(own))
            }
        };
        let (text, preamble) = Preamble::before(&text, terminal);
        let mut words = vec!["sh".to_owned(), "-c".to_owned(), text];
        if !rest.is_empty() {
            words.push("sh".to_owned());
            words.extend(rest);
        }
        Ok(Self {
            words,
            preamble,
            attach: terminal || waits,
            bare: false,
            waits,
            input: what.has_input(),
            exports,
            missing,
        })
    }

    /// Could nobody say, over v4, that its stdin has ended?
    pub fn needs_v5(&self) -> bool {
        self.bare && self.input
    }

    /// The command's stdin is at its end from the beginning: over v4 nobody could say it later.
    pub fn detached(self) -> Self {
        Self { attach: false, input: false, ..self }
    }

    /// Does the container's shell come before the program?
    pub fn has_shell(&self) -> bool {
        !self.bare
    }

    /// What is written first, and how the rest is.
    pub fn open(&self, version: Version, terminal: bool) -> (Option<Bytes>, Spelling) {
        if terminal {
            return (None, Spelling::Typed { last: b'\n' });
        }
        if !self.waits {
            return (None, Spelling::Plain);
        }
        let (run, spelling) = match (self.input, version) {
            (false, _) => ("exec \"$@\" </dev/null".to_owned(), Spelling::Plain),
            (true, Version::V5) => ("exec \"$@\"".to_owned(), Spelling::Plain),
            (true, Version::V4) => (decoding(&self.missing), Spelling::Lines),
        };
        (Some(Bytes::from(format!("unset x_;{}{run}\n", self.exports))), spelling)
    }

    /// Looks for the word that stdin cannot be read.
    pub fn complaint(&self, spelling: Spelling) -> Option<Complaint> {
        (spelling == Spelling::Lines).then(|| Complaint { scanner: Scanner::new(&self.missing) })
    }
}

/// Why a container without a shell cannot be given this.
pub fn without_shell(what: &What) -> Option<KubeRefusal> {
    let refusal = |why, said: &str| Some(KubeRefusal::of_kind(why, 0, said));
    if what.place.argv.is_none() {
        return refusal(
            KubeRefusalKind::NoProgram,
            "The container has no sh, which command lines need: give the program and its arguments as an array",
        );
    }
    if !what.env.is_empty() {
        return refusal(
            KubeRefusalKind::NotSupported,
            "The container has no sh, without which a command cannot be given variables",
        );
    }
    if what.place.workdir.is_some() {
        return refusal(
            KubeRefusalKind::NotSupported,
            "The container has no sh, without which a command cannot be given a directory",
        );
    }
    None
}

/// A container without a shell gets the program alone.
fn plain(what: &What, missing: Nonce) -> Gate {
    Gate {
        words: what.place.argv.clone().unwrap_or_default(),
        preamble: Preamble::none(),
        attach: what.pty.is_some() || what.has_input(),
        bare: true,
        waits: false,
        input: what.has_input() && what.pty.is_none(),
        exports: String::new(),
        missing,
    }
}

/// On one line, whatever the values hold.
fn exports(what: &What) -> String {
    let mut text = String::new();
    if let Some(pty) = &what.pty {
        // The API tells a size only after the start.
        let (columns, rows) = (pty.columns, pty.rows);
        text.push_str(&format!("stty columns {columns} rows {rows} 2>/dev/null;export TERM={};", quote(&pty.term)));
    }
    let lines = what.env.iter().any(|(_, value)| value.contains('\n'));
    if lines {
        text.push_str("n_=$(printf '\\nx');n_=${n_%x};");
    }
    for (name, value) in &what.env {
        let value: Vec<String> = value.split('\n').map(quote).collect();
        text.push_str(&format!("export {name}={};", value.join("\"$n_\"")));
    }
    if lines {
        text.push_str("unset n_;");
    }
    text
}

/// The reader is a shell of its own, so that it has a process id to be ended by when the command reads no more: it says it
/// first, into the pipe. What it is ended by says nothing on stderr.
fn decoding(missing: &Nonce) -> String {
    let lacking = format!(r"printf '\001%s 0 n\n' {missing} >&2;exit 127;");
    // Signals go to the whole group: what the command may catch must not end the shells around it.
    let hold = "trap : HUP INT QUIT ALRM TERM USR1 USR2";
    let reader = r#"echo $$;while IFS= read -r l&&[ "$l" != . ];do printf %s "$l"|base64 -d||break;done"#;
    format!(
        "command -v base64 >/dev/null 2>&1||{{ {lacking} }};{hold};sh -c {} sh|{{ {hold};IFS= read -r p_;\"$@\";s_=$?;kill -PIPE \"$p_\" 2>/dev/null;exit $s_; }}",
        quote(reader)
    )
}

/// How stdin is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    Plain,
    /// By a person: the end is a key.
    Typed {
        last: u8,
    },
    /// Base64, with an end.
    Lines,
}

impl Spelling {
    /// What goes out for `data`.
    pub fn pieces(&mut self, data: &Bytes) -> Vec<Bytes> {
        match self {
            Self::Plain => data.chunks(PIECE).map(|piece| data.slice_ref(piece)).collect(),
            Self::Typed { last } => {
                *last = data.last().copied().unwrap_or(*last);
                vec![data.clone()]
            }
            Self::Lines => data.chunks(PIECE).map(|piece| Bytes::from(STANDARD.encode(piece) + "\n")).collect(),
        }
    }

    /// What says that there is no more; `None`: the protocol says it.
    pub fn end(self) -> Option<Bytes> {
        match self {
            Self::Plain => None,
            // On a line that has begun, the first one only ends that line.
            Self::Typed { last: b'\n' } => Some(Bytes::from_static(b"\x04")),
            Self::Typed { .. } => Some(Bytes::from_static(b"\x04\x04")),
            Self::Lines => Some(Bytes::from_static(b".\n")),
        }
    }
}

/// The pod says that it cannot decode stdin.
pub struct Complaint {
    scanner: Scanner,
}

impl Complaint {
    /// What of `data` is the command's own.
    pub fn pass(&mut self, stream: Stream, data: Bytes) -> Result<Bytes, Error> {
        if stream != Stream::Stderr || data.is_empty() {
            return Ok(data);
        }
        let mut own = Vec::new();
        let Ok(()) = self.scanner.push(&data, |bytes| {
            own.extend_from_slice(bytes);
            Ok::<(), std::convert::Infallible>(())
        });
        if self.scanner.end().is_none() {
            return Ok(own.into());
        }
        Err(KubeRefusal::of_kind(
            KubeRefusalKind::NotSupported,
            0,
            "This API server cannot say that stdin has ended (it speaks v4.channel.k8s.io only), and the container has no base64 to help with it",
        )
        .error())
    }

    /// What was held back, once nothing more comes.
    pub fn rest(&mut self) -> Bytes {
        self.scanner.finish().into()
    }
}
