//! Remote paths are bytes: servers may have names that are no text.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a caller's text means to the server. A session begins in the home directory, so `~` is where it stands.
pub fn from_text(path: &str) -> Vec<u8> {
    match path.strip_prefix('~') {
        Some("") => b".".to_vec(),
        Some(rest) if rest.starts_with('/') => match rest.trim_start_matches('/') {
            "" => b".".to_vec(),
            rest => rest.as_bytes().to_vec(),
        },
        _ => path.as_bytes().to_vec(),
    }
}

pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
    [directory, slash, name].concat()
}

/// The directory a path is in; `None` for the root and for a name alone, whose directory is there for certain.
pub fn parent(path: &[u8]) -> Option<&[u8]> {
    let path = without_slashes(path);
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    match without_slashes(path.get(..slash)?) {
        [] => None,
        parent => Some(parent),
    }
}

/// Each directory on the way to `path` and `path` itself, outermost first.
pub fn ancestry(path: &[u8]) -> Vec<&[u8]> {
    let mut line: Vec<&[u8]> = std::iter::successors(Some(without_slashes(path)), |path| parent(path)).collect();
    line.retain(|path| !path.is_empty());
    line.reverse();
    line
}

fn without_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    path.get(..end).unwrap_or_default()
}

/// A name in the same directory that nobody else has: where a file is written before it gets its own name.
pub fn temporary(path: &[u8]) -> Vec<u8> {
    let path = without_slashes(path);
    let name_at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (directory, name) = path.split_at(name_at);
    // Names may have 255 bytes; what is cut off is only for people.
    let name = name.get(..name.len().min(200)).unwrap_or_default();
    [directory, b".", name, b".", unique().as_bytes(), b".part"].concat()
}

/// Sixteen digits that no other call gives.
pub fn unique() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}", RandomState::new().hash_one(CALLS.fetch_add(1, Ordering::Relaxed)))
}

/// May a name from a server become the name of a file here? One that is a path could lead anywhere.
pub fn is_plain_name(name: &[u8]) -> bool {
    let forbidden: &[u8] = if cfg!(windows) { b"/\0\\:" } else { b"/\0" };
    !matches!(name, b"" | b"." | b"..") && !name.iter().any(|byte| forbidden.contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_where_a_session_begins() {
        let of = |path| String::from_utf8(from_text(path)).unwrap();
        assert_eq!(
            [of("~"), of("~/"), of("~/a/b"), of("~//a"), of("~a"), of("/~"), of("a")],
            [".", ".", "a/b", "a", "~a", "/~", "a"]
        );
    }

    #[test]
    fn parents() {
        let of = |path: &'static str| parent(path.as_bytes()).map(|parent| std::str::from_utf8(parent).unwrap());
        assert_eq!(
            [of("/a/b"), of("/a/b/"), of("a//b"), of("/a"), of("a"), of("/")],
            [Some("/a"), Some("/a"), Some("a"), None, None, None]
        );
        assert_eq!(ancestry(b"/a/b//c/"), [&b"/a"[..], b"/a/b", b"/a/b//c"]);
        assert_eq!(ancestry(b"a"), [b"a"]);
        assert!(ancestry(b"/").is_empty());
    }

    #[test]
    fn a_temporary_name_is_a_hidden_neighbour_and_never_the_same() {
        let (one, other) = (temporary(b"/a/b.txt"), temporary(b"/a/b.txt"));
        assert!(one.starts_with(b"/a/.b.txt.") && one.ends_with(b".part") && one != other);
        assert!(temporary(b"name").starts_with(b".name."));
        assert!(temporary(&[b'x'; 255]).len() <= 255);
    }

    #[test]
    fn names_that_are_paths_are_not_plain() {
        for name in [&b""[..], b".", b"..", b"../x", b"a/b", b"/etc/passwd", b"a\0b"] {
            assert!(!is_plain_name(name));
        }
        for name in [&b"a"[..], b".hidden", b"...", b"-rf", b"\xff", b" "] {
            assert!(is_plain_name(name));
        }
    }
}
