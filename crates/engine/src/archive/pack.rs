//! A local tree as a tar stream.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;

use super::PERMISSIONS;
use super::ignore::Patterns;
use super::pipe::{self, PipeWriter};
use super::report::TreeReport;
use crate::error::Error;

/// A file that is not in the tree but goes along.
#[derive(Debug, Clone)]
pub struct Extra {
    pub name: String,
    pub content: Bytes,
}

#[derive(Debug, Clone)]
pub struct PackSpec {
    /// A folder, a file or a link; a link is sent as one.
    pub root: PathBuf,
    /// Its name in the archive; `None`: what is in the folder, without the folder.
    pub name: Option<String>,
    pub ignore: Patterns,
    pub extra: Vec<Extra>,
}

/// A tree on its way out. Dropped, it is read no further.
pub struct Packing {
    pieces: mpsc::Receiver<Result<Bytes, Error>>,
    report: Arc<Mutex<TreeReport>>,
}

impl Packing {
    /// Needs a tokio runtime around it.
    pub fn start(spec: PackSpec) -> Self {
        let (sender, pieces) = pipe::channel();
        let report = Arc::new(Mutex::new(TreeReport::default()));
        let shared = Arc::clone(&report);
        tokio::task::spawn_blocking(move || {
            let mut pack = Pack { builder: Builder::new(PipeWriter::new(sender.clone(), Ok)), report: shared };
            if let Err(error) = pack.all(&spec) {
                // Nobody hears it only when nobody reads any more.
                let _ = sender.blocking_send(Err(error));
            }
        });
        Self { pieces, report }
    }

    /// `None` at the end. After an error there is nothing more.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.pieces.recv().await.transpose()
    }

    /// Complete once `next` gave the end.
    pub fn report(&self) -> TreeReport {
        self.report.lock().clone()
    }
}

struct Pack {
    builder: Builder<PipeWriter<Result<Bytes, Error>>>,
    report: Arc<Mutex<TreeReport>>,
}

impl Pack {
    fn all(&mut self, spec: &PackSpec) -> Result<(), Error> {
        self.tree(spec)?;
        for extra in &spec.extra {
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_mode(0o644);
            header.set_size(extra.content.len() as u64);
            self.append(&mut header, Path::new(&extra.name), Path::new(&extra.name), &*extra.content)?;
        }
        self.builder.finish().and_then(|()| io::Write::flush(self.builder.get_mut())).map_err(failed(&spec.root))
    }

    /// Each folder before what is in it, names in order: the same tree gives the same stream.
    fn tree(&mut self, spec: &PackSpec) -> Result<(), Error> {
        let named = spec.name.as_ref().map(PathBuf::from).unwrap_or_default();
        let mut waiting = vec![(spec.root.clone(), String::new())];
        while let Some((path, below)) = waiting.pop() {
            let found = std::fs::symlink_metadata(&path).map_err(failed(&path))?;
            let out = !below.is_empty() && spec.ignore.leaves_out(&below);
            let at = if below.is_empty() { named.clone() } else { named.join(&below) };
            if !out {
                self.entry(&path, &at, &found)?;
            }
            if found.is_dir() && (!out || spec.ignore.readmit()) {
                waiting.extend(children(&path, &below)?);
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, at: &Path, found: &Metadata) -> Result<(), Error> {
        let kind = found.file_type();
        if kind.is_dir() {
            // The root of a tree that is sent without its root.
            if at.as_os_str().is_empty() {
                return Ok(());
            }
            self.report.lock().directories += 1;
            return self.append(&mut header(found, EntryType::Directory, 0), at, path, io::empty());
        }
        if kind.is_symlink() {
            let target = std::fs::read_link(path).map_err(failed(path))?;
            self.report.lock().links += 1;
            let mut header = header(found, EntryType::Symlink, 0);
            return self.builder.append_link(&mut header, at, target).map_err(failed(path));
        }
        if kind.is_file() {
            return self.file(path, at);
        }
        self.report.lock().skip(at.to_string_lossy().into_owned());
        Ok(())
    }

    fn file(&mut self, path: &Path, at: &Path) -> Result<(), Error> {
        let file = open(path).map_err(failed(path))?;
        let found = file.metadata().map_err(failed(path))?;
        // Something else has taken its place since it was looked at.
        if !found.is_file() {
            return Err(changed(path));
        }
        let size = found.len();
        // A file that grows is sent as long as it was; its header is on the way already.
        let mut content = Counted { inner: file.take(size), count: 0 };
        self.append(&mut header(&found, EntryType::Regular, size), at, path, &mut content)?;
        if content.count != size {
            return Err(changed(path));
        }
        let mut report = self.report.lock();
        report.files += 1;
        report.bytes += size;
        Ok(())
    }

    fn append(&mut self, header: &mut Header, at: &Path, path: &Path, content: impl Read) -> Result<(), Error> {
        self.builder.append_data(header, at, content).map_err(failed(path))
    }
}

/// The last one first: they are taken from the end.
fn children(path: &Path, below: &str) -> Result<Vec<(PathBuf, String)>, Error> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed(path))? {
        let entry = entry.map_err(failed(path))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(Error::Archive {
                operation: "pack",
                entry: entry.path().to_string_lossy().into_owned(),
                problem: "its name is not UTF-8",
            });
        };
        let below = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        found.push((entry.path(), below));
    }
    found.sort_by(|(_, one), (_, other)| other.cmp(one));
    Ok(found)
}

/// Owned by root, as what an image is built from is; who owns it here means nothing there.
fn header(found: &Metadata, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_metadata(found);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mode(mode(found));
    header
}

#[cfg(unix)]
fn mode(found: &Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(found) & PERMISSIONS
}

/// There is nothing like it: everything may be run, as the Docker CLI has it.
#[cfg(not(unix))]
fn mode(_found: &Metadata) -> u32 {
    0o755 & PERMISSIONS
}

/// A pipe that stands there by now must neither be waited for, nor a link followed.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    std::fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(room)?;
        self.count += length as u64;
        Ok(length)
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::LocalFile { operation: "read", path, source: Arc::new(error) }
}

fn changed(path: &Path) -> Error {
    Error::Archive { operation: "pack", entry: path.display().to_string(), problem: "it changed while it was read" }
}

#[cfg(test)]
#[cfg(unix)]
#[path = "pack_test.rs"]
mod tests;
