use std::time::Duration;

use super::hop::{self, HopAddress};
use super::parser::{Keyword, Line};
use super::problem::Problem;
use super::value::{self, Canonicalize, CnameRule, Persist};
use crate::transport::ssh::HostKeyChecking;

/// The most identity files, known_hosts files and domains that `ssh` takes.
const MOST_IDENTITIES: usize = 100;
const MOST_KNOWN_HOSTS: usize = 32;
const MOST_DOMAINS: usize = 32;

/// What has been said so far, tokens not yet replaced. Whoever says something first is believed; only identities add up.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub host_name: Option<String>,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub identity_files: Vec<String>,
    pub certificate_files: Vec<String>,
    pub identities_only: Option<bool>,
    pub identity_agent: Option<String>,
    /// First hop first; empty for `none`.
    pub jump: Option<Vec<HopAddress>>,
    pub command: Option<String>,
    pub known_hosts: Option<Vec<String>>,
    pub global_known_hosts: Option<Vec<String>>,
    pub host_key_checking: Option<HostKeyChecking>,
    pub host_key_alias: Option<String>,
    pub alive_interval: Option<Duration>,
    pub alive_count_max: Option<u32>,
    pub connect_timeout: Option<Duration>,
    pub control_master: Option<bool>,
    pub control_path: Option<String>,
    pub control_persist: Option<Persist>,
    pub canonicalize: Option<Canonicalize>,
    /// Empty for `none`.
    pub canonical_domains: Option<Vec<String>>,
    pub canonicalize_max_dots: Option<u32>,
    pub canonicalize_fallback_local: Option<bool>,
    /// Which names may become the names they are aliases of; empty for `none`.
    pub permitted_cnames: Option<Vec<CnameRule>>,
}

impl Settings {
    /// Takes over what a line says. With `active` false it is only checked.
    pub fn take(&mut self, line: &Line, active: bool) -> Result<(), Problem> {
        use Keyword as K;
        match line.keyword {
            K::HostName => first(&mut self.host_name, active, text(line)?),
            K::User => first(&mut self.user, active, text(line)?),
            K::Port => first(&mut self.port, active, value::port(word(line)?)?),
            K::IdentityFile => add(&mut self.identity_files, active, text(line)?)?,
            K::CertificateFile => add(&mut self.certificate_files, active, text(line)?)?,
            K::IdentitiesOnly => first(&mut self.identities_only, active, value::flag(word(line)?)?),
            K::IdentityAgent => first(&mut self.identity_agent, active, agent(line)?),
            K::ProxyJump => {
                let hops = hop::list(raw(line))?;
                first(&mut self.jump, active && self.command.is_none(), hops);
            }
            K::ProxyCommand => {
                // After a jump it says nothing; after `ProxyJump none` it does.
                let jumps = self.jump.as_ref().is_some_and(|hops| !hops.is_empty());
                first(&mut self.command, active && !jumps, raw(line).to_owned());
            }
            K::UserKnownHostsFile => first(&mut self.known_hosts, active, known_hosts(line)?),
            K::GlobalKnownHostsFile => first(&mut self.global_known_hosts, active, known_hosts(line)?),
            K::StrictHostKeyChecking => {
                first(&mut self.host_key_checking, active, value::host_key_checking(word(line)?)?);
            }
            K::HostKeyAlias => first(&mut self.host_key_alias, active, text(line)?),
            K::ServerAliveInterval => first_time(&mut self.alive_interval, active, value::time(word(line)?)?),
            K::ServerAliveCountMax => first(&mut self.alive_count_max, active, value::count(word(line)?)?),
            K::ConnectTimeout => first_time(&mut self.connect_timeout, active, value::time(word(line)?)?),
            K::ControlMaster => first(&mut self.control_master, active, value::control_master(word(line)?)?),
            K::ControlPath => first(&mut self.control_path, active, text(line)?),
            K::ControlPersist => first(&mut self.control_persist, active, value::persist(word(line)?)?),
            K::CanonicalizeHostname => first(&mut self.canonicalize, active, value::canonicalize(word(line)?)?),
            K::CanonicalDomains => first(&mut self.canonical_domains, active, domains(line)?),
            K::CanonicalizeMaxDots => first(&mut self.canonicalize_max_dots, active, value::count(word(line)?)?),
            K::CanonicalizeFallbackLocal => {
                first(&mut self.canonicalize_fallback_local, active, value::flag(word(line)?)?);
            }
            K::CanonicalizePermittedCnames => {
                first(&mut self.permitted_cnames, active, permitted_cnames(line)?);
            }
            // Not settings: whoever walks the lines acts on them.
            K::Host | K::Match | K::Include => {}
        }
        Ok(())
    }
}

fn first<T>(slot: &mut Option<T>, active: bool, value: T) {
    if active && slot.is_none() {
        *slot = Some(value);
    }
}

/// `none` says nothing, so that a later line still can.
fn first_time(slot: &mut Option<Duration>, active: bool, value: Option<Duration>) {
    if let Some(value) = value {
        first(slot, active, value);
    }
}

fn add(list: &mut Vec<String>, active: bool, value: String) -> Result<(), Problem> {
    if !active || list.contains(&value) {
        return Ok(());
    }
    if list.len() >= MOST_IDENTITIES {
        return Err(format!("more than {MOST_IDENTITIES} identity files"));
    }
    list.push(value);
    Ok(())
}

/// The only argument.
fn word(line: &Line) -> Result<&str, Problem> {
    match line.arguments.as_slice() {
        [word] if !word.is_empty() => Ok(word),
        [] | [_] => Err("the argument is missing".to_owned()),
        [_, more, ..] => Err(format!("there is more after the argument: '{more}'")),
    }
}

fn text(line: &Line) -> Result<String, Problem> {
    word(line).map(str::to_owned)
}

/// The rest of the line as it stands.
fn raw(line: &Line) -> &str {
    line.rest.trim_start_matches([' ', '\t', '\r', '\n', '='])
}

fn agent(line: &Line) -> Result<String, Problem> {
    let agent = text(line)?;
    if let Some(name) = agent.strip_prefix('$').filter(|name| !name.starts_with('{'))
        && !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        return Err(format!("'{name}' is not a variable's name"));
    }
    Ok(agent)
}

/// An empty list for `none`.
fn known_hosts(line: &Line) -> Result<Vec<String>, Problem> {
    let files = &line.arguments;
    if files.is_empty() || files.iter().any(String::is_empty) {
        return Err("the argument is missing".to_owned());
    }
    if files.len() > MOST_KNOWN_HOSTS {
        return Err(format!("more than {MOST_KNOWN_HOSTS} files"));
    }
    let none = files.iter().any(|file| file.eq_ignore_ascii_case("none"));
    match (none, files.len()) {
        (true, 1) => Ok(Vec::new()),
        (true, _) => Err("'none' must stand alone".to_owned()),
        (false, _) => Ok(files.clone()),
    }
}

/// An empty list for `none`.
fn domains(line: &Line) -> Result<Vec<String>, Problem> {
    let domains = &line.arguments;
    match domains.as_slice() {
        [] => return Err("the argument is missing".to_owned()),
        [only] if only.eq_ignore_ascii_case("none") => return Ok(Vec::new()),
        _ if domains.iter().any(|domain| domain.eq_ignore_ascii_case("none")) => {
            return Err("'none' must stand alone".to_owned());
        }
        _ if domains.len() > MOST_DOMAINS => return Err(format!("more than {MOST_DOMAINS} domains")),
        _ => {}
    }
    domains.iter().map(|domain| value::domain(domain)).collect()
}

/// `names:targets`, both lists of patterns; `*` for everything; `none` alone for nothing.
fn permitted_cnames(line: &Line) -> Result<Vec<CnameRule>, Problem> {
    let rules = &line.arguments;
    match rules.as_slice() {
        [] => return Err("the argument is missing".to_owned()),
        [only] if only.eq_ignore_ascii_case("none") => return Ok(Vec::new()),
        _ if rules.len() > MOST_DOMAINS => return Err(format!("more than {MOST_DOMAINS} rules")),
        _ => {}
    }
    rules.iter().map(|rule| value::cname_rule(rule)).collect()
}
