//! The words of the two shells around a command that sudo runs. They are read by `/bin/sh`, whatever the login shell is.
//!
//! The outer one is the login user's: it takes the password from its stdin and feeds it to sudo. The inner one is what sudo
//! runs: it says that it has begun, then becomes the command. `@MARK@` is the mark; its letter says what it means.

use crate::run::line::quote;

/// The command has begun: all that follows is its own.
pub const BEGUN: u8 = b's';
/// There is no sudo.
pub const MISSING: u8 = b'm';
/// There is no directory for the files it takes.
pub const NO_PLACE: u8 = b't';

/// `$1` is the inner shell's text, `$2` the command's. The password stays in an unexported variable until it is fed.
const READ_PASSWORD: &str = "IFS= read -r p\n";

/// A directory that others may enter but not list. Its `$l` is a FIFO which this shell alone holds open for as long as it
/// lives; the name came by stdin, so nobody else knows it. `o` is another one: when this shell is gone, however it went, it
/// ends, and the directory is removed.
const PLACE: &str = r#"IFS= read -r l
say() { printf '@MARK@'"$1"'\n' >&2; exit 1; }
command -v sudo >/dev/null 2>&1 || say m
u=$(umask); umask 077
d=$(mktemp -d "${TMPDIR:-/tmp}/xec-sudo.XXXXXXXXXX") || say t
mkfifo "$d/o" "$d/$l" && chmod 606 "$d/$l" && chmod 711 "$d" || { rm -rf "$d"; say t; }
exec 7<>"$d/o" 6<"$d/o"
(trap '' HUP INT QUIT TERM USR1 USR2 ALRM PIPE; exec 7>&-; read -r x <&6; rm -rf "$d") </dev/null >/dev/null 2>&1 &
exec 6<&- 8<>"$d/$l"
"#;

/// sudo asks a program, which takes the password from a FIFO that only its owner can open, once: asked again, it has nothing
/// to say, and sudo gives up. No file ever holds the password.
const ASKPASS: &str = r#"printf '%s\n' '#!/bin/sh' 'cd "${0%/*}" && [ -p p ] && exec 3<>p 4<p 3>&- && rm -f p && IFS= read -r x <&4 && printf "%s\n" "$x"' >"$d/a"
mkfifo "$d/p" && chmod 700 "$d/a" && [ -x "$d/a" ] || { rm -rf "$d"; say t; }
exec 9<>"$d/p"
printf '%s\n' "$p" >&9
unset p
export SUDO_ASKPASS="$d/a"
set -- -A "$@"
"#;

/// The password first, with a stdin of its own that holds nothing else; then sudo remembers it for this shell's next one.
const VALIDATE: &str = r#"printf '%s\n' "$p" | sudo -S -p '' -v @USER@ >/dev/null 7>&- 8>&- || { rm -rf "$d"; exit 1; }
unset p
set -- -n "$@"
"#;

const NO_PASSWORD: &str = "set -- -n \"$@\"\n";

const RUN: &str = r#"umask "$u"
sudo "$1" -H @USER@ -- /bin/sh -c "$2" xec "$d" "$3" 7>&- 8>&- 9>&-
s=$?
echo done >&8
rm -rf "$d"
exit "$s"
"#;

/// `$1` is the directory, `$2` the command. Nobody but root may send a signal to what sudo runs, so it watches for itself: when
/// the FIFO ends before it has said `done`, the outer shell was killed, and the command is too.
const INNER: &str = r#"IFS= read -r l
if [ -w "$1/$l" ]; then
exec 8<>"$1/$l" 7<"$1/$l" 8>&-
( (trap '' HUP INT QUIT TERM USR1 USR2 ALRM PIPE; read -r x <&7; [ "$x" = done ] || { kill -s TERM 0; sleep 2; kill -s KILL 0; }) </dev/null >/dev/null 2>&1 & )
exec 7<&-
fi
unset l
@LOUD@printf '@MARK@s\n' >&2
exec /bin/sh -c "$2"
"#;

/// How sudo gets to know the password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Feeding {
    Askpass,
    Validated,
    Nothing,
}

pub fn outer(feeding: Feeding, user: &str, mark: &str) -> String {
    let (read, feed) = match feeding {
        Feeding::Askpass => (READ_PASSWORD, ASKPASS),
        Feeding::Validated => (READ_PASSWORD, VALIDATE),
        Feeding::Nothing => ("", NO_PASSWORD),
    };
    [read, PLACE, feed, RUN].concat().replace("@USER@", &format!("-u {}", quote(user))).replace("@MARK@", mark)
}

/// The terminal has taken the password and the words without showing them; now it is the command's.
const LOUD: &str = "stty sane\n";

pub fn inner(terminal: bool, mark: &str) -> String {
    INNER.replace("@LOUD@", if terminal { LOUD } else { "" }).replace("@MARK@", mark)
}
