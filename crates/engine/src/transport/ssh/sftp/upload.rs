use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::attributes::Attributes;
use super::local::{PERMISSIONS, Source, blocking};
use super::packet::Chunk;
use super::path::{parent, temporary};
use super::progress::Watch;
use super::remote_file::{Remains, RemoteFile};
use super::session::{Sftp, about};
use super::shared::kibibytes;
use super::status::display;
use super::wire::{flag, request};
use super::writes::Writes;
use crate::error::Error;

#[derive(Debug, Clone, Copy, Default)]
pub struct UploadOptions {
    /// Written under another name and renamed when it is complete.
    pub atomic: bool,
    /// Goes on behind what is there.
    pub resume: bool,
    /// Mode and times as they are here, whatever the server's umask.
    pub preserve: bool,
    /// The mode of a new file, instead of the one it has here. The server's umask applies.
    pub mode: Option<u32>,
    /// Missing directories are made.
    pub parents: bool,
    /// Waits until the bytes are on the server's disk, where it can say so.
    pub sync: bool,
}

impl Sftp {
    /// Sends a file; answers how many bytes it had to send. End it early by `watch`, not by dropping it: then nothing
    /// incomplete has the final name if it is `atomic`, and else what has arrived is a beginning that can be resumed.
    pub async fn upload(
        &self,
        local: &Path,
        remote: &[u8],
        options: &UploadOptions,
        watch: &Watch,
    ) -> Result<u64, Error> {
        watch.check()?;
        let (path, size) = (local.to_owned(), self.features().write_size);
        let opened = watch.unless_cancelled(blocking(move || Opened::open(&path, size))).await?;
        self.upload_opened(opened, remote, options, watch).await
    }

    /// As [`upload`](Self::upload), of a file that is open already.
    pub(super) async fn upload_opened(
        &self,
        Opened { source, first }: Opened,
        remote: &[u8],
        options: &UploadOptions,
        watch: &Watch,
    ) -> Result<u64, Error> {
        watch.progress.expect(source.size);
        let target = if options.atomic { temporary(remote) } else { remote.to_vec() };
        let mut file = match watch.unless_cancelled(open_target(self, &target, &source, options)).await {
            Ok(file) => file,
            Err(error) => {
                if options.atomic {
                    // It may be on its way to being made; whether there is anything to remove, nobody needs to know.
                    drop(self.ask(request::REMOVE, &target));
                }
                return Err(error);
            }
        };
        let certain = AtomicU64::new(if options.resume { UNTOUCHED } else { 0 });
        let sending = send(&mut file, Arc::new(source), first, options, watch, &certain);
        let outcome = match watch.unless_cancelled(sending).await {
            // Not to be cut short: between its steps there may be neither the old file nor the new one.
            Ok(sent) if options.atomic => self.replace(&target, remote).await.map(|()| sent),
            outcome => outcome,
        };
        match &outcome {
            Ok(_) => {}
            // Both files are all there is left of either.
            Err(Error::Misplaced { .. }) => file.give_up(Remains::Untouched).await,
            Err(_) => file.give_up(remains(options, certain.load(Ordering::Relaxed))).await,
        }
        outcome
    }
}

/// Nothing has been written into a file that was there before.
const UNTOUCHED: u64 = u64::MAX;

fn remains(options: &UploadOptions, certain: u64) -> Remains {
    match certain {
        _ if options.atomic => Remains::Nothing,
        UNTOUCHED => Remains::Untouched,
        length => Remains::Beginning(length),
    }
}

/// A file and, where it is small, all of it: that is one trip to the threads that may block instead of two.
pub struct Opened {
    source: Source,
    first: Option<Chunk>,
}

impl Opened {
    /// Blocks. `size`: what a write may hold.
    pub fn open(path: &Path, size: u32) -> Result<Self, Error> {
        let source = Source::open(path)?;
        let whole = usize::try_from(source.size).ok().filter(|whole| *whole < size as usize);
        // One byte more than there was tells whether that was all.
        let mut first = whole.map(|whole| source.read(0, whole + 1, 1)).transpose()?.unwrap_or_default();
        Ok(Self { source, first: first.pop() })
    }
}

async fn open_target(sftp: &Sftp, path: &[u8], source: &Source, options: &UploadOptions) -> Result<RemoteFile, Error> {
    let how = if options.atomic {
        flag::EXCLUSIVE
    } else if options.resume {
        0
    } else {
        flag::TRUNCATE
    };
    let mode = options.mode.or(source.attributes.mode.map(|mode| mode & PERMISSIONS));
    let attributes = mode.map(Attributes::of_mode).unwrap_or_default();
    let open = || RemoteFile::open(sftp, path, flag::WRITE | flag::CREATE | how, &attributes);
    match open().await {
        Err(error) if options.parents && error.code() == "ENOENT" => {
            let Some(parent) = parent(path) else { return Err(error) };
            sftp.make_directories(parent, None).await?;
            open().await
        }
        opened => opened,
    }
}

async fn send(
    file: &mut RemoteFile,
    source: Arc<Source>,
    first: Option<Chunk>,
    options: &UploadOptions,
    watch: &Watch,
    certain: &AtomicU64,
) -> Result<u64, Error> {
    let preserve = preserved(&source, options);
    if let Some(chunk) = first.filter(|chunk| !options.resume && chunk.len() as u64 <= source.size) {
        return send_whole(file, chunk, preserve.as_ref(), options.sync, watch).await;
    }
    let start = if options.resume { resume_at(file, &source).await? } else { 0 };
    certain.store(start, Ordering::Relaxed);
    watch.progress.add(start);
    let end = Writes::new(file, source, start, watch, certain).run().await?;
    file.ask_finish(preserve.as_ref(), options.sync).done(&file.path).await?;
    watch.progress.file_done();
    Ok(end - start)
}

/// A file of one piece: its end is sent right behind it.
async fn send_whole(
    file: &mut RemoteFile,
    chunk: Chunk,
    preserve: Option<&Attributes>,
    sync: bool,
    watch: &Watch,
) -> Result<u64, Error> {
    let length = chunk.len();
    let sftp = file.sftp.clone();
    // Closed only with the session's last holder, which we are.
    let room = sftp.shared.writes.acquire_many(kibibytes(length)).await;
    let mut written = (length > 0).then(|| file.write(0, chunk));
    let finish = file.ask_finish(preserve, sync);
    if let Some(written) = &mut written {
        written.done(about("write", &file.path)).await?;
    }
    drop(room);
    watch.progress.add(length as u64);
    finish.done(&file.path).await?;
    watch.progress.file_done();
    Ok(length as u64)
}

fn preserved(source: &Source, options: &UploadOptions) -> Option<Attributes> {
    let Attributes { mode, times, .. } = source.attributes;
    let mode = mode.map(|mode| mode & PERMISSIONS);
    options.preserve.then_some(Attributes { mode, times, ..Attributes::default() })
}

/// Where to go on. Only sizes are compared: whether what is there is the beginning of the source, nobody checks.
async fn resume_at(file: &RemoteFile, source: &Source) -> Result<u64, Error> {
    let there = file.attributes().await?.size.unwrap_or(0);
    if there > source.size {
        return Err(Error::ResumeMismatch { path: display(&file.path), there, whole: source.size });
    }
    Ok(there)
}
