use std::path::{Path, PathBuf};

use super::line::{arguments, keyword};
use super::problem::at_line;
use crate::error::Error;

/// One line that says something.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub number: usize,
    pub keyword: Keyword,
    /// All that follows the keyword, comments included: some keywords read it as it is.
    pub rest: String,
    pub arguments: Vec<String>,
}

/// The keywords that mean something to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    Host,
    Match,
    Include,
    HostName,
    User,
    Port,
    IdentityFile,
    IdentitiesOnly,
    IdentityAgent,
    CertificateFile,
    ProxyJump,
    ProxyCommand,
    UserKnownHostsFile,
    GlobalKnownHostsFile,
    StrictHostKeyChecking,
    HostKeyAlias,
    ServerAliveInterval,
    ServerAliveCountMax,
    ConnectTimeout,
    ControlMaster,
    ControlPath,
    ControlPersist,
    CanonicalizeHostname,
    CanonicalDomains,
    CanonicalizeMaxDots,
    CanonicalizeFallbackLocal,
    CanonicalizePermittedCnames,
}

impl Keyword {
    fn find(name: &str) -> Option<Self> {
        Some(match name {
            "host" => Self::Host,
            "match" => Self::Match,
            "include" => Self::Include,
            "hostname" => Self::HostName,
            "user" => Self::User,
            "port" => Self::Port,
            "identityfile" | "identityfile2" => Self::IdentityFile,
            "identitiesonly" => Self::IdentitiesOnly,
            "identityagent" => Self::IdentityAgent,
            "certificatefile" => Self::CertificateFile,
            "proxyjump" => Self::ProxyJump,
            "proxycommand" => Self::ProxyCommand,
            "userknownhostsfile" => Self::UserKnownHostsFile,
            "globalknownhostsfile" => Self::GlobalKnownHostsFile,
            "stricthostkeychecking" => Self::StrictHostKeyChecking,
            "hostkeyalias" => Self::HostKeyAlias,
            "serveraliveinterval" => Self::ServerAliveInterval,
            "serveralivecountmax" => Self::ServerAliveCountMax,
            "connecttimeout" => Self::ConnectTimeout,
            "controlmaster" => Self::ControlMaster,
            "controlpath" => Self::ControlPath,
            "controlpersist" => Self::ControlPersist,
            "canonicalizehostname" => Self::CanonicalizeHostname,
            "canonicaldomains" => Self::CanonicalDomains,
            "canonicalizemaxdots" => Self::CanonicalizeMaxDots,
            "canonicalizefallbacklocal" => Self::CanonicalizeFallbackLocal,
            "canonicalizepermittedcnames" => Self::CanonicalizePermittedCnames,
            _ => return None,
        })
    }
}

/// A file's lines.
#[derive(Debug)]
pub struct ParsedFile {
    pub path: PathBuf,
    pub lines: Vec<Line>,
}

/// Splits a file into lines. Keywords that are not ours are left out, but their lines must be well formed.
pub fn parse(path: &Path, text: &str) -> Result<ParsedFile, Error> {
    let mut lines = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        let number = index + 1;
        let Some((name, rest)) = keyword(line) else { continue };
        let broken = |problem: String| at_line(path, number, problem);
        let rest = rest.ok_or_else(|| broken(format!("'{name}' needs an argument")))?;
        let arguments = arguments(rest).ok_or_else(|| broken("a quote is not closed".to_owned()))?;
        if let Some(keyword) = Keyword::find(&name) {
            lines.push(Line { number, keyword, rest: rest.to_owned(), arguments });
        }
    }
    Ok(ParsedFile { path: path.to_owned(), lines })
}
