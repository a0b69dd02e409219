use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::canonical::Named;
use super::condition::{Facts, judge};
use super::exec::succeeds;
use super::files::ConfigFiles;
use super::glob::glob;
use super::local::Local;
use super::parser::{Keyword, Line, ParsedFile};
use super::pattern::matches_any;
use super::problem::{Problem, about_file, at_line};
use super::resolved::Resolved;
use super::settings::Settings;
use super::tokens::{Known, Tokens};
use super::value::Canonicalize;
use crate::error::Error;

/// Includes within includes, as `ssh` allows.
const DEEPEST: usize = 16;
/// Files read for one host; includes that fan out would otherwise multiply.
const MOST_FILES: usize = 1_024;

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
    /// Its tokens are replaced as those of `ControlPath` are.
    pub control_path: Option<String>,
    /// What has a name to itself? Asked only where names are to be canonicalised.
    pub find: fn(&str) -> Option<Named>,
}

/// What the files say about the host of `query`. Blocks.
pub fn resolve(query: &Query, files: &ConfigFiles, local: &Local) -> Result<Resolved, Error> {
    let mut reading = Reading {
        query,
        files,
        local,
        settings: Settings {
            user: query.user.clone(),
            port: query.port,
            control_path: query.control_path.clone(),
            ..Settings::default()
        },
        host: query.host.clone(),
        last_pass: false,
        wants_last_pass: false,
        active: true,
        files_read: 0,
    };
    reading.pass()?;
    let host = reading.host_name().and_then(|host| reading.canonical_name(&host));
    reading.host = host.map_err(|problem| reading.about_names(problem))?;
    let canonicalizes = reading.settings.canonicalize.is_some_and(|how| how != Canonicalize::No);
    if reading.wants_last_pass || canonicalizes {
        reading.settings.host_name = Some(reading.host.clone());
        reading.last_pass = true;
        reading.pass()?;
    }
    reading.finish().map_err(|problem| reading.about_names(problem))
}

pub(super) struct Reading<'a> {
    pub(super) query: &'a Query,
    pub(super) files: &'a ConfigFiles,
    pub(super) local: &'a Local,
    pub(super) settings: Settings,
    /// What `Host` patterns are held against: in the second pass, what the first one made of it.
    pub(super) host: String,
    pub(super) last_pass: bool,
    pub(super) wants_last_pass: bool,
    /// The lines at hand are for this host.
    pub(super) active: bool,
    pub(super) files_read: usize,
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
        succeeds(&tokens.expand_command(command, Known::All, self.local)?).map(Some)
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
}
