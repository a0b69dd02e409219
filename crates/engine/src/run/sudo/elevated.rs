use bytes::Bytes;
use zeroize::Zeroizing;

use super::gate::Gate;
use super::script::{Feeding, inner, outer};
use crate::command::{Sudo, SudoMethod};
use crate::run::line::quote;
use crate::shell::Nonce;

/// One attempt to run a command by sudo. Each has words of its own that nobody can guess.
pub struct Elevated<'a> {
    sudo: &'a Sudo,
    terminal: bool,
    mark: Nonce,
    /// Of the FIFO that both shells know.
    fifo: Nonce,
}

impl<'a> Elevated<'a> {
    /// `terminal`: the command has one, which began quietly.
    pub fn new(sudo: &'a Sudo, terminal: bool) -> Self {
        Self { sudo, terminal, mark: Nonce::fresh(), fifo: Nonce::fresh() }
    }

    /// The text for the login shell. It holds no secret of ours: everybody on the server can read it.
    pub fn line(&self, command: &[u8]) -> Vec<u8> {
        let mark = format!(r"\001{}", self.mark);
        let outer = quote(&outer(self.feeding(), &self.sudo.user, &mark));
        let inner = quote(&inner(self.terminal, &mark));
        let command = quote(&String::from_utf8_lossy(command));
        format!("exec /bin/sh -c {outer} xec {inner} {command}").into_bytes()
    }

    /// What goes before the command's own stdin; the shells read it line by line, byte by byte, and no further.
    pub fn before_stdin(&self) -> Bytes {
        let fifo = self.fifo.to_string();
        let mut lines = Zeroizing::new(Vec::with_capacity(2048));
        let password = self.sudo.password.as_ref().map(|password| password.as_bytes());
        for line in password.into_iter().chain([fifo.as_bytes(), fifo.as_bytes()]) {
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
        Bytes::from_owner(lines)
    }

    pub fn gate(&self) -> Gate {
        let mut mark = vec![1];
        mark.extend_from_slice(self.mark.as_bytes());
        Gate::new(mark, self.sudo.password.clone(), self.terminal)
    }

    fn feeding(&self) -> Feeding {
        match (&self.sudo.password, self.sudo.method) {
            (None, _) => Feeding::Nothing,
            (Some(_), SudoMethod::Askpass) => Feeding::Askpass,
            (Some(_), SudoMethod::Stdin) => Feeding::Validated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sudo(password: Option<&str>, method: SudoMethod) -> Sudo {
        Sudo { user: "www-data".into(), password: password.map(|text| text.to_owned().into()), method }
    }

    #[test]
    fn the_line_holds_no_secret_and_stdin_holds_them_all() {
        for method in [SudoMethod::Askpass, SudoMethod::Stdin] {
            let sudo = sudo(Some("hunter2"), method);
            let elevated = Elevated::new(&sudo, false);
            let line = String::from_utf8(elevated.line(b"id")).unwrap();
            assert!(!line.contains("hunter2") && !line.contains(&elevated.fifo.to_string()), "{line}");
            assert!(line.contains("-u www-data --"));
            let fifo = elevated.fifo.to_string();
            assert_eq!(elevated.before_stdin(), format!("hunter2\n{fifo}\n{fifo}\n"));
        }
    }

    #[test]
    fn without_a_password_none_is_read() {
        let sudo = sudo(None, SudoMethod::Askpass);
        let elevated = Elevated::new(&sudo, false);
        assert!(!String::from_utf8(elevated.line(b"id")).unwrap().contains("read -r p\n"));
        assert_eq!(elevated.before_stdin(), format!("{0}\n{0}\n", elevated.fifo));
    }

    #[test]
    fn its_debug_text_hides_the_password() {
        assert!(!format!("{:?}", sudo(Some("hunter2"), SudoMethod::Stdin)).contains("hunter2"));
    }
}
