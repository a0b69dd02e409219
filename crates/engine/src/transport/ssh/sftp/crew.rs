use std::sync::Arc;

use tokio::task::JoinSet;

use super::progress::Watch;
use crate::error::Error;

/// What becomes of symbolic links in a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// What they point to is copied, as if it stood there.
    #[default]
    Follow,
    /// A link that says the same is made.
    Recreate,
    Skip,
}

/// Something in a tree that may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// From the root of the tree, with slashes.
    pub path: String,
    pub directory: bool,
}

/// Says for each of them whether it is wanted. Asked once for the entries of a directory, or a part of them.
pub type Filter = Arc<
    dyn Fn(Vec<Candidate>) -> std::pin::Pin<Box<dyn Future<Output = Result<Vec<bool>, Error>> + Send>> + Send + Sync,
>;

/// How a tree is copied.
#[derive(Clone)]
pub struct TreeOptions {
    /// Files at a time.
    pub concurrency: usize,
    pub symlinks: Symlinks,
    pub filter: Option<Filter>,
    pub atomic: bool,
    pub preserve: bool,
}

/// How it went: what was done, and everything that was not, with the reason.
#[derive(Debug, Default)]
pub struct TreeReport {
    pub files: u64,
    pub directories: u64,
    pub symlinks: u64,
    pub bytes: u64,
    pub failed: Vec<Failed>,
}

#[derive(Debug)]
pub struct Failed {
    /// Of the source.
    pub path: String,
    pub error: Error,
}

/// Copies files at a bounded number at a time and keeps the books.
pub struct Crew {
    jobs: JoinSet<(String, Result<u64, Error>)>,
    most: usize,
    watch: Watch,
    pub report: TreeReport,
}

impl Crew {
    pub fn new(concurrency: usize, watch: &Watch) -> Self {
        Self { jobs: JoinSet::new(), most: concurrency.max(1), watch: watch.clone(), report: TreeReport::default() }
    }

    /// Starts a copy as soon as there is room for one.
    pub async fn start(&mut self, path: String, copy: impl Future<Output = Result<u64, Error>> + Send + 'static) {
        while self.jobs.len() >= self.most {
            self.note_next().await;
        }
        self.jobs.spawn(async move { (path, copy.await) });
    }

    /// Waits for all copies.
    pub async fn finish(&mut self) {
        while !self.jobs.is_empty() {
            self.note_next().await;
        }
    }

    async fn note_next(&mut self) {
        match self.jobs.join_next().await {
            Some(Ok((_, Ok(bytes)))) => {
                self.report.files += 1;
                self.report.bytes += bytes;
            }
            Some(Ok((path, Err(error)))) => self.fail(path, error),
            Some(Err(_)) => self.fail(String::new(), Error::Internal { what: "copying a file" }),
            None => {}
        }
    }

    pub fn fail(&mut self, path: String, error: Error) {
        self.watch.progress.file_failed();
        self.report.failed.push(Failed { path, error });
    }
}

/// Asks the filter; without one, everything is wanted.
pub async fn wanted(filter: Option<&Filter>, candidates: Vec<Candidate>) -> Result<Vec<bool>, Error> {
    match filter {
        Some(filter) => filter(candidates).await,
        None => Ok(vec![true; candidates.len()]),
    }
}

/// The path from the root of the tree.
pub fn relative(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}
