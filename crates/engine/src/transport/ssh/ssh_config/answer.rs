//! What comes of the settings when all files are read: tokens replaced, defaults filled in.

use super::hop::HopAddress;
use super::problem::Problem;
use super::resolve::{Reading, Which};
use super::resolved::{AgentChoice, Resolved, Via};
use super::settings::Settings;
use super::tokens::{Known, Tokens};
use crate::error::Error;

impl Reading<'_> {
    /// `HostName` with its one token; without it, the name as it was asked for.
    pub(super) fn host_name(&self) -> Result<String, Problem> {
        let Some(name) = &self.settings.host_name else { return Ok(canonical(&self.host)) };
        let mut expanded = String::new();
        let mut chars = name.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                expanded.push(c);
                continue;
            }
            match chars.next() {
                Some('h') => expanded.push_str(&self.host),
                Some('%') => expanded.push('%'),
                _ => return Err(format!("HostName '{name}': it knows only %h and %%")),
            }
        }
        Ok(canonical(&expanded))
    }

    pub(super) fn tokens<'b>(&'b self, jump: &'b str) -> Tokens<'b> {
        Tokens {
            host: &self.host,
            original: &self.query.host,
            port: self.settings.port.unwrap_or(22),
            user: self.settings.user.as_deref().unwrap_or(&self.local.user),
            key_alias: self.settings.host_key_alias.as_deref(),
            jump,
        }
    }

    /// An error that no single line is to blame for.
    pub(super) fn about_names(&self, problem: Problem) -> Error {
        let place = match &self.query.which {
            Which::Standard => "~/.ssh/config".to_owned(),
            Which::File(path) => path.display().to_string(),
        };
        Error::SshConfig { place, problem: format!("{problem}, for host {}", self.query.host), source: None }
    }

    pub(super) fn finish(&self) -> Result<Resolved, Problem> {
        let Settings { user, port, .. } = &self.settings;
        let jump = self.jump_text();
        let tokens = self.tokens(&jump);
        let paths = |files: &[String]| files.iter().map(|file| self.path(file, &tokens)).collect::<Result<Vec<_>, _>>();
        Ok(Resolved {
            host_name: self.host.clone(),
            port: tokens.port,
            user: tokens.user.to_owned(),
            port_given: port.is_some(),
            user_given: user.is_some(),
            identity_files: paths(&without_none(&self.settings.identity_files))?,
            certificate_files: paths(&without_none(&self.settings.certificate_files))?,
            identities_only: self.settings.identities_only,
            identity_agent: self.agent(&tokens)?,
            via: self.via(&tokens)?,
            known_hosts: self.settings.known_hosts.as_deref().map(paths).transpose()?,
            // Taken as it stands, also by `ssh`.
            global_known_hosts: self.settings.global_known_hosts.clone(),
            host_key_checking: self.settings.host_key_checking,
            host_key_alias: self.settings.host_key_alias.as_ref().map(|alias| alias.to_ascii_lowercase()),
            alive_interval: self.settings.alive_interval,
            alive_count_max: self.settings.alive_count_max,
            connect_timeout: self.settings.connect_timeout.filter(|limit| !limit.is_zero()),
            control_master: self.settings.control_master,
            control_path: self.control_path(&tokens)?,
            control_persist: self.settings.control_persist,
        })
    }

    fn path(&self, file: &str, tokens: &Tokens<'_>) -> Result<String, Problem> {
        let path = self.local.expand_tilde(file).ok_or_else(|| format!("'{file}' names a user who does not exist"))?;
        tokens.expand(&path, Known::All, self.local, true).map_err(|problem| format!("'{file}': {problem}"))
    }

    /// Where there are no such sockets, it says nothing.
    fn control_path(&self, tokens: &Tokens<'_>) -> Result<Option<String>, Problem> {
        match self.settings.control_path.as_deref().filter(|_| cfg!(unix)) {
            None => Ok(None),
            Some(none) if none.eq_ignore_ascii_case("none") => Ok(Some("none".to_owned())),
            Some(path) => self.path(path, tokens).map(Some),
        }
    }

    fn agent(&self, tokens: &Tokens<'_>) -> Result<Option<AgentChoice>, Problem> {
        let Some(agent) = &self.settings.identity_agent else { return Ok(None) };
        Ok(Some(match agent.as_str() {
            "none" => AgentChoice::None,
            "SSH_AUTH_SOCK" => AgentChoice::Environment,
            path => match path.strip_prefix('$').filter(|name| !name.starts_with('{')) {
                // The older way to name a variable: unset, there is no agent.
                Some(name) => std::env::var(name).map_or(AgentChoice::None, AgentChoice::Socket),
                None => AgentChoice::Socket(self.path(path, tokens)?),
            },
        }))
    }

    fn via(&self, tokens: &Tokens<'_>) -> Result<Option<Via>, Problem> {
        let Settings { jump, command, .. } = &self.settings;
        if let Some(hops) = jump.as_deref().filter(|hops| !hops.is_empty()) {
            let hops = hops.iter().map(|hop| self.hop(hop, tokens)).collect::<Result<Vec<_>, Problem>>()?;
            return Ok(Some(Via::Jump(hops)));
        }
        let Some(command) = command.as_deref().filter(|command| !command.eq_ignore_ascii_case("none")) else {
            return Ok(None);
        };
        let command = tokens
            .expand_command(command, Known::Route, self.local)
            .map_err(|problem| format!("ProxyCommand: {problem}"))?;
        Ok(Some(Via::Command(command)))
    }

    fn hop(&self, hop: &HopAddress, tokens: &Tokens<'_>) -> Result<HopAddress, Problem> {
        let expand = |text: &str| tokens.expand(text, Known::Route, self.local, false);
        Ok(HopAddress { host: expand(&hop.host)?, user: hop.user.as_deref().map(expand).transpose()?, port: hop.port })
    }

    /// `%j`
    fn jump_text(&self) -> String {
        // The last one only: the others are its own business.
        let last = self.settings.jump.as_ref().and_then(|hops| hops.last());
        last.map(|hop| hop.host.clone()).unwrap_or_default()
    }
}

/// `none` is no file.
fn without_none(files: &[String]) -> Vec<String> {
    files.iter().filter(|file| !file.eq_ignore_ascii_case("none")).cloned().collect()
}

/// Names know no upper case; addresses have one spelling.
fn canonical(host: &str) -> String {
    host.parse::<std::net::IpAddr>().map_or_else(|_| host.to_ascii_lowercase(), |address| address.to_string())
}
