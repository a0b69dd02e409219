//! Where a control socket is: `controlPath` with its tokens, as `ssh` expands them.

use std::fmt::Write;
use std::path::PathBuf;

use nix::unistd::{Uid, User, gethostname};
use sha1::{Digest, Sha1};

/// What the tokens stand for.
pub struct Facts<'a> {
    pub host: &'a str,
    pub port: u16,
    pub username: &'a str,
    local: Local,
}

/// About this machine and the user we run as.
struct Local {
    hostname: String,
    username: String,
    home: String,
    uid: u32,
}

impl<'a> Facts<'a> {
    pub fn new(host: &'a str, port: u16, username: &'a str) -> Self {
        Self { host, port, username, local: Local::find() }
    }

    /// The path that `template` stands for; what is wrong with it otherwise.
    pub fn expand(&self, template: &str) -> Result<PathBuf, String> {
        let template = self.expand_tilde(&expand_variables(template)?)?;
        let mut path = String::with_capacity(template.len());
        let mut characters = template.chars();
        while let Some(character) = characters.next() {
            if character == '%' {
                let token = characters.next().ok_or("it ends in the middle of a token")?;
                path.push_str(&self.token(token)?);
            } else {
                path.push(character);
            }
        }
        Ok(path.into())
    }

    fn token(&self, token: char) -> Result<String, String> {
        Ok(match token {
            '%' => "%".to_owned(),
            // `ssh` tells the name that was given from the address that its configuration makes of it; a target has one.
            'h' | 'n' | 'k' => self.host.to_owned(),
            'p' => self.port.to_string(),
            'r' => self.username.to_owned(),
            'u' => self.local.username.clone(),
            'd' => self.local.home.clone(),
            'i' => self.local.uid.to_string(),
            'l' => self.local.hostname.clone(),
            'L' => self.local.short_hostname().to_owned(),
            'C' => self.hash(),
            // The jump host, in newer versions of `ssh`: what comes through one is not known here.
            'j' => String::new(),
            other => return Err(format!("there is no token %{other}")),
        })
    }

    /// Of what tells connections apart, for paths that would be too long otherwise.
    fn hash(&self) -> String {
        let text = format!("{}{}{}{}", self.local.hostname, self.host, self.port, self.username);
        Sha1::digest(text).iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    fn expand_tilde(&self, path: &str) -> Result<String, String> {
        let Some(rest) = path.strip_prefix('~') else { return Ok(path.to_owned()) };
        let (name, rest) = rest.split_once('/').map_or((rest, None), |(name, rest)| (name, Some(rest)));
        let home = if name.is_empty() { self.local.home.clone() } else { home_of(name)? };
        Ok(rest.map_or_else(|| home.clone(), |rest| format!("{}/{rest}", home.trim_end_matches('/'))))
    }
}

impl Local {
    /// From the system's own account of us, as `ssh` does: the environment may say anything.
    fn find() -> Self {
        let uid = Uid::current();
        let user = User::from_uid(uid).ok().flatten();
        let hostname = gethostname().map(|name| name.to_string_lossy().into_owned());
        let (username, home) = match user {
            Some(user) => (user.name, user.dir.to_string_lossy().into_owned()),
            // A user id without an account, usual in containers.
            None => (std::env::var("USER").unwrap_or_default(), std::env::var("HOME").unwrap_or_default()),
        };
        Self { hostname: hostname.unwrap_or_default(), username, home, uid: uid.as_raw() }
    }

    fn short_hostname(&self) -> &str {
        self.hostname.split('.').next().unwrap_or_default()
    }
}

fn home_of(name: &str) -> Result<String, String> {
    let user = User::from_name(name).ok().flatten().ok_or_else(|| format!("there is no user {name}"))?;
    Ok(user.dir.to_string_lossy().into_owned())
}

/// `${NAME}`; one that is not set is an error, as for `ssh`.
fn expand_variables(template: &str) -> Result<String, String> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("a ${ has no }")?;
        text.push_str(before);
        text.push_str(&std::env::var(name).map_err(|_| format!("the variable {name} is not set"))?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn expand(template: &str) -> Result<PathBuf, String> {
        Facts::new("build.example.org", 2222, "deploy").expand(template)
    }

    /// What the real `ssh` makes of it.
    fn ssh_expands(template: &str) -> PathBuf {
        let path = format!("ControlPath={template}");
        let arguments = ["-G", "-F", "none", "-o", &path, "-p", "2222", "deploy@build.example.org"];
        let output = Command::new("ssh").args(arguments).output().expect("the tests need ssh");
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("controlpath ")).expect("ssh -G names the path");
        line.into()
    }

    #[test]
    fn expands_as_ssh_does() {
        for template in [
            "/tmp/cm_%r@%h:%p",
            "~/.ssh/cm_%C",
            "%d/.ssh/%u-%i",
            "/tmp/%n-%k-%l-%L",
            "/tmp/100%%-%%h",
            "~root/x-%p",
            "relative/%h",
            "/tmp/a~b",
            "${PATH}/%h",
        ] {
            assert_eq!(expand(template).unwrap(), ssh_expands(template), "{template}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(expand("/tmp/%x").unwrap_err(), "there is no token %x");
        assert_eq!(expand("/tmp/%").unwrap_err(), "it ends in the middle of a token");
        assert_eq!(expand("/tmp/${XEC_SURELY_NOT_SET}").unwrap_err(), "the variable XEC_SURELY_NOT_SET is not set");
        assert_eq!(expand("/tmp/${X").unwrap_err(), "a ${ has no }");
        assert_eq!(expand("~no-such-user-here/x").unwrap_err(), "there is no user no-such-user-here");
    }

    #[test]
    fn what_a_token_stands_for_is_not_expanded_again() {
        let facts = Facts::new("%p", 22, "~");
        assert_eq!(facts.expand("/tmp/%h-%r").unwrap(), Path::new("/tmp/%p-~"));
    }
}
