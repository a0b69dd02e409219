use std::path::{Path, PathBuf};

use super::pattern;

/// The files a pattern stands for, in order of their names. A name without wildcards stands for itself, if there is such a file.
///
/// `[a-z]` and `[!x]` are known besides `*` and `?`; none of them stands for a leading dot.
pub fn glob(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![if pattern.starts_with('/') { PathBuf::from("/") } else { PathBuf::new() }];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found.iter().flat_map(|folder| step(folder, part)).take(MOST).collect();
    }
    found.retain(|path| path.exists());
    found
}

/// Files that one pattern may name.
const MOST: usize = 4_096;

fn step(folder: &Path, part: &str) -> Vec<PathBuf> {
    if !part.contains(['*', '?', '[']) {
        return vec![folder.join(part)];
    }
    let folder_or_here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(folder_or_here) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| (!name.starts_with('.') || part.starts_with('.')) && fits(name, part))
        .collect();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// With brackets: every one of them is tried as each of the characters of the name, which are few.
fn fits(name: &str, part: &str) -> bool {
    let Some((before, after)) = part.split_once('[') else { return pattern::matches(name, part) };
    // The first character after `[` or `[!` is a member even when it is `]`.
    let negated = after.starts_with(['!', '^']);
    let members = if negated { after.get(1..).unwrap_or_default() } else { after };
    let first = members.chars().next().map_or(0, char::len_utf8);
    let Some(end) = members.get(first..).and_then(|rest| rest.find(']')) else { return pattern::matches(name, part) };
    let (members, rest) = members.split_at(first + end);
    let rest = rest.strip_prefix(']').unwrap_or(rest);
    name.char_indices().any(|(at, c)| {
        let (head, tail) = name.split_at(at);
        let tail = tail.strip_prefix(c).unwrap_or(tail);
        is_member(c, members) != negated && pattern::matches(head, before) && fits(tail, rest)
    })
}

fn is_member(c: char, members: &str) -> bool {
    let members: Vec<char> = members.chars().collect();
    let range = |window: &[char]| matches!(window, [from, '-', to] if (*from..=*to).contains(&c));
    members.contains(&c) || members.windows(3).any(range)
}
