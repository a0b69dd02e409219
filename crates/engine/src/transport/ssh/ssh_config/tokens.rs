use sha1::{Digest, Sha1};

use super::local::Local;
use super::problem::Problem;

/// What the tokens of a configuration stand for.
#[derive(Debug, Clone, Default)]
pub struct Tokens<'a> {
    /// `%h`: where we connect to.
    pub host: &'a str,
    /// `%n`: as it was asked for.
    pub original: &'a str,
    pub port: u16,
    /// `%r`
    pub user: &'a str,
    /// `%k`, if it differs from `%n`.
    pub key_alias: Option<&'a str>,
    /// `%j`
    pub jump: &'a str,
}

/// Which tokens are known where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    All,
    /// Those of commands and jumps.
    Route,
}

impl Tokens<'_> {
    /// Replaces every `%x`. With `variables`, also `${NAME}` by the environment's.
    pub fn expand(&self, text: &str, known: Known, local: &Local, variables: bool) -> Result<String, Problem> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['%', '$']) {
            let (plain, special) = rest.split_at(at);
            expanded.push_str(plain);
            if variables && let Some(name) = special.strip_prefix("${") {
                let (name, tail) = name.split_once('}').ok_or_else(|| "'${' is not closed".to_owned())?;
                expanded.push_str(&variable(name)?);
                rest = tail;
            } else if let Some(token) = special.strip_prefix('%') {
                let token = token.chars().next().ok_or_else(|| "it ends in the middle of a token".to_owned())?;
                expanded.push_str(
                    &self.token(token, known, local).ok_or_else(|| format!("'%{token}' means nothing here"))?,
                );
                rest = special.get(1 + token.len_utf8()..).unwrap_or_default();
            } else {
                expanded.push('$');
                rest = special.get(1..).unwrap_or_default();
            }
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    /// As [`expand`](Self::expand), for a line that a shell will read: what is filled in must not mean anything to it.
    pub fn expand_command(&self, text: &str, known: Known, local: &Local) -> Result<String, Problem> {
        let alias = self.key_alias.unwrap_or(self.original);
        let names = [
            ("%h", "host", self.host),
            ("%n", "host", self.original),
            ("%r", "username", self.user),
            ("%k", "alias", alias),
        ];
        for (token, name, value) in names {
            if text.contains(token) && !shell_safe(value) {
                return Err(format!("the {name} has characters that a shell would act on"));
            }
        }
        self.expand(text, known, local, false)
    }

    fn token(&self, token: char, known: Known, local: &Local) -> Option<String> {
        let route = match token {
            '%' => Some("%".to_owned()),
            'h' => Some(self.host.to_owned()),
            'n' => Some(self.original.to_owned()),
            'p' => Some(self.port.to_string()),
            'r' => Some(self.user.to_owned()),
            'k' => Some(self.key_alias.unwrap_or(self.original).to_owned()),
            _ => None,
        };
        match (route, known) {
            (Some(value), _) => Some(value),
            (None, Known::Route) => None,
            (None, Known::All) => self.local_token(token, local),
        }
    }

    fn local_token(&self, token: char, local: &Local) -> Option<String> {
        Some(match token {
            'u' => local.user.clone(),
            'd' => local.home.to_string_lossy().into_owned(),
            'i' => local.uid.to_string(),
            'l' => local.host_name.clone(),
            'L' => local.host_name.split('.').next().unwrap_or_default().to_owned(),
            'j' => self.jump.to_owned(),
            'C' => self.connection_hash(local),
            _ => return None,
        })
    }

    /// `%C`: SHA-1 over `%l%h%p%r%j`.
    fn connection_hash(&self, local: &Local) -> String {
        let port = self.port.to_string();
        let mut hash = Sha1::new();
        for part in [local.host_name.as_str(), self.host, &port, self.user, self.jump] {
            hash.update(part.as_bytes());
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn variable(name: &str) -> Result<String, Problem> {
    let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !valid {
        return Err("'${}' needs a variable's name".to_owned());
    }
    std::env::var(name).map_err(|_| format!("the environment has no variable {name}"))
}

/// A host or user name that no shell would take for anything else.
pub fn shell_safe(name: &str) -> bool {
    !name.starts_with('-')
        && !name.chars().any(|c| c.is_whitespace() || c.is_control() || "'`\"$\\;&<>|(){}*?!#~^".contains(c))
}
