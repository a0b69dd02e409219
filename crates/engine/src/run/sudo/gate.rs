use bytes::Bytes;

use super::script::{BEGUN, MISSING, NO_PLACE};
use crate::error::Error;
use crate::transport::ssh::Secret;

/// The most that is kept of what sudo says.
const KEPT: usize = 16 * 1024;
/// The most of it that an error repeats.
const QUOTED: usize = 300;

/// Stands between a command's stderr and its caller until the command has begun. What comes before is sudo's: without the
/// mark, the status is sudo's too. The command cannot forge the mark, because it is only looked for until it has begun.
pub struct Gate {
    mark: Vec<u8>,
    /// Only to keep it out of errors.
    password: Option<Secret>,
    /// It stands before a terminal's only stream, where others than sudo are heard as well.
    terminal: bool,
    said: Vec<u8>,
    letter: Option<u8>,
}

impl Gate {
    /// `mark` is followed by a letter and a newline, which a terminal makes two characters of.
    pub fn new(mark: Vec<u8>, password: Option<Secret>, terminal: bool) -> Self {
        Self { mark, password, terminal, said: Vec::new(), letter: None }
    }

    /// What of it is the command's own.
    pub fn pass(&mut self, data: Bytes) -> Bytes {
        if self.letter == Some(BEGUN) {
            return data;
        }
        self.said.extend_from_slice(&data);
        let Some(at) = self.said.windows(self.mark.len()).position(|window| window == self.mark) else {
            let excess = self.said.len().saturating_sub(KEPT);
            self.said.drain(..excess);
            return Bytes::new();
        };
        let ([letter, b'\n', rest @ ..] | [letter, b'\r', b'\n', rest @ ..]) =
            self.said.get(at + self.mark.len()..).unwrap_or_default()
        else {
            return Bytes::new();
        };
        let (letter, rest) = (*letter, Bytes::copy_from_slice(rest));
        self.letter = Some(letter);
        self.said.truncate(at);
        if letter == BEGUN { rest } else { Bytes::new() }
    }

    pub fn has_begun(&self) -> bool {
        self.letter == Some(BEGUN)
    }

    /// Why the command has not begun, once its channel has ended; `None` when it has.
    pub fn refusal(&self) -> Option<Error> {
        let problem = match self.letter {
            Some(BEGUN) => return None,
            Some(MISSING) => {
                "the server has no sudo in the PATH of commands: install it, or run the command without".into()
            }
            Some(NO_PLACE) => {
                "no private directory for its files could be made: TMPDIR (/tmp) must be writable and allow programs"
                    .into()
            }
            _ => self.refused(),
        };
        Some(Error::Sudo { problem })
    }

    fn refused(&self) -> String {
        let advice = match &self.password {
            Some(_) => "check sudo.password, and the server's rules for this account and sudo.user",
            None => "give sudo.password, or allow the account to run it without one (NOPASSWD)",
        };
        match self.quote() {
            Some(words) => format!("it refused to run the command ({words}): {advice}"),
            None => format!("it refused to run the command: {advice}"),
        }
    }

    fn quote(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.said);
        // A terminal that was not quiet, whatever it was told, has shown the password in its own way.
        let sudos = |line: &&str| !line.is_empty() && (!self.terminal || line.starts_with("sudo:"));
        let lines: Vec<&str> = text.lines().map(str::trim).filter(sudos).collect();
        let words: String = lines.join("; ").chars().filter(|c| !c.is_control()).take(QUOTED).collect();
        let secret = self.password.as_ref().is_some_and(|password| text.contains(password.as_str()));
        (!words.is_empty() && !secret).then_some(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(password: Option<&str>) -> Gate {
        Gate::new(b"\x01word".to_vec(), password.map(|text| text.to_owned().into()), false)
    }

    #[test]
    fn what_comes_before_the_mark_is_not_the_commands() {
        for cut in 0..20 {
            let mut gate = gate(None);
            let all = b"lecture\n\x01words\nown".as_slice();
            let (first, second) = all.split_at(cut.min(all.len()));
            let mut own = gate.pass(Bytes::copy_from_slice(first)).to_vec();
            own.extend_from_slice(&gate.pass(Bytes::copy_from_slice(second)));
            assert_eq!(own, b"own", "cut at {cut}");
            assert!(gate.refusal().is_none());
        }
    }

    #[test]
    fn a_terminal_ends_its_lines_in_another_way_and_only_sudo_is_quoted() {
        let terminal = || Gate { terminal: true, ..gate(Some("hunter2")) };
        for cut in 0..12 {
            let mut gate = terminal();
            let all = b"shown\r\n\x01words\r\nown".as_slice();
            let (first, second) = all.split_at(cut.min(all.len()));
            let mut own = gate.pass(Bytes::copy_from_slice(first)).to_vec();
            own.extend_from_slice(&gate.pass(Bytes::copy_from_slice(second)));
            assert_eq!(own, b"own", "cut at {cut}");
        }
        let mut refused = terminal();
        refused.pass(Bytes::from_static(b"hunter2^H\r\nsudo: no\r\n"));
        let text = refused.refusal().unwrap().to_string();
        assert!(!text.contains("hunter"), "{text}");
    }

    #[test]
    fn once_begun_a_mark_is_output() {
        let mut gate = gate(None);
        gate.pass(Bytes::from_static(b"\x01words\n"));
        assert_eq!(gate.pass(Bytes::from_static(b"\x01wordm\n")), "\x01wordm\n");
        assert!(gate.refusal().is_none());
    }

    #[test]
    fn a_refusal_says_what_sudo_said_and_never_the_password() {
        let mut refused = gate(Some("hunter2"));
        refused.pass(Bytes::from_static(b"sudo: 1 incorrect password attempt\n"));
        assert!(refused.refusal().unwrap().to_string().contains("(sudo: 1 incorrect password attempt)"));
        refused.pass(Bytes::from_static(b"you said hunter2\n"));
        assert!(!refused.refusal().unwrap().to_string().contains("hunter2"));
    }

    #[test]
    fn missing_is_told_from_refused() {
        let mut gate = gate(None);
        gate.pass(Bytes::from_static(b"\x01wordm\n"));
        assert!(gate.refusal().unwrap().to_string().contains("no sudo"));
    }

    #[test]
    fn endless_talk_is_not_kept() {
        let mut gate = gate(None);
        for _ in 0..100 {
            gate.pass(Bytes::from(vec![b'x'; 4096]));
        }
        assert!(gate.said.len() <= KEPT);
        assert_eq!(gate.pass(Bytes::from_static(b"\x01words\nown")), "own");
    }
}
