//! `CanonicalizeHostname`: the full name that a short one stands for, found by asking the system for each domain in turn.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::pattern::matches_list;
use super::problem::Problem;
use super::resolve::Reading;
use super::value::{Canonicalize, CnameRule};

/// How long an answer of the system's is believed: every command of a target may ask, and a lookup may take seconds.
const BELIEVED: Duration = Duration::from_secs(10);
/// Answers that are kept.
const MOST_ANSWERS: usize = 1_024;

/// A name that has an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// The name that it is an alias of, or its own; where the system says.
    pub alias_of: Option<String>,
}

type Answers = HashMap<String, (Option<Named>, Instant)>;

static ANSWERS: LazyLock<Mutex<Answers>> = LazyLock::new(Mutex::default);

/// What the system says of a name. Blocks as long as its resolver does.
pub fn system_finds(name: &str) -> Option<Named> {
    if let Some((found, asked)) = ANSWERS.lock().get(name)
        && asked.elapsed() < BELIEVED
    {
        return found.clone();
    }
    let found = look_up(name);
    let mut answers = ANSWERS.lock();
    if answers.len() >= MOST_ANSWERS {
        answers.retain(|_, (_, asked)| asked.elapsed() < BELIEVED);
        // Nobody asks so many at once; who does gets no help.
        if answers.len() >= MOST_ANSWERS {
            answers.clear();
        }
    }
    answers.insert(name.to_owned(), (found.clone(), Instant::now()));
    found
}

#[cfg(unix)]
fn look_up(name: &str) -> Option<Named> {
    super::cname::look_up(name).map(|alias_of| Named { alias_of })
}

/// Without the name it is an alias of.
#[cfg(not(unix))]
fn look_up(name: &str) -> Option<Named> {
    use std::net::ToSocketAddrs;
    // The port is of no consequence.
    let found = (name, 22).to_socket_addrs().is_ok_and(|mut addresses| addresses.next().is_some());
    found.then(Named::default)
}

impl Reading<'_> {
    /// The name to go on with: `host`, unless a domain makes it a name that is known, or that name is an alias that may be followed.
    pub(super) fn canonical_name(&self, host: &str) -> Result<String, Problem> {
        let settings = &self.settings;
        let always = settings.canonicalize == Some(Canonicalize::Always);
        let wanted = always || settings.canonicalize == Some(Canonicalize::Yes);
        // A name that is somebody else's to resolve. As for `ssh`, `ProxyJump none` says so too, `ProxyCommand none` does not.
        let command = settings.command.as_deref().is_some_and(|command| !command.eq_ignore_ascii_case("none"));
        let elsewhere = settings.jump.is_some() || command;
        if !wanted || (elsewhere && !always) || is_address(host) {
            return Ok(host.to_owned());
        }
        if let Some((name, found)) = self.full_name(host)? {
            return Ok(self.followed(name, found));
        }
        // Under no domain, but an alias all the same, perhaps. One that has no address is told of when it is connected to.
        let follows = settings.permitted_cnames.as_ref().is_some_and(|rules| !rules.is_empty());
        match follows.then(|| (self.query.find)(host)).flatten() {
            Some(found) => Ok(self.followed(host.to_owned(), found)),
            None => Ok(host.to_owned()),
        }
    }

    /// Without the dot at its end; `None`: `host` is to stay as it is.
    fn full_name(&self, host: &str) -> Result<Option<(String, Named)>, Problem> {
        let settings = &self.settings;
        if let Some(name) = host.strip_suffix('.') {
            return match (self.query.find)(host) {
                Some(found) => Ok(Some((name.to_owned(), found))),
                None => self.not_found(host),
            };
        }
        let dots = host.matches('.').count();
        if dots > settings.canonicalize_max_dots.map_or(1, |most| most as usize) {
            return Ok(None);
        }
        let domains = settings.canonical_domains.as_deref().unwrap_or_default();
        for domain in domains {
            // With the dot at its end no other domain is tried by the system itself.
            if let Some(found) = (self.query.find)(&format!("{host}.{domain}.")) {
                return Ok(Some((format!("{host}.{domain}"), found)));
            }
        }
        self.not_found(host)
    }

    /// What `name` is an alias of, if a rule permits that.
    fn followed(&self, name: String, found: Named) -> String {
        let rules = self.settings.permitted_cnames.as_deref().unwrap_or_default();
        match found.alias_of.filter(|target| *target != name) {
            Some(target) if rules.iter().any(|rule| permits(rule, &name, &target)) => target,
            _ => name,
        }
    }

    fn not_found<T>(&self, host: &str) -> Result<Option<T>, Problem> {
        if self.settings.canonicalize_fallback_local.unwrap_or(true) {
            return Ok(None);
        }
        Err(format!("{host} is found in none of CanonicalDomains, and CanonicalizeFallbackLocal forbids anything else"))
    }
}

fn permits(rule: &CnameRule, name: &str, target: &str) -> bool {
    matches_list(name, &rule.names) && matches_list(target, &rule.targets)
}

/// Also what only looks like one.
fn is_address(host: &str) -> bool {
    host.contains(['%', ':']) || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}
