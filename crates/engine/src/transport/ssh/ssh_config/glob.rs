use std::path::{Path, PathBuf};

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

/// One step of a pattern.
enum Step {
    Anything,
    One,
    OneOf { members: Vec<char>, negated: bool },
    Exactly(char),
}

/// Takes time proportional to the product of the lengths.
fn fits(name: &str, part: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    // `reached[i]`: the pattern so far fits the first `i` characters.
    let mut reached: Vec<bool> = (0..=name.len()).map(|at| at == 0).collect();
    for step in steps(part) {
        let advanced = reached.iter().zip(&name).map(|(here, c)| *here && step.takes(*c));
        reached = match step {
            Step::Anything => {
                let mut any = false;
                let so_far = |here: &bool| {
                    any |= *here;
                    any
                };
                reached.iter().map(so_far).collect()
            }
            _ => std::iter::once(false).chain(advanced).collect(),
        };
    }
    reached.last().copied().unwrap_or(false)
}

fn steps(part: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = part;
    while let Some(c) = rest.chars().next() {
        let (_, tail) = rest.split_at(c.len_utf8());
        rest = tail;
        steps.push(match c {
            '*' => Step::Anything,
            '?' => Step::One,
            '[' => match class(tail) {
                Some((step, after)) => {
                    rest = after;
                    step
                }
                None => Step::Exactly('['),
            },
            c => Step::Exactly(c),
        });
    }
    steps
}

/// What stands between brackets, and what follows. The first character is a member even when it is `]`.
fn class(text: &str) -> Option<(Step, &str)> {
    let members = text.strip_prefix(['!', '^']).unwrap_or(text);
    let first = members.chars().next()?.len_utf8();
    let end = members.split_at(first).1.find(']')?;
    let (inside, after) = members.split_at(first + end);
    let step = Step::OneOf { members: inside.chars().collect(), negated: members.len() < text.len() };
    Some((step, after.strip_prefix(']')?))
}

impl Step {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Anything | Self::One => true,
            Self::Exactly(wanted) => *wanted == c,
            Self::OneOf { members, negated } => is_member(c, members) != *negated,
        }
    }
}

fn is_member(c: char, members: &[char]) -> bool {
    let range = |window: &[char]| matches!(window, [from, '-', to] if (*from..=*to).contains(&c));
    members.contains(&c) || members.windows(3).any(range)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn brackets_are_sets_and_ranges() {
        for (name, part) in
            [("a1", "a[0-9]"), ("ab", "a[!0-9]"), ("a]", "a[]]"), ("a-", "a[x-]"), ("conf.d", "[c]*[d]"), ("[x", "[x")]
        {
            assert!(fits(name, part), "{name} {part}");
        }
        for (name, part) in [("ab", "a[0-9]"), ("a1", "a[!0-9]"), ("a", "a[b]"), ("abc", "a[b]"), ("ax", "a[!x]")] {
            assert!(!fits(name, part), "{name} {part}");
        }
        // Steps by steps, not by guesses.
        assert!(!fits(&"a".repeat(200), &"*[a]".repeat(100).replace("*[a]*[a]", "*[a]x*")));
    }
}
