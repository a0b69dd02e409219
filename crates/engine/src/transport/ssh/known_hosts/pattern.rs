use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Bytes of a salt, and of a hash.
const SHA1: usize = 20;

/// The first field of a line: which hosts it speaks of.
#[derive(Debug, PartialEq, Eq)]
pub enum HostField {
    /// `|1|salt|hash`: one name, hidden.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
    /// Comma-separated patterns with `*`, `?` and `!`.
    Patterns(Vec<String>),
}

impl HostField {
    pub fn parse(field: &str) -> Option<Self> {
        if field.contains(char::REPLACEMENT_CHARACTER) {
            // It was no text: whom it meant is anybody's guess.
            return None;
        }
        if !field.starts_with('|') {
            return Some(Self::Patterns(field.split(',').map(str::to_ascii_lowercase).collect()));
        }
        let (salt, hash) = field.strip_prefix("|1|")?.split_once('|')?;
        let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
        (salt.len() == SHA1 && hash.len() == SHA1).then_some(Self::Hashed { salt, hash })
    }

    /// Does the line speak of `name` (see [`HostNames`](super::HostNames))? A negated pattern that matches overrules every
    /// other one.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Hashed { salt, hash } => hash_matches(salt, hash, name),
            Self::Patterns(patterns) => {
                let hit = |pattern: &String| !pattern.starts_with('!') && glob(pattern.as_bytes(), name.as_bytes());
                !self.excludes(name) && patterns.iter().any(hit)
            }
        }
    }

    /// Does the line say that it does not speak of `name`?
    pub fn excludes(&self, name: &str) -> bool {
        let negated =
            |pattern: &String| pattern.strip_prefix('!').is_some_and(|rest| glob(rest.as_bytes(), name.as_bytes()));
        matches!(self, Self::Patterns(patterns) if patterns.iter().any(negated))
    }
}

fn hash_matches(salt: &[u8], hash: &[u8], name: &str) -> bool {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(salt) else { return false };
    mac.update(name.as_bytes());
    mac.verify_slice(hash).is_ok()
}

/// `*` is any run of characters, `?` is one. Linear in practice: it only ever backtracks to the last star.
pub(super) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&expected) if expected == b'?' || expected == byte => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star_p, star_t)) = star else { return false };
                star = Some((star_p, star_t + 1));
                p = star_p + 1;
                t = star_t + 1;
            }
        }
    }
    pattern.iter().skip(p).all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(field: &str, name: &str) -> bool {
        HostField::parse(field).unwrap().matches(name)
    }

    #[test]
    fn plain_names_and_lists() {
        assert!(matches("a.example,10.0.0.1", "a.example"));
        assert!(matches("a.example,10.0.0.1", "10.0.0.1"));
        assert!(!matches("a.example", "b.example"));
        assert!(matches("A.Example", "a.example"));
    }

    #[test]
    fn wildcards() {
        assert!(matches("*.example", "a.b.example"));
        assert!(matches("h?st", "host"));
        assert!(!matches("h?st", "hst"));
        assert!(matches("*", "anything"));
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(!matches("a*b*c", "a-b-b-d"));
    }

    #[test]
    fn negation_overrules() {
        assert!(!matches("*.example,!secret.example", "secret.example"));
        assert!(!matches("!secret.example,*.example", "secret.example"));
        assert!(matches("*.example,!secret.example", "open.example"));
        assert!(!matches("!a", "b"), "negation alone matches nothing");
        assert!(!matches("!a", "!a"), "negation is no name");
    }

    #[test]
    fn ports_are_part_of_the_name() {
        assert!(matches("[h]:2222", "[h]:2222"));
        assert!(!matches("h", "[h]:2222"));
        assert!(!matches("[h]:2222", "h"));
    }

    #[test]
    fn hashed_names() {
        // What `ssh-keygen -H` writes: HMAC-SHA1 of the name, keyed with a random salt.
        let mut mac = Hmac::<Sha1>::new_from_slice(b"0123456789abcdefghij").unwrap();
        mac.update(b"host.example");
        let hash = STANDARD.encode(mac.finalize().into_bytes());
        let field = format!("|1|{}|{hash}", STANDARD.encode(b"0123456789abcdefghij"));
        assert!(matches(&field, "host.example"));
        assert!(!matches(&field, "other.example"));
        assert_eq!(HostField::parse("|1|not base64|x"), None);
        for damaged in
            ["|1|onlyonefield", "|2|c2FsdA==|aGFzaA==", "|1|c2FsdA==|aGFzaA==", "|", &format!("{field},other")]
        {
            assert_eq!(HostField::parse(damaged), None, "{damaged}");
        }
    }
}
