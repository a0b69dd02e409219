use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::condition::{Facts, judge};
use super::files::ConfigFiles;
use super::glob::glob;
use super::hop::HopAddress;
use super::local::Local;
use super::parser::{Keyword, Line, ParsedFile};
use super::pattern::matches_any;
use super::problem::{Problem, about_file, at_line};
use super::resolved::{AgentChoice, Resolved, Via};
use super::settings::Settings;
use super::tokens::{Known, Tokens};
use crate::error::Error;

/// Includes within includes, as `ssh` allows.
const DEEPEST: usize = 16;
/// Files read for one host; includes that fan out would otherwise multiply.
const MOST_FILES: usize = 1_024;
/// For a command of `Match exec`.
const EXEC_LIMIT: Duration = Duration::from_secs(10);

/// Which files to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// `~/.ssh/config`, then `/etc/ssh/ssh_config`; either may be missing.
    Standard,
    /// Only this one, as with `ssh -F`.
    File(PathBuf),
}

/// Whom we ask about. What is given here counts as said before any file.
#[derive(Debug, Clone)]
pub struct Query {
    pub host: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub which: Which,
    /// `Match exec` may run its commands; otherwise such a line does not match.
    pub exec: bool,
}

/// What the files say about the host of `query`. Blocks.
pub fn resolve(query: &Query, files: &ConfigFiles, local: &Local) -> Result<Resolved, Error> {
    let mut reading = Reading {
        query,
        files,
        local,
        settings: Settings { user: query.user.clone(), port: query.port, ..Settings::default() },
        host: query.host.clone(),
        last_pass: false,
        wants_last_pass: false,
        active: true,
        files_read: 0,
    };
    reading.pass()?;
    reading.host = reading.host_name().map_err(|problem| reading.about_names(problem))?;
    if reading.wants_last_pass {
        reading.settings.host_name = Some(reading.host.clone());
        reading.last_pass = true;
        reading.pass()?;
    }
    reading.finish().map_err(|problem| reading.about_names(problem))
}

struct Reading<'a> {
    query: &'a Query,
    files: &'a ConfigFiles,
    local: &'a Local,
    settings: Settings,
    /// What `Host` patterns are held against: in the second pass, what the first one made of it.
    host: String,
    last_pass: bool,
    wants_last_pass: bool,
    /// The lines at hand are for this host.
    active: bool,
    files_read: usize,
}

/// Where a file stands.
#[derive(Clone, Copy)]
struct Place {
    /// Its relative includes are under `~/.ssh`, not `/etc/ssh`.
    users: bool,
    /// It is included by lines that are not for this host, so nothing in it is.
    never: bool,
    depth: usize,
}

impl Reading<'_> {
    fn pass(&mut self) -> Result<(), Error> {
        let users = Place { users: true, never: false, depth: 0 };
        match &self.query.which {
            Which::File(path) => {
                let path = self.local.expand_tilde(&path.to_string_lossy()).map_or_else(|| path.clone(), PathBuf::from);
                if !self.start(&path, false, users)? {
                    return Err(about_file(&path, "there is no such file", Some(std::io::ErrorKind::NotFound.into())));
                }
            }
            Which::Standard => {
                self.start(&self.local.home.join(".ssh/config"), true, users)?;
                self.start(Path::new("/etc/ssh/ssh_config"), false, Place { users: false, ..users })?;
            }
        }
        Ok(())
    }

    /// A file that no other one includes. Answers whether it is there.
    fn start(&mut self, path: &Path, private: bool, place: Place) -> Result<bool, Error> {
        self.active = true;
        let Some(file) = self.files.read(path, private, self.local)? else { return Ok(false) };
        self.file(&file, place)?;
        Ok(true)
    }

    fn file(&mut self, file: &Arc<ParsedFile>, place: Place) -> Result<(), Error> {
        self.files_read += 1;
        if self.files_read > MOST_FILES {
            return Err(about_file(&file.path, "too many files are included", None));
        }
        for line in &file.lines {
            let problem = match line.keyword {
                Keyword::Include => {
                    self.include(file, line, place)?;
                    continue;
                }
                Keyword::Host => self.host(line, place),
                Keyword::Match => self.matching(line, place),
                _ => self.settings.take(line, self.active),
            };
            problem.map_err(|problem| at_line(&file.path, line.number, problem))?;
        }
        Ok(())
    }

    fn host(&mut self, line: &Line, place: Place) -> Result<(), Problem> {
        if line.arguments.is_empty() || line.arguments.iter().any(String::is_empty) {
            return Err("'Host' needs a pattern".to_owned());
        }
        self.active = !place.never && matches_any(&self.host, &line.arguments);
        Ok(())
    }

    fn matching(&mut self, line: &Line, place: Place) -> Result<(), Problem> {
        let host = match &self.settings.host_name {
            Some(name) if self.last_pass => name.clone(),
            _ => self.host_name()?,
        };
        let user = self.settings.user.clone().unwrap_or_else(|| self.local.user.clone());
        let facts = Facts {
            host: &host,
            original: &self.query.host,
            user: &user,
            local_user: &self.local.user,
            last_pass: self.last_pass,
        };
        let mut exec = |command: &str| self.exec(command, &host, &user);
        let verdict = judge(&line.rest, &facts, &mut exec)?;
        self.wants_last_pass |= verdict.wants_last_pass;
        self.active = verdict.holds && !place.never;
        Ok(())
    }

    fn exec(&self, command: &str, host: &str, user: &str) -> Result<Option<bool>, Problem> {
        if !self.query.exec {
            return Ok(None);
        }
        let tokens = Tokens { host, user, ..self.tokens("") };
        succeeds(&tokens.expand(command, Known::All, self.local, false)?).map(Some)
    }

    fn include(&mut self, file: &ParsedFile, line: &Line, place: Place) -> Result<(), Error> {
        let broken = |problem: &str| at_line(&file.path, line.number, problem.to_owned());
        if line.arguments.is_empty() || line.arguments.iter().any(String::is_empty) {
            return Err(broken("'Include' needs a file"));
        }
        if place.depth >= DEEPEST {
            return Err(broken("files include each other too deeply"));
        }
        let active = self.active;
        let inner = Place { never: place.never || !active, depth: place.depth + 1, ..place };
        for pattern in &line.arguments {
            for path in glob(&self.anchored(pattern, place).ok_or_else(|| broken("'~' leads nowhere here"))?) {
                if let Some(included) = self.files.read(&path, true, self.local)? {
                    self.file(&included, inner)?;
                }
                self.active = active;
            }
        }
        Ok(())
    }

    fn anchored(&self, pattern: &str, place: Place) -> Option<String> {
        if pattern.starts_with('~') {
            return if place.users { self.local.expand_tilde(pattern) } else { None };
        }
        if pattern.starts_with('/') {
            return Some(pattern.to_owned());
        }
        let folder = if place.users { self.local.home.join(".ssh") } else { PathBuf::from("/etc/ssh") };
        Some(folder.join(pattern).to_string_lossy().into_owned())
    }

    /// `HostName` with its one token; without it, the name as it was asked for.
    fn host_name(&self) -> Result<String, Problem> {
        let Some(name) = &self.settings.host_name else { return Ok(canonical(&self.host)) };
        let mut expanded = String::new();
        let mut chars = name.chars();
        while let Some(c) = chars.next() {
            match (c, c == '%') {
                (_, true) => match chars.next() {
                    Some('h') => expanded.push_str(&self.host),
                    Some('%') => expanded.push('%'),
                    _ => return Err(format!("HostName '{name}': it knows only %h and %%")),
                },
                _ => expanded.push(c),
            }
        }
        Ok(canonical(&expanded))
    }

    fn tokens<'b>(&'b self, jump: &'b str) -> Tokens<'b> {
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
    fn about_names(&self, problem: Problem) -> Error {
        let place = match &self.query.which {
            Which::Standard => "~/.ssh/config".to_owned(),
            Which::File(path) => path.display().to_string(),
        };
        Error::SshConfig { place, problem: format!("{problem}, for host {}", self.query.host), source: None }
    }

    fn finish(&self) -> Result<Resolved, Problem> {
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
            host_key_checking: self.settings.host_key_checking,
            host_key_alias: self.settings.host_key_alias.as_ref().map(|alias| alias.to_ascii_lowercase()),
            alive_interval: self.settings.alive_interval,
            alive_count_max: self.settings.alive_count_max,
            connect_timeout: self.settings.connect_timeout.filter(|limit| !limit.is_zero()),
        })
    }

    fn path(&self, file: &str, tokens: &Tokens<'_>) -> Result<String, Problem> {
        let path = self.local.expand_tilde(file).ok_or_else(|| format!("'{file}' names a user who does not exist"))?;
        tokens.expand(&path, Known::All, self.local, true).map_err(|problem| format!("'{file}': {problem}"))
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
        let command =
            tokens.expand_command(command, self.local).map_err(|problem| format!("ProxyCommand: {problem}"))?;
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

/// Runs a command as `Match exec` does: silent, for its exit code.
fn succeeds(command: &str) -> Result<bool, Problem> {
    let shell = std::env::var("SHELL").ok().filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".to_owned());
    let mut child = Command::new(shell)
        .arg("-c")
        .arg(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("the command of 'Match exec' cannot be run: {error}"))?;
    let until = Instant::now() + EXEC_LIMIT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                // It may have ended in this very moment.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("the command of 'Match exec' did not end within {} s", EXEC_LIMIT.as_secs()));
            }
            Err(error) => return Err(format!("the command of 'Match exec' cannot be waited for: {error}")),
        }
    }
}
