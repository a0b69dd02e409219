//! Directories of this machine.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::local::failed;
use crate::error::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Symlink,
    Other,
}

pub struct Entry {
    pub name: OsString,
    pub kind: Kind,
}

/// Everything in a directory, in the order of its names.
pub fn entries(directory: &Path) -> Result<Vec<Entry>, Error> {
    let read = || -> io::Result<Vec<Entry>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            all.push(Entry { name: entry.file_name(), kind: kind(entry.file_type()?) });
        }
        Ok(all)
    };
    let mut all = read().map_err(failed("list", directory))?;
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

fn kind(found: std::fs::FileType) -> Kind {
    if found.is_dir() {
        Kind::Directory
    } else if found.is_file() {
        Kind::File
    } else if found.is_symlink() {
        Kind::Symlink
    } else {
        Kind::Other
    }
}

/// What a link leads to, and where that really is when it is a directory.
pub fn follow(link: &Path) -> Result<(Kind, Option<PathBuf>), Error> {
    let found = std::fs::metadata(link).map_err(failed("follow", link))?;
    let kind = kind(found.file_type());
    let real = (kind == Kind::Directory).then(|| real(link)).transpose()?;
    Ok((kind, real))
}

pub fn real(path: &Path) -> Result<PathBuf, Error> {
    std::fs::canonicalize(path).map_err(failed("resolve", path))
}

pub fn read_link(link: &Path) -> Result<Vec<u8>, Error> {
    let target = std::fs::read_link(link).map_err(failed("read the link", link))?;
    Ok(bytes_of(target.as_os_str()))
}

/// A directory that is really one: a link in its place could lead what follows anywhere.
pub fn make_directory(path: &Path) -> Result<(), Error> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = std::fs::symlink_metadata(path).map_err(failed("make the directory", path))?;
            if found.is_dir() { Ok(()) } else { Err(failed("make the directory", path)(error)) }
        }
        made => made.map_err(failed("make the directory", path)),
    }
}

/// A link that says `target`, in place of another link.
#[cfg(unix)]
pub fn make_link(target: &[u8], path: &Path) -> Result<(), Error> {
    let target = name_of(target);
    let make = || std::os::unix::fs::symlink(&target, path);
    match make() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_symlink() => {
            std::fs::remove_file(path).and_then(|()| make())
        }
        made => made,
    }
    .map_err(failed("make the link", path))
}

#[cfg(not(unix))]
pub fn make_link(_target: &[u8], path: &Path) -> Result<(), Error> {
    Err(failed("make the link", path)(io::ErrorKind::Unsupported.into()))
}

/// A name as bytes, which is what it is on the other side.
#[cfg(unix)]
pub fn bytes_of(name: &OsStr) -> Vec<u8> {
    std::os::unix::ffi::OsStrExt::as_bytes(name).to_vec()
}

#[cfg(not(unix))]
pub fn bytes_of(name: &OsStr) -> Vec<u8> {
    name.to_string_lossy().into_owned().into_bytes()
}

#[cfg(unix)]
pub fn name_of(bytes: &[u8]) -> OsString {
    <OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes).to_owned()
}

#[cfg(not(unix))]
pub fn name_of(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}
