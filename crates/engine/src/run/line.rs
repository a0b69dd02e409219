use crate::command::Command;

/// The text the remote shell gets: change directory, export variables, run the command.
///
/// A failing `cd` ends the shell with status 1 before the command is reached, whatever operators the command contains.
pub fn compose(command: &Command) -> Vec<u8> {
    compose_with(command, &command.env)
}

/// As [`compose`], where the variables reach the command in another way.
pub fn compose_without_env(command: &Command) -> Vec<u8> {
    compose_with(command, &[])
}

fn compose_with(command: &Command, env: &[(String, String)]) -> Vec<u8> {
    let mut line = String::new();
    if let Some(cwd) = &command.cwd {
        line.push_str("cd ");
        line.push_str(&quote_directory(cwd));
        line.push_str(" || exit 1\n");
    }
    for (name, value) in env {
        line.push_str("export ");
        line.push_str(name);
        line.push('=');
        line.push_str(&quote(value));
        line.push('\n');
    }
    line.push_str(&command.line);
    line.into_bytes()
}

/// One POSIX shell word: bare where that is safe, in single quotes otherwise.
pub fn quote(word: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(bare) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// `~` and `~/x` mean the remote home; a relative path can be taken neither for an option nor for a `CDPATH` entry.
fn quote_directory(path: &str) -> String {
    match path.strip_prefix('~') {
        Some("") => "\"$HOME\"".to_owned(),
        Some(rest) if rest.starts_with('/') => format!("\"$HOME\"{}", quote(rest)),
        _ if path.starts_with(['/', '.']) => quote(path),
        _ => quote(&format!("./{path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(cwd: Option<&str>, env: &[(&str, &str)], line: &str) -> String {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let command = Command { line: line.into(), cwd: cwd.map(Into::into), env, ..Command::default() };
        String::from_utf8(compose(&command)).unwrap()
    }

    #[test]
    fn a_plain_command_is_sent_as_it_is() {
        assert_eq!(composed(None, &[], "uptime; id"), "uptime; id");
    }

    #[test]
    fn a_failing_cd_never_reaches_the_command() {
        assert_eq!(composed(Some("/tmp/a b"), &[], "x; y"), "cd '/tmp/a b' || exit 1\nx; y");
    }

    #[test]
    fn variables_are_quoted() {
        assert_eq!(composed(None, &[("A", "it's"), ("B", "")], "x"), "export A='it'\\''s'\nexport B=''\nx");
    }

    #[test]
    fn home_is_expanded_and_nothing_else() {
        assert_eq!(quote_directory("~"), "\"$HOME\"");
        assert_eq!(quote_directory("~/my app"), "\"$HOME\"'/my app'");
        assert_eq!(quote_directory("~root"), "'./~root'");
        assert_eq!(quote_directory("$HOME"), "'./$HOME'");
    }

    #[test]
    fn a_relative_directory_is_neither_option_nor_cdpath_entry() {
        assert_eq!(quote_directory("-"), "./-");
        assert_eq!(quote_directory("src"), "./src");
        assert_eq!(quote_directory(".."), "..");
    }
}
