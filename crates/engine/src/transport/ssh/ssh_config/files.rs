use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use super::local::Local;
use super::parser::{ParsedFile, parse};
use super::problem::about_file;
use crate::error::Error;

/// More than any configuration has; a device or a log is not one.
const LARGEST: u64 = 4 * 1024 * 1024;
/// Files remembered at once.
const MOST_FILES: usize = 512;

/// Configuration files, each read and parsed once for as long as its time and size stay as they are.
#[derive(Default)]
pub struct ConfigFiles {
    parsed: Mutex<HashMap<PathBuf, (Stamp, Arc<ParsedFile>)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
}

impl ConfigFiles {
    /// The file's lines; `None` when there is no such file. With `private`, only if nobody else could have written them.
    pub(super) fn read(&self, path: &Path, private: bool, local: &Local) -> Result<Option<Arc<ParsedFile>>, Error> {
        let unreadable = |error: io::Error| about_file(path, "the file cannot be read", Some(error));
        // Opening a FIFO would wait for somebody to write into it.
        let mut file =
            match std::fs::metadata(path).and_then(|facts| facts.is_file().then(|| File::open(path)).transpose()) {
                Ok(Some(file)) => file,
                Ok(None) => return Err(about_file(path, "it is not a file", None)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(unreadable(error)),
            };
        let facts = file.metadata().map_err(unreadable)?;
        if private && !is_private(&facts, local) {
            return Err(about_file(path, "others may write to the file, or it belongs to somebody else", None));
        }
        if !facts.is_file() {
            return Err(about_file(path, "it is not a file", None));
        }
        let stamp = Stamp { modified: facts.modified().ok(), size: facts.len() };
        if let Some((known, parsed)) = self.parsed.lock().get(path)
            && *known == stamp
        {
            return Ok(Some(Arc::clone(parsed)));
        }
        let parsed = Arc::new(parse(path, &text(&mut file, path)?)?);
        let mut cache = self.parsed.lock();
        if cache.len() >= MOST_FILES {
            cache.clear();
        }
        cache.insert(path.to_owned(), (stamp, Arc::clone(&parsed)));
        Ok(Some(parsed))
    }
}

fn text(file: &mut File, path: &Path) -> Result<String, Error> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| about_file(path, "the file cannot be read", Some(error)))?;
    if bytes.len() as u64 > LARGEST {
        return Err(about_file(path, "the file is too large for a configuration", None));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(unix)]
fn is_private(facts: &Metadata, local: &Local) -> bool {
    use std::os::unix::fs::MetadataExt;
    (facts.uid() == 0 || facts.uid() == local.uid) && facts.mode() & 0o022 == 0
}

#[cfg(not(unix))]
fn is_private(_: &Metadata, _: &Local) -> bool {
    true
}
