//! `CanonicalizeHostname`: the full name that a short one stands for, found by asking the system for each domain in turn.

use std::collections::HashMap;
use std::net::ToSocketAddrs;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::problem::Problem;
use super::resolve::Reading;
use super::value::Canonicalize;

/// How long an answer of the system's is believed: every command of a target may ask, and a lookup may take seconds.
const BELIEVED: Duration = Duration::from_secs(10);
/// Answers that are kept.
const MOST_ANSWERS: usize = 1_024;

type Answers = HashMap<String, (bool, Instant)>;

static ANSWERS: LazyLock<Mutex<Answers>> = LazyLock::new(Mutex::default);

/// Has the name an address, for this machine? Blocks as long as the system's resolver does.
pub fn system_knows(name: &str) -> bool {
    if let Some((found, asked)) = ANSWERS.lock().get(name)
        && asked.elapsed() < BELIEVED
    {
        return *found;
    }
    // The port is of no consequence.
    let found = (name, 22).to_socket_addrs().is_ok_and(|mut addresses| addresses.next().is_some());
    let mut answers = ANSWERS.lock();
    if answers.len() >= MOST_ANSWERS {
        answers.retain(|_, (_, asked)| asked.elapsed() < BELIEVED);
        // Nobody asks so many at once; who does gets no help.
        if answers.len() >= MOST_ANSWERS {
            answers.clear();
        }
    }
    answers.insert(name.to_owned(), (found, Instant::now()));
    found
}

impl Reading<'_> {
    /// The name to go on with: `host`, unless a domain makes it a name that is known.
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
        if let Some(name) = host.strip_suffix('.') {
            return if (self.query.knows)(host) { Ok(name.to_owned()) } else { self.not_found(host) };
        }
        let dots = host.matches('.').count();
        if dots > settings.canonicalize_max_dots.map_or(1, |most| most as usize) {
            return Ok(host.to_owned());
        }
        let domains = settings.canonical_domains.as_deref().unwrap_or_default();
        let mut names = domains.iter().map(|domain| format!("{host}.{domain}"));
        // With the dot at its end no other domain is tried by the system itself.
        match names.find(|name| (self.query.knows)(&format!("{name}."))) {
            Some(name) => Ok(name),
            None => self.not_found(host),
        }
    }

    fn not_found(&self, host: &str) -> Result<String, Problem> {
        if self.settings.canonicalize_fallback_local.unwrap_or(true) {
            return Ok(host.to_owned());
        }
        Err(format!("{host} is found in none of CanonicalDomains, and CanonicalizeFallbackLocal forbids anything else"))
    }
}

/// Also what only looks like one.
fn is_address(host: &str) -> bool {
    host.contains(['%', ':']) || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}
