//! A tar stream as a local tree.

use std::fs::{File, FileTimes, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tar::{Archive, Entry, EntryType};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::PERMISSIONS;
use super::pipe::{self, Piece, PipeReader};
use super::place::{Place, below_first, failed, refused, stays_inside};
use super::report::TreeReport;
use crate::error::Error;

/// An archive ends with two blocks of zeros; a server that failed halfway leaves them out.
const CLOSING: usize = 1024;
/// What is written at a time.
const BLOCK: usize = 256 * 1024;

#[derive(Debug, Clone)]
pub struct UnpackSpec {
    /// What the first part of each name becomes. The folder it is in must be there.
    pub base: PathBuf,
    /// Links that point out of the base are made as they are, instead of ending the transfer. Nothing is ever written through one.
    pub keep_outside_links: bool,
}

/// A tree on its way in. Dropped before `finish`, it stays incomplete.
pub struct Unpacking {
    pieces: Option<mpsc::Sender<Piece>>,
    work: JoinHandle<Result<TreeReport, Error>>,
}

impl Unpacking {
    /// Needs a tokio runtime around it.
    pub fn start(spec: UnpackSpec) -> Self {
        let (sender, receiver) = pipe::channel();
        let work = tokio::task::spawn_blocking(move || unpack(PipeReader::new(receiver), spec));
        Self { pieces: Some(sender), work }
    }

    /// Returns when there is room for more.
    pub async fn write(&mut self, data: Bytes) -> Result<(), Error> {
        let sent = match &self.pieces {
            Some(pieces) => pieces.send(Piece::Data(data)).await.is_ok(),
            None => false,
        };
        if sent {
            return Ok(());
        }
        self.pieces = None;
        // It reads no more because it failed, or because the archive had ended: what follows that is of no interest.
        match (&mut self.work).await {
            Ok(Err(error)) => Err(error),
            _ => Err(Error::Internal { what: "unpacking" }),
        }
    }

    /// The archive is complete. Resolves when everything is in its place.
    pub async fn finish(mut self) -> Result<TreeReport, Error> {
        if let Some(pieces) = self.pieces.take() {
            // A worker that has ended says why below.
            let _ = pieces.send(Piece::End).await;
        }
        self.work.await.unwrap_or(Err(Error::Internal { what: "unpacking" }))
    }
}

fn unpack(reader: PipeReader, spec: UnpackSpec) -> Result<TreeReport, Error> {
    let base = spec.base.clone();
    let mut archive = Archive::new(reader);
    let mut unpack =
        Unpack { place: Place::new(spec.base.clone()), spec, report: TreeReport::default(), folders: Vec::new() };
    for entry in archive.entries().map_err(broken(&base))? {
        unpack.entry(entry.map_err(broken(&base))?)?;
    }
    let mut reader = archive.into_inner();
    // What is behind the end is read as well, or the sender would wait for ever.
    io::copy(&mut reader, &mut io::sink()).map_err(broken(&base))?;
    if reader.trailing_zeros() < CLOSING {
        return Err(refused(&base, "the archive ends too early: whoever sent it failed halfway"));
    }
    unpack.finish()
}

/// What cannot be read is no archive; what the machine says about files comes another way.
fn broken(base: &Path) -> impl FnOnce(io::Error) -> Error {
    let entry = base.display().to_string();
    move |error| match error.kind() {
        io::ErrorKind::ConnectionAborted => {
            Error::Archive { operation: "unpack", entry, problem: "the stream was cut short" }
        }
        _ => Error::Archive { operation: "unpack", entry, problem: "what came is no tar archive" },
    }
}

/// A folder whose mode and time are set when nothing more is written into it.
struct Folder {
    path: PathBuf,
    mode: u32,
    modified: SystemTime,
}

struct Unpack {
    place: Place,
    spec: UnpackSpec,
    report: TreeReport,
    folders: Vec<Folder>,
}

impl Unpack {
    fn entry(&mut self, mut entry: Entry<'_, PipeReader>) -> Result<(), Error> {
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        let name = entry.path().map_err(broken(&self.spec.base))?.into_owned();
        let below = below_first(&name)?;
        match kind {
            EntryType::Directory => self.folder(&entry, &name, &below),
            EntryType::Regular | EntryType::Continuous => self.file(&mut entry, &name, &below),
            EntryType::Symlink => self.symlink(&entry, &name, &below),
            EntryType::Link => self.hard_link(&entry, &name, &below),
            // A few bytes of it can stand for any number of zeros.
            EntryType::GNUSparse => Err(refused(&name, "it is a sparse file")),
            _ => {
                self.report.skip(name.to_string_lossy().into_owned());
                Ok(())
            }
        }
    }

    fn folder(&mut self, entry: &Entry<'_, PipeReader>, name: &Path, below: &Path) -> Result<(), Error> {
        self.place.prepare(below, name)?;
        let path = self.place.at(below);
        self.place.enter(&path, name)?;
        self.report.directories += 1;
        let (mode, modified) = attributes(entry, name)?;
        self.folders.push(Folder { path, mode, modified });
        Ok(())
    }

    fn file(&mut self, entry: &mut Entry<'_, PipeReader>, name: &Path, below: &Path) -> Result<(), Error> {
        self.place.prepare(below, name)?;
        let path = self.place.at(below);
        self.place.clear(&path, name)?;
        let (mode, modified) = attributes(entry, name)?;
        let size = entry.size();
        // Not to be read by others before it is known to whom it may belong.
        let mut file = create(&path).map_err(failed(&path))?;
        let copied = copy(entry, &mut file, &path, name)?;
        if copied != size {
            return Err(refused(name, "the stream was cut short"));
        }
        settle(&file, mode, modified).map_err(failed(&path))?;
        self.report.files += 1;
        self.report.bytes += copied;
        Ok(())
    }

    fn symlink(&mut self, entry: &Entry<'_, PipeReader>, name: &Path, below: &Path) -> Result<(), Error> {
        let target = link_target(entry, name)?;
        let depth = below.components().count().saturating_sub(1);
        if !self.spec.keep_outside_links && !stays_inside(&target, depth) {
            return Err(refused(name, "it is a link that leads out of what is copied"));
        }
        self.place.prepare(below, name)?;
        let path = self.place.at(below);
        self.place.clear(&path, name)?;
        if !link(&target, &path).map_err(failed(&path))? {
            self.report.skip(name.to_string_lossy().into_owned());
            return Ok(());
        }
        self.report.links += 1;
        Ok(())
    }

    /// The same file under a second name. The first one has to be a file that stands here.
    fn hard_link(&mut self, entry: &Entry<'_, PipeReader>, name: &Path, below: &Path) -> Result<(), Error> {
        let original = below_first(&link_target(entry, name)?)?;
        self.place.prepare(&original, name)?;
        let from = self.place.at(&original);
        let is_file = std::fs::symlink_metadata(&from).is_ok_and(|found| found.is_file());
        if !is_file {
            return Err(refused(name, "it is a hard link to what is no file of the archive"));
        }
        self.place.prepare(below, name)?;
        let path = self.place.at(below);
        if path != from {
            self.place.clear(&path, name)?;
            std::fs::hard_link(&from, &path).map_err(failed(&path))?;
        }
        self.report.files += 1;
        Ok(())
    }

    /// Innermost first: a folder that may not be entered any more is done with.
    fn finish(mut self) -> Result<TreeReport, Error> {
        for Folder { path, mode, modified } in self.folders.drain(..).rev() {
            settle_folder(&path, mode, modified).map_err(failed(&path))?;
        }
        Ok(self.report)
    }
}

fn link_target(entry: &Entry<'_, PipeReader>, name: &Path) -> Result<PathBuf, Error> {
    let target = entry.link_name().ok().flatten().ok_or_else(|| refused(name, "it is a link to nowhere"))?;
    Ok(target.into_owned())
}

fn attributes(entry: &Entry<'_, PipeReader>, name: &Path) -> Result<(u32, SystemTime), Error> {
    let unreadable = |_| refused(name, "its header cannot be read");
    let mode = entry.header().mode().map_err(unreadable)? & PERMISSIONS;
    // A time beyond what the machine can hold is none.
    let seconds = Duration::from_secs(entry.header().mtime().map_err(unreadable)?.min(u64::from(u32::MAX)));
    Ok((mode, UNIX_EPOCH + seconds))
}

/// By hand, because an error of reading is about the archive and one of writing about the file.
fn copy(entry: &mut Entry<'_, PipeReader>, file: &mut File, path: &Path, name: &Path) -> Result<u64, Error> {
    let mut block = vec![0; BLOCK];
    let mut copied = 0;
    loop {
        let length = match entry.read(&mut block) {
            Ok(0) => return Ok(copied),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(broken(name)(error)),
        };
        io::Write::write_all(file, block.get(..length).unwrap_or_default()).map_err(failed(path))?;
        copied += length as u64;
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn settle(file: &File, mode: u32, modified: SystemTime) -> io::Result<()> {
    file.set_times(FileTimes::new().set_modified(modified))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    }
    #[cfg(not(unix))]
    let _ = mode;
    Ok(())
}

#[cfg(unix)]
fn settle_folder(path: &Path, mode: u32, modified: SystemTime) -> io::Result<()> {
    settle(&File::open(path)?, mode, modified)
}

/// A folder cannot be opened like a file there, and has no such mode.
#[cfg(not(unix))]
fn settle_folder(_path: &Path, _mode: u32, _modified: SystemTime) -> io::Result<()> {
    Ok(())
}

/// `false` where there are no such links.
#[cfg(unix)]
fn link(target: &Path, path: &Path) -> io::Result<bool> {
    std::os::unix::fs::symlink(target, path).map(|()| true)
}

#[cfg(not(unix))]
fn link(_target: &Path, _path: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
#[cfg(unix)]
#[path = "unpack_test.rs"]
mod tests;
