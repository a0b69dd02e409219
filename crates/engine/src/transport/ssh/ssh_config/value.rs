use std::time::Duration;

use super::problem::Problem;
use crate::transport::ssh::HostKeyChecking;

/// `yes`, `no` and their other spellings.
pub fn flag(word: &str) -> Result<bool, Problem> {
    match word.to_ascii_lowercase().as_str() {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(format!("'{word}' is neither yes nor no")),
    }
}

/// `ask` cannot ask anybody here, so it is strict.
pub fn host_key_checking(word: &str) -> Result<HostKeyChecking, Problem> {
    match word.to_ascii_lowercase().as_str() {
        "yes" | "true" | "ask" => Ok(HostKeyChecking::Strict),
        "accept-new" => Ok(HostKeyChecking::AcceptNew),
        "no" | "false" | "off" => Ok(HostKeyChecking::Off),
        _ => Err(format!("'{word}' is none of yes, accept-new, ask, no, off")),
    }
}

/// Whether names are canonicalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canonicalize {
    No,
    Yes,
    /// Also those that somebody else will resolve.
    Always,
}

pub fn canonicalize(word: &str) -> Result<Canonicalize, Problem> {
    match word.to_ascii_lowercase().as_str() {
        "yes" | "true" => Ok(Canonicalize::Yes),
        "no" | "false" => Ok(Canonicalize::No),
        "always" => Ok(Canonicalize::Always),
        _ => Err(format!("'{word}' is none of yes, no, always")),
    }
}

/// A domain in small letters, without the dot at its end.
pub fn domain(word: &str) -> Result<String, Problem> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let valid = word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.chars().all(fits) && !word.contains("..");
    if !valid {
        return Err(format!("'{word}' is not a domain"));
    }
    let lower = word.to_ascii_lowercase();
    Ok(lower.strip_suffix('.').unwrap_or(&lower).to_owned())
}

/// A name that one of the first patterns matches may become one that the others match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CnameRule {
    pub names: String,
    pub targets: String,
}

pub fn cname_rule(word: &str) -> Result<CnameRule, Problem> {
    let rule = |names: &str, targets: &str| CnameRule { names: names.to_owned(), targets: targets.to_owned() };
    // As `ssh` has it: `none` beside others is a name like any other.
    if word == "*" || word.eq_ignore_ascii_case("none") {
        return Ok(rule(word, word));
    }
    let lower = word.to_ascii_lowercase();
    let (names, targets) = lower
        .split_once(':')
        .filter(|(_, targets)| !targets.is_empty())
        .ok_or_else(|| format!("'{word}' is not of the form names:targets"))?;
    Ok(rule(names, targets))
}

/// Is the connection to be shared? `ask` has nobody to ask, so it is not.
pub fn control_master(word: &str) -> Result<bool, Problem> {
    match word.to_ascii_lowercase().as_str() {
        "yes" | "true" | "auto" => Ok(true),
        "no" | "false" | "ask" | "autoask" => Ok(false),
        _ => Err(format!("'{word}' is none of yes, no, auto, ask, autoask")),
    }
}

/// How long a shared connection outlives its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persist {
    No,
    Forever,
    For(Duration),
}

pub fn persist(word: &str) -> Result<Persist, Problem> {
    match word {
        "yes" | "true" => return Ok(Persist::Forever),
        "no" | "false" => return Ok(Persist::No),
        _ => {}
    }
    match seconds(word) {
        Some(0) => Ok(Persist::Forever),
        Some(seconds) => Ok(Persist::For(Duration::from_secs(seconds))),
        None => Err(format!("'{word}' is neither a time nor yes or no")),
    }
}

pub fn port(word: &str) -> Result<u16, Problem> {
    // The one service name that makes sense.
    if word == "ssh" {
        return Ok(22);
    }
    word.parse().ok().filter(|port| *port != 0).ok_or_else(|| format!("'{word}' is not a port"))
}

pub fn count(word: &str) -> Result<u32, Problem> {
    word.parse::<i32>().map(|count| u32::try_from(count).unwrap_or(0)).map_err(|_| format!("'{word}' is not a number"))
}

/// `90`, `1m30s`, `2h`; `none` is no time at all.
pub fn time(word: &str) -> Result<Option<Duration>, Problem> {
    if word == "none" {
        return Ok(None);
    }
    seconds(word).map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(|| format!("'{word}' is not a time"))
}

fn seconds(word: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = word;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let mut units = tail.chars();
        let factor: u64 = match units.next() {
            None | Some('s' | 'S') => 1,
            Some('m' | 'M') => 60,
            Some('h' | 'H') => 3_600,
            Some('d' | 'D') => 86_400,
            Some('w' | 'W') => 604_800,
            Some(_) => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = units.as_str();
        if rest.is_empty() {
            // ssh counts in an int.
            return (total <= i32::MAX as u64).then_some(total);
        }
    }
}
