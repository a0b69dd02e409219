use super::problem::Problem;
use super::value;

/// A host to jump through, as `ProxyJump` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopAddress {
    pub host: String,
    pub user: Option<String>,
    pub port: Option<u16>,
}

/// The list of a `ProxyJump`, first hop first; `none` is an empty one. A comment ends it.
pub fn list(text: &str) -> Result<Vec<HopAddress>, Problem> {
    let text = text.split('#').next().unwrap_or_default().trim_end();
    if text.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    text.split(',').map(|hop| address(hop).ok_or_else(|| format!("'{hop}' is not a host to jump through"))).collect()
}

/// `[user@]host[:port]`, or the same as an `ssh://` address.
fn address(text: &str) -> Option<HopAddress> {
    let text = text.strip_prefix("ssh://").map_or(text, |address| address.strip_suffix('/').unwrap_or(address));
    let (user, place) = match text.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, text),
    };
    let (host, port) = split_port(place)?;
    if host.is_empty() || user.is_some_and(str::is_empty) {
        return None;
    }
    let port = match port {
        Some(port) => Some(value::port(port).ok()?),
        None => None,
    };
    Some(HopAddress { host: host.to_owned(), user: user.map(str::to_owned), port })
}

fn split_port(place: &str) -> Option<(&str, Option<&str>)> {
    if let Some(bracketed) = place.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match place.split_once(':') {
        Some((host, port)) => Some((host, Some(port).filter(|port| !port.is_empty()))),
        None => Some((place, None)),
    }
}
