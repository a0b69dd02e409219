use std::path::Path;
use std::sync::Arc;

use crate::error::Error;

/// What is wrong with a line, in words that follow its place.
pub type Problem = String;

/// A line that cannot be understood.
pub fn at_line(path: &Path, line: usize, problem: Problem) -> Error {
    Error::SshConfig { place: format!("{} line {line}", path.display()), problem, source: None }
}

/// A file that cannot be used at all.
pub fn about_file(path: &Path, problem: &str, source: Option<std::io::Error>) -> Error {
    let source = source.map(|error| Arc::new(error) as crate::error::Cause);
    Error::SshConfig { place: path.display().to_string(), problem: problem.to_owned(), source }
}
