//! The words that shells of the Bourne family share: sh, dash, bash, zsh, busybox ash.
//!
//! Two descriptors of the shell keep its real streams, 8 for stdout and 9 for stderr, while its own stderr is nowhere: what
//! the shell itself has to say (`Killed`, traces) must not get between the marks. Everything in here is done by builtins,
//! so that a command costs one fork, its own.

use super::nonce::Nonce;

/// What a shell says after a command of which nothing is left; anything else means that something may hold its streams.
pub const CLEAN: u8 = b'c';

/// How to talk to a shell, by the letter in its first mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Ends what the shell is to do.
    go: u8,
    /// It can tell whether a command has left something behind.
    pub isolates: bool,
}

impl Dialect {
    pub fn by_letter(letter: u8) -> Option<Self> {
        let go = if letter.is_ascii_uppercase() { 0 } else { b'\n' };
        match letter.to_ascii_lowercase() {
            b'p' => Some(Self { go, isolates: true }),
            b's' => Some(Self { go, isolates: false }),
            _ => None,
        }
    }

    fn finish(self, text: String) -> Vec<u8> {
        let mut bytes = text.into_bytes();
        bytes.push(self.go);
        bytes
    }
}

/// One POSIX shell word in single quotes, whatever it holds.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `printf` makes the mark of its parts, so that the text of the command itself, echoed by whatever, is no mark.
fn print_mark(nonce: &str, number: &str, letter: &str) -> String {
    let mark = format!(r"\printf '\001%s %s %s\n' {nonce} {number} {letter}");
    format!("{mark} >&8;{mark} >&9")
}

/// Which shell reads the first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// An account's login shell, of whatever family.
    Login,
    /// `sh`, by that name.
    Plain,
}

/// The command line that makes a shell of the first one. Shells of other families fail at its first word, and so no mark
/// ever comes.
///
/// A plain shell is replaced by one that reads its commands in blocks. bash and zsh have read their start files, whose
/// functions and options commands may rely on, so these stay, and read what they are to do up to the next NUL.
pub fn start(nonce: &Nonce, first: First) -> Vec<u8> {
    let (name, again) = match first {
        First::Login => ("${SHELL##*/}", "\"$SHELL\""),
        First::Plain => ("sh", "sh"),
    };
    let hello = print_mark(&nonce.to_string(), "$$", "$__xec_can");
    format!(
        r#"case "{name}" in sh|dash|ash) __xec_can=s;; bash|zsh) __xec_can=S;; *) exit 97;; esac
exec 8>&1 9>&2 2>/dev/null
if \read -r __xec_a __xec_a __xec_a __xec_a __xec_b </proc/loadavg && [ "$__xec_b" -gt 0 ] && [ -r /proc/1/stat ] && case $- in *[ef]*) false;; esac && [ -r /proc/$$/fd ] && [ /proc/$$/fd/8 -ef /proc/self/fd/8 ]; then case "$__xec_can" in s) __xec_can=p;; S) __xec_can=P;; esac; fi
{hello}
case "$__xec_can" in P|S) while IFS= \read -r -d '' __xec; do \eval "$__xec"; done;; *) exec {again} -s;; esac"#
    )
    .into_bytes()
}

/// The same for what sudo runs, which is `/bin/sh`, whatever the other user's login shell is.
pub fn start_elevated(nonce: &Nonce) -> Vec<u8> {
    let mut text = b"SHELL=/bin/sh; export SHELL\n".to_vec();
    text.extend_from_slice(&start(nonce, First::Login));
    text
}

/// What a shell is to know before its first isolated command: as functions, because bash and zsh read what they are to do
/// byte by byte. A command runs in a subshell and can change none of them.
///
/// - `__xec_look`: which process was the last one made?
/// - `__xec_hide`: nothing of ours is a command's business.
/// - `__xec_over NONCE`, right behind a command: what is left of it, and the mark. Two process ids in a row mean that nothing
///   but the subshell itself was made.
/// - `__xec_scan FIRST LAST`: is a process left that was made after FIRST and may hold the shell's streams? It looks at every
///   process id up to LAST, and goes on while new ones are made, because a process may end as soon as it has made another.
///   One of this session is the command's, and counts whatever it holds: it may be about to move a stream to a descriptor
///   that was looked at before. Of others the descriptors count, looked at twice for the same reason, or that they are
///   orphans where those cannot be read: what `root` points to takes the same right as what a descriptor points to. It gives
///   up, and says yes, where the machine makes processes faster than it can look.
pub fn prepare(dialect: Dialect) -> Vec<u8> {
    let mark = print_mark("\"$1\"", "$__xec_c", "$__xec_e");
    dialect.finish(format!("{WORDS}\n{mark}; }}\n{SCAN}"))
}

/// Up to where `__xec_over` makes the mark.
const WORDS: &str = r#"__xec_look() { \read -r __xec_a __xec_a __xec_a __xec_a __xec_b </proc/loadavg; }
__xec_hide() { \unset __xec __xec_a __xec_b __xec_c __xec_d __xec_e __xec_f __xec_l __xec_n __xec_p __xec_s __xec_sid __xec_can; }
__xec_over() { __xec_c=$?;__xec_e=c
\read -r __xec_a __xec_a __xec_a __xec_a __xec_d </proc/loadavg;[ "$((__xec_d-__xec_b))" = 1 ] || __xec_scan "$__xec_b" "$__xec_d""#;

const SCAN: &str = r#"__xec_scan() {
[ -n "${ZSH_VERSION-}" ] && \emulate -L sh
__xec_n=0
while :; do
__xec_n=$((__xec_n+1))
if [ "$2" -lt "$1" ] || [ $(($2-$1)) -gt 5000 ] || [ "$__xec_n" -gt 100 ]; then __xec_e=d; return 0; fi
__xec_p=$1
while [ "$__xec_p" -lt "$2" ]; do
__xec_p=$((__xec_p+1))
\read -r __xec_f </proc/$__xec_p/stat || continue
__xec_f=${__xec_f##*\) }; case $__xec_f in Z*) continue;; esac
__xec_f=${__xec_f#* }; __xec_s=${__xec_f#* }; __xec_s=${__xec_s#* }
if [ "${__xec_s%% *}" = "$__xec_sid" ]; then __xec_e=d; return 0; fi
if [ -r /proc/$__xec_p/fd ] && [ -e /proc/$__xec_p/root ]; then
for __xec_l in 1 2; do
for __xec_s in /proc/$__xec_p/fd/*; do
if [ "$__xec_s" -ef /proc/$$/fd/8 ] || [ "$__xec_s" -ef /proc/$$/fd/9 ]; then __xec_e=d; return 0; fi
done
done
elif [ "${__xec_f%% *}" -le 1 ]; then __xec_e=d; return 0; fi
done
\read -r __xec_a __xec_a __xec_a __xec_a __xec_f </proc/loadavg || { __xec_e=d; return 0; }
[ "$__xec_f" = "$2" ] && return 0
set -- "$2" "$__xec_f"
done
}
\read -r __xec_f </proc/$$/stat; __xec_f=${__xec_f##*\) }; __xec_f=${__xec_f#* * * }; __xec_sid=${__xec_f%% *}"#;

/// One command that leaves nothing behind: in a subshell, as quoted data, so that nothing in it can reach beyond it.
pub fn isolated(dialect: Dialect, line: &str, nonce: &Nonce) -> Vec<u8> {
    let command = quote(line);
    dialect.finish(format!(
        r"{{ __xec_look;(__xec_hide;\eval {command}) </dev/null >&8 2>&9 8>&- 9>&-;__xec_over {nonce};}}"
    ))
}

/// One command of a session: in the shell itself, which keeps what the command does to it. Where its stdin cannot be opened,
/// it does not run; the braces around it keep such a failure from ending the shell, as one of a special builtin would.
pub fn lasting(dialect: Dialect, line: &str, stdin: Option<&str>, nonce: &Nonce) -> Vec<u8> {
    let command = quote(line);
    let mark = print_mark(&nonce.to_string(), "$__xec_c", "c");
    let run = match stdin {
        Some(path) => format!(r"{{ \eval {command}; }} <{} >&8 2>&9 8>&- 9>&-", quote(path)),
        None => format!(r"\eval {command} </dev/null >&8 2>&9 8>&- 9>&-"),
    };
    dialect.finish(format!("{{ {run};__xec_c=$?\n{mark};}}"))
}

/// What a command's stdin goes through: it is written into a FIFO, which has no name any more once both sides have opened it.
/// Says that it is ready when there is one, and that it is open when the command has opened it.
pub fn feeder(path: &str, ready: &Nonce, open: &Nonce) -> Vec<u8> {
    let say = |nonce: &Nonce| format!(r"printf '\001%s 0 c\n' {nonce}");
    let (path, ready, open) = (quote(path), say(ready), say(open));
    let script = format!(
        r#"mkfifo -m 600 {path} || exit 97
trap 'rm -f {path}' EXIT
trap 'exit 98' HUP INT TERM
{ready}
exec 7>{path}
rm -f {path}
trap - EXIT HUP INT TERM
{open}
exec cat >&7 7>&-"#
    );
    format!("exec /bin/sh -c {}", quote(&script)).into_bytes()
}
