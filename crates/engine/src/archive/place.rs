//! Where an entry of an archive goes. Whoever made the archive may be hostile: nothing leads out of the base.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;

pub fn refused(entry: &Path, problem: &'static str) -> Error {
    Error::Archive { operation: "unpack", entry: entry.to_string_lossy().into_owned(), problem }
}

pub fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::LocalFile { operation: "write", path, source: Arc::new(error) }
}

/// An entry's name, without the first part, which is the name of what was asked for. Empty: it is that itself.
pub fn below_first(name: &Path) -> Result<PathBuf, Error> {
    let mut parts = Vec::new();
    for component in name.components() {
        match component {
            Component::Normal(part) => parts.push(part),
            // A leading one stands for what was asked for.
            Component::CurDir => parts.push(std::ffi::OsStr::new(".")),
            Component::ParentDir => return Err(refused(name, "its name leads out with '..'")),
            Component::RootDir | Component::Prefix(_) => return Err(refused(name, "its name is an absolute path")),
        }
    }
    if parts.is_empty() {
        return Err(refused(name, "it has no name"));
    }
    Ok(parts.into_iter().skip(1).collect())
}

/// Does a link that stands `depth` folders below the base stay within it? Going up is allowed only in the beginning: further on
/// a link may have led somewhere else in the meantime.
pub fn stays_inside(target: &Path, depth: usize) -> bool {
    let mut up = 0;
    let mut down = false;
    for component in target.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if !down => up += 1,
            Component::Normal(_) => down = true,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    up <= depth
}

/// The tree under one base, in which only folders are entered.
pub struct Place {
    base: PathBuf,
    /// Found to be a folder, last time: most entries have the folder of the one before.
    known: Option<PathBuf>,
}

impl Place {
    /// The folder that `base` stands in is the caller's and may be anything; from `base` on nothing is followed.
    pub fn new(base: PathBuf) -> Self {
        Self { base, known: None }
    }

    pub fn at(&self, below: &Path) -> PathBuf {
        // Joined with nothing, a path would get a slash at its end.
        if below.as_os_str().is_empty() { self.base.clone() } else { self.base.join(below) }
    }

    /// Makes the folders above an entry, and refuses to go through anything else.
    pub fn prepare(&mut self, below: &Path, entry: &Path) -> Result<(), Error> {
        let Some(parent) = below.parent() else { return Ok(()) };
        if self.known.as_deref() == Some(parent) {
            return Ok(());
        }
        self.enter(&self.base.clone(), entry)?;
        let mut at = self.base.clone();
        for part in parent.components() {
            at.push(part);
            self.enter(&at, entry)?;
        }
        self.known = Some(parent.to_owned());
        Ok(())
    }

    /// The folder itself, made where it is missing.
    pub fn enter(&self, path: &Path, entry: &Path) -> Result<(), Error> {
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(found) if found.is_symlink() => Err(refused(entry, "it leads through a symbolic link")),
            Ok(_) => Err(refused(entry, "a file stands where it needs a folder")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                std::fs::create_dir(path).map_err(failed(path))
            }
            Err(error) => Err(failed(path)(error)),
        }
    }

    /// Makes room for a file or a link: what stood there goes, unless it is a folder.
    pub fn clear(&self, path: &Path, entry: &Path) -> Result<(), Error> {
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => Err(refused(entry, "a folder stands in its place")),
            Ok(_) => std::fs::remove_file(path).map_err(failed(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{below_first, stays_inside};
    use std::path::Path;

    #[test]
    fn names_lose_their_first_part() {
        for (name, below) in
            [("a/b/c", "b/c"), ("a", ""), ("a/", ""), ("./b", "b"), ("./", ""), ("a/./b", "b"), ("a//b", "b")]
        {
            assert_eq!(below_first(Path::new(name)).unwrap(), Path::new(below), "{name}");
        }
        for name in ["/a", "../a", "a/..", "a/../../b", "", "/"] {
            assert_eq!(below_first(Path::new(name)).unwrap_err().code(), "EARCHIVE", "{name}");
        }
    }

    #[test]
    fn links_may_go_up_to_the_base_and_no_further() {
        for (target, depth) in [("x", 0), ("./x/y", 0), ("../x", 1), ("../../x", 2), ("..", 1), ("", 0)] {
            assert!(stays_inside(Path::new(target), depth), "{target}");
        }
        for (target, depth) in [("/etc", 3), ("..", 0), ("../../x", 1), ("x/../y", 3), ("../x/../y", 3)] {
            assert!(!stays_inside(Path::new(target), depth), "{target}");
        }
    }
}
