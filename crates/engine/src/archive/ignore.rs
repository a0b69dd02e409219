//! A .dockerignore file: what of a tree stays out of it.

use super::glob::Glob;

/// A line that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPattern {
    /// From 1 on.
    pub line: usize,
    pub pattern: String,
}

#[derive(Debug, Clone)]
struct Rule {
    glob: Glob,
    /// `!`: what it matches comes in again.
    readmits: bool,
}

/// The last rule that matches a path, or a folder it is in, decides.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    rules: Vec<Rule>,
}

impl Patterns {
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            // Only at the very beginning: " #" is a pattern.
            if line.starts_with('#') {
                continue;
            }
            let bad = || BadPattern { line: index + 1, pattern: line.trim().to_owned() };
            match rule(line.trim()) {
                Ok(Some(rule)) => rules.push(rule),
                Ok(None) => {}
                Err(NoPattern) => return Err(bad()),
            }
        }
        Ok(Self { rules })
    }

    /// Lets a file in whatever the rules so far say.
    pub fn keep(&mut self, path: &str) {
        let escaped: String = cleaned(path).chars().flat_map(|letter| ['\\', letter]).collect();
        if let Some(glob) = Glob::parse(&escaped) {
            self.rules.push(Rule { glob, readmits: true });
        }
    }

    /// `path` from the root of the tree, with `/` between its parts.
    pub fn leaves_out(&self, path: &str) -> bool {
        let folders = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        let ways: Vec<&str> = folders.chain([path]).collect();
        let mut out = false;
        for rule in &self.rules {
            // A rule that would change nothing need not be tried.
            if rule.readmits == out && ways.iter().any(|way| rule.glob.matches(way)) {
                out = !rule.readmits;
            }
        }
        out
    }

    /// May something in a folder that is left out come in again?
    pub fn readmit(&self) -> bool {
        self.rules.iter().any(|rule| rule.readmits)
    }
}

struct NoPattern;

fn rule(line: &str) -> Result<Option<Rule>, NoPattern> {
    let (text, readmits) = match line.strip_prefix('!') {
        Some(rest) => (rest.trim(), true),
        None => (line, false),
    };
    if text.is_empty() {
        return if readmits { Err(NoPattern) } else { Ok(None) };
    }
    let pattern = cleaned(text);
    // The root itself: nothing below it has that name.
    if pattern.is_empty() {
        return Ok(None);
    }
    let glob = Glob::parse(&pattern).ok_or(NoPattern)?;
    Ok(Some(Rule { glob, readmits }))
}

/// Without `.`, double slashes and slashes at the ends, and with `..` worked off; patterns start at the root either way.
fn cleaned(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            // Above the root there is nothing.
            ".." if pattern.starts_with('/') => {}
            other => parts.push(other),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::{BadPattern, Patterns};

    fn left_out(text: &str, path: &str) -> bool {
        Patterns::parse(text).is_ok_and(|patterns| patterns.leaves_out(path))
    }

    #[test]
    fn a_folder_takes_what_is_in_it_along() {
        assert!(left_out("node_modules", "node_modules"));
        assert!(left_out("node_modules", "node_modules/a/b.js"));
        assert!(!left_out("node_modules", "src/node_modules/a.js"));
        assert!(left_out("**/node_modules", "src/node_modules/a.js"));
        assert!(!left_out("node_modules", "node_modules2"));
    }

    #[test]
    fn the_last_rule_that_matches_decides() {
        let text = "*.md\n!README.md\nREADME-secret.md\n";
        assert!(left_out(text, "notes.md"));
        assert!(!left_out(text, "README.md"));
        assert!(left_out(text, "README-secret.md"));
        assert!(left_out("!README.md\n*.md", "README.md"));
        assert!(!left_out("docs\n!docs/keep", "docs/keep/a"));
        assert!(left_out("docs\n!docs/keep", "docs/other"));
        assert!(!left_out("*\n!src/**/*.rs", "src/a/b.rs"));
        assert!(left_out("*\n!src/**/*.rs", "src/a/b.c"));
    }

    #[test]
    fn spellings() {
        for text in
            ["/target", "target/", "./target", "  target  ", "a/../target", "\u{feff}target", "//target", "/../target"]
        {
            assert!(left_out(text, "target/x"), "{text:?}");
        }
        for text in ["# target", "", "\n\n", ".", "/", "#target"] {
            assert!(!left_out(text, "target"), "{text:?}");
        }
        assert!(left_out("a\r\nb\r\n", "b"));
        assert!(left_out(" #x", "#x"));
        assert!(!left_out("x\n! x", "x"));
    }

    #[test]
    fn what_is_kept_stays_in() {
        let mut patterns = Patterns::parse("*").unwrap();
        patterns.keep("./build/Docker[file]");
        assert!(!patterns.leaves_out("build/Docker[file]"));
        assert!(patterns.leaves_out("build/Dockerf"));
        assert!(patterns.readmit());
    }

    #[test]
    fn bad_lines_are_named() {
        assert_eq!(Patterns::parse("ok\n[").unwrap_err(), BadPattern { line: 2, pattern: "[".to_owned() });
        assert_eq!(Patterns::parse("!").unwrap_err(), BadPattern { line: 1, pattern: "!".to_owned() });
    }
}
