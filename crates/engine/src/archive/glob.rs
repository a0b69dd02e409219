//! One pattern of a .dockerignore file. The rules are those of Go's `filepath.Match`, and `**` for any number of folders.

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Letter(char),
    /// `?`
    One,
    /// `*`
    Star,
    /// `**`
    Deep,
    /// `**/`, which may also be nothing.
    Folders,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

#[derive(Debug, Clone)]
pub struct Glob {
    tokens: Vec<Token>,
}

impl Glob {
    /// `None` where a bracket or an escape has no end.
    pub fn parse(pattern: &str) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut rest = pattern.chars().peekable();
        while let Some(letter) = rest.next() {
            tokens.push(match letter {
                '*' if rest.next_if_eq(&'*').is_some() => {
                    while rest.next_if_eq(&'*').is_some() {}
                    if rest.next_if_eq(&'/').is_some() { Token::Folders } else { Token::Deep }
                }
                '*' => Token::Star,
                '?' => Token::One,
                '[' => class(&mut rest)?,
                '\\' => Token::Letter(rest.next()?),
                other => Token::Letter(other),
            });
        }
        Some(Self { tokens })
    }

    /// The whole path, with `/` between its parts. The time is bounded by the product of both lengths.
    pub fn matches(&self, path: &str) -> bool {
        let letters: Vec<char> = path.chars().collect();
        // Which beginnings of the path the tokens so far can have consumed.
        let mut reached = vec![false; letters.len() + 1];
        if let Some(first) = reached.first_mut() {
            *first = true;
        }
        for token in &self.tokens {
            reached = advance(token, &letters, &reached);
        }
        reached.last().copied().unwrap_or(false)
    }
}

fn advance(token: &Token, letters: &[char], before: &[bool]) -> Vec<bool> {
    let mut after = vec![false; before.len()];
    let mut running = false;
    for at in 0..before.len() {
        let here = before.get(at).copied().unwrap_or(false);
        let previous = at.checked_sub(1).and_then(|index| letters.get(index)).copied();
        let came = at.checked_sub(1).and_then(|index| before.get(index)).copied().unwrap_or(false);
        let now = match token {
            Token::Star => {
                running = here || (running && previous != Some('/'));
                running
            }
            Token::Deep => {
                running |= here;
                running
            }
            Token::Folders => {
                // Whatever was reached before a slash can go on behind it.
                let behind = running && previous == Some('/');
                running |= here;
                here || behind
            }
            one => came && previous.is_some_and(|letter| accepts(one, letter)),
        };
        if let Some(slot) = after.get_mut(at) {
            *slot = now;
        }
    }
    after
}

fn accepts(token: &Token, letter: char) -> bool {
    match token {
        Token::Letter(wanted) => *wanted == letter,
        Token::One => letter != '/',
        Token::Class { negated, ranges } => {
            letter != '/' && ranges.iter().any(|(from, to)| (*from..=*to).contains(&letter)) != *negated
        }
        Token::Star | Token::Deep | Token::Folders => false,
    }
}

fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if rest.peek() == Some(&']') && !ranges.is_empty() {
            rest.next();
            return Some(Token::Class { negated, ranges });
        }
        let from = member(rest)?;
        let to = if rest.next_if_eq(&'-').is_some() { member(rest)? } else { from };
        ranges.push((from, to));
    }
}

fn member(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match rest.next()? {
        '\\' => rest.next(),
        '-' | ']' => None,
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    fn matches(pattern: &str, path: &str) -> bool {
        Glob::parse(pattern).is_some_and(|glob| glob.matches(path))
    }

    #[test]
    fn stars_stay_in_their_folder() {
        assert!(matches("*.rs", "main.rs"));
        assert!(!matches("*.rs", "src/main.rs"));
        assert!(matches("src/*.rs", "src/main.rs"));
        assert!(matches("*/*", "a/b"));
        assert!(!matches("*/*", "a/b/c"));
        assert!(matches("*", ""));
    }

    #[test]
    fn two_stars_cross_folders() {
        for path in ["a.go", "x/a.go", "x/y/a.go"] {
            assert!(matches("**/*.go", path), "{path}");
            assert!(matches("**", path), "{path}");
        }
        assert!(!matches("**/*.go", "a.gone"));
        assert!(matches("a/**/b", "a/b"));
        assert!(matches("a/**/b", "a/x/y/b"));
        assert!(!matches("a/**/b", "ab"));
        assert!(matches("a/**", "a/x/y"));
        assert!(!matches("a/**", "b/x"));
        assert!(!matches("**/a", "ba"));
    }

    #[test]
    fn one_letter_and_classes() {
        assert!(matches("?.c", "a.c"));
        assert!(!matches("?", "/"));
        assert!(matches("[a-c]x", "bx"));
        assert!(!matches("[^a-c]x", "bx"));
        assert!(matches("[^a-c]x", "dx"));
        assert!(!matches("[^a]", "/"));
        assert!(matches(r"\*", "*"));
        assert!(!matches(r"\*", "a"));
        assert!(matches(r"[\]]", "]"));
    }

    #[test]
    fn what_has_no_end_is_no_pattern() {
        for pattern in ["[", "[a", "[]", "[a-", "a\\", "[-a]"] {
            assert!(Glob::parse(pattern).is_none(), "{pattern}");
        }
    }

    #[test]
    fn hostile_patterns_take_no_time() {
        let pattern = "*a".repeat(200);
        assert!(!matches(&pattern, &"a".repeat(2_000).replace("aaaa", "aaab")));
        assert!(matches(&format!("{}*", "**/".repeat(100)), &"x/".repeat(500)));
    }
}
