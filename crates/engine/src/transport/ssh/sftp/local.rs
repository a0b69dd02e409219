//! Files of this machine. They are read and written on threads that may block, in large pieces.

use std::fs::{File, FileTimes, Metadata, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;

use super::attributes::Attributes;
use super::packet::Chunk;
use super::path::unique;
use crate::error::Error;

/// What of a mode is copied: who may do what. Never setuid and the like.
pub const PERMISSIONS: u32 = 0o777;

/// Runs `work` where it may block; its panic is an error.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Internal { what: "reading or writing a file" }))
}

pub fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::LocalFile { operation, path, source: Arc::new(error) }
}

/// A file to send.
pub struct Source {
    pub path: PathBuf,
    pub size: u64,
    pub attributes: Attributes,
    file: File,
}

impl Source {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let open = || open_regular(OpenOptions::new().read(true), path);
        let (file, found) = open().map_err(failed("read", path))?;
        Ok(Self { path: path.to_owned(), size: found.len(), attributes: attributes_of(&found), file })
    }

    /// Up to `count` chunks of `size` bytes from `offset` on. The last one of the file is shorter, perhaps empty.
    pub fn read(&self, offset: u64, size: usize, count: usize) -> Result<Vec<Chunk>, Error> {
        let mut chunks = Vec::with_capacity(count);
        let mut offset = offset;
        for _ in 0..count {
            let mut chunk = Chunk::new(size);
            let length = read_full(&self.file, chunk.body(), offset).map_err(failed("read", &self.path))?;
            chunk.truncate(length);
            offset += length as u64;
            chunks.push(chunk);
            if length < size {
                break;
            }
        }
        Ok(chunks)
    }
}

/// Only regular files: a pipe would wait for whoever is at its other end, and a device may do anything.
fn open_regular(options: &mut OpenOptions, path: &Path) -> io::Result<(File, Metadata)> {
    // Looked at before it is opened, for opening a device may do something already; and once more when it is open.
    match std::fs::metadata(path) {
        Ok(found) => regular(&found)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    without_waiting(options);
    let file = options.open(path)?;
    let found = file.metadata()?;
    regular(&found)?;
    Ok((file, found))
}

fn regular(found: &Metadata) -> io::Result<()> {
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(())
}

/// For what has become a pipe since it was looked at. To regular files it makes no difference.
#[cfg(unix)]
fn without_waiting(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    // Its bits fit: they are those of a C `int`.
    options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
}

#[cfg(not(unix))]
fn without_waiting(_options: &mut OpenOptions) {}

fn read_full(file: &File, mut room: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let wanted = room.len();
    while !room.is_empty() {
        match read_at(file, room, offset) {
            Ok(0) => break,
            Ok(length) => {
                offset += length as u64;
                room = room.get_mut(length..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(wanted - room.len())
}

#[cfg(unix)]
fn read_at(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, room, offset)
}

#[cfg(windows)]
fn read_at(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, room, offset)
}

/// How a received file comes to its place.
#[derive(Debug, Clone, Copy, Default)]
pub struct Placing {
    /// Written under another name and renamed when it is complete.
    pub atomic: bool,
    /// Goes on behind what is there.
    pub resume: bool,
    /// A symbolic link of that name is replaced, not followed.
    pub no_follow: bool,
}

/// A file being received. Bytes are only ever appended, so that what is there is always a beginning of the whole.
pub struct Sink {
    pub place: PathBuf,
    written_to: PathBuf,
    file: File,
    pub start: u64,
    /// Held while bytes are written; `false` when no more may be.
    open: Mutex<bool>,
}

impl Sink {
    pub fn create(place: &Path, placing: Placing, mode: Option<u32>) -> Result<Self, Error> {
        let written_to = if placing.atomic { temporary(place) } else { place.to_owned() };
        if placing.atomic {
            // What is in its place is replaced without being opened.
            replaceable(place).map_err(failed("replace", place))?;
        }
        let mut options = OpenOptions::new();
        options.write(true);
        if placing.atomic || (placing.no_follow && drop_link(place)?) {
            options.create_new(true);
        } else {
            options.create(true).truncate(!placing.resume);
        }
        with_mode(&mut options, mode);
        let (mut file, _) = open_regular(&mut options, &written_to).map_err(failed("write", &written_to))?;
        let start = if placing.resume { file.seek(SeekFrom::End(0)) } else { Ok(0) };
        let start = start.map_err(failed("write", &written_to))?;
        Ok(Self { place: place.to_owned(), written_to, file, start, open: Mutex::new(true) })
    }

    pub fn append(&self, pieces: &[Bytes]) -> Result<(), Error> {
        let open = self.open.lock();
        if !*open {
            return Ok(());
        }
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = slices.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match (&self.file).write_vectored(rest) {
                Ok(0) => return Err(failed("write", &self.place)(io::ErrorKind::WriteZero.into())),
                Ok(length) => IoSlice::advance_slices(&mut rest, length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("write", &self.place)(error)),
            }
        }
        Ok(())
    }

    /// The file is complete.
    pub fn finish(&self, preserve: Option<&Attributes>, sync: bool) -> Result<(), Error> {
        let fail = failed("write", &self.place);
        self.settle(preserve, sync).map_err(fail)
    }

    fn settle(&self, preserve: Option<&Attributes>, sync: bool) -> io::Result<()> {
        if let Some(attributes) = preserve {
            preserve_on(&self.file, attributes)?;
        }
        if sync {
            self.file.sync_all()?;
        }
        if self.written_to != self.place {
            std::fs::rename(&self.written_to, &self.place)?;
        }
        Ok(())
    }

    /// The file stays incomplete. Under its own name it can be resumed: from now on nothing more is written.
    pub fn abandon(&self) {
        *self.open.lock() = false;
        if self.written_to != self.place {
            // What cannot be removed is left with a name that says what it is.
            let _ = std::fs::remove_file(&self.written_to);
        }
    }
}

/// A regular file, or nothing; what a link leads to does not count.
fn replaceable(place: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(place) {
        Ok(found) if !found.is_symlink() => regular(&found),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a symbolic link; `false`: there is none.
fn drop_link(path: &Path) -> Result<bool, Error> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => {
            std::fs::remove_file(path).map_err(failed("replace", path))?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let short: String = name.chars().take(50).collect();
    path.with_file_name(format!(".{short}.{}.part", unique()))
}

fn preserve_on(file: &File, attributes: &Attributes) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(mode) = attributes.mode {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(mode & PERMISSIONS))?;
    }
    if let Some((accessed, modified)) = attributes.times {
        let at = |seconds: u32| UNIX_EPOCH + Duration::from_secs(u64::from(seconds));
        file.set_times(FileTimes::new().set_accessed(at(accessed)).set_modified(at(modified)))?;
    }
    Ok(())
}

/// Mode and times of a directory, once nothing more is written into it.
pub fn preserve_directory(path: &Path, attributes: &Attributes) -> Result<(), Error> {
    File::open(path).and_then(|directory| preserve_on(&directory, attributes)).map_err(failed("change", path))
}

#[cfg(unix)]
fn with_mode(options: &mut OpenOptions, mode: Option<u32>) {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(mode) = mode {
        options.mode(mode & PERMISSIONS);
    }
}

#[cfg(not(unix))]
fn with_mode(_options: &mut OpenOptions, _mode: Option<u32>) {}

/// Mode and times, as the protocol has them.
pub fn attributes_of(found: &Metadata) -> Attributes {
    Attributes { size: Some(found.len()), owner: None, mode: mode_of(found), times: times_of(found) }
}

#[cfg(unix)]
fn mode_of(found: &Metadata) -> Option<u32> {
    Some(std::os::unix::fs::MetadataExt::mode(found))
}

#[cfg(not(unix))]
fn mode_of(_found: &Metadata) -> Option<u32> {
    None
}

fn times_of(found: &Metadata) -> Option<(u32, u32)> {
    Some((seconds(found.accessed().ok()?), seconds(found.modified().ok()?)))
}

/// The protocol's times end in 2106.
fn seconds(time: SystemTime) -> u32 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    u32::try_from(since).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::super::hostile_test::Folder;
    use super::*;

    fn make_pipe(path: &Path) -> rustix::io::Result<()> {
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0)
    }

    #[test]
    fn pipes_and_devices_are_refused_at_once_for_reading_and_for_writing() {
        let folder = Folder::new();
        make_pipe(&folder.file("pipe")).unwrap();
        for path in [folder.file("pipe"), "/dev/null".into()] {
            assert!(Source::open(&path).is_err_and(|error| error.to_string().contains("not a regular file")));
            for atomic in [false, true] {
                let placing = Placing { atomic, ..Placing::default() };
                let error = Sink::create(&path, placing, None).err().unwrap();
                assert!(error.to_string().contains("not a regular file"), "{error}");
            }
        }
        let left: Vec<_> = std::fs::read_dir(folder.file("")).unwrap().collect();
        assert_eq!(left.len(), 1, "the pipe, and nothing temporary");
    }

    #[test]
    fn what_becomes_a_pipe_after_it_was_looked_at_is_refused_too() {
        let folder = Folder::new();
        let pipe = folder.file("pipe");
        make_pipe(&pipe).unwrap();
        let mut options = OpenOptions::new();
        without_waiting(&mut options);
        assert!(options.write(true).open(&pipe).is_err(), "nobody reads it");
        let mut options = OpenOptions::new();
        without_waiting(&mut options);
        assert!(!options.read(true).open(&pipe).unwrap().metadata().unwrap().is_file());
    }
}
