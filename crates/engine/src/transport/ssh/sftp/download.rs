use std::path::Path;
use std::sync::Arc;

use super::attributes::{Attributes, FileType};
use super::local::{Placing, Sink, blocking};
use super::progress::Watch;
use super::reads::Reads;
use super::remote_file::RemoteFile;
use super::session::{Sftp, about};
use super::shared::Pending;
use super::status::problem;
use super::wire::flag;
use crate::error::Error;

#[derive(Debug, Clone, Copy, Default)]
pub struct DownloadOptions {
    pub placing: Placing,
    /// Mode and times as they are there, whatever the umask here.
    pub preserve: bool,
    /// Waits until the bytes are on the disk.
    pub sync: bool,
}

impl Sftp {
    /// Fetches a file; answers how many bytes it had to fetch. End it early by `watch`, not by dropping it: then nothing
    /// incomplete has the final name if it is `atomic`, and else what has arrived is a beginning that can be resumed.
    ///
    /// What the file holds when it is opened is fetched; what is added later is not. One that shows no size, as those
    /// in /proc, is read to its end.
    pub async fn download(
        &self,
        remote: &[u8],
        local: &Path,
        options: &DownloadOptions,
        watch: &Watch,
    ) -> Result<u64, Error> {
        watch.check()?;
        let file = watch.unless_cancelled(RemoteFile::open(self, remote, flag::READ, &Attributes::default())).await?;
        // The first part is asked for along with the size: for a small file, that is all.
        let mut found = file.ask_attributes();
        let ahead = (!options.placing.resume).then(|| Ahead::ask(&file));
        let found = watch.unless_cancelled(found.attributes(about("stat", &file.path))).await?;
        if found.file_type() == FileType::Directory {
            return Err(problem("read", &file.path, "EISDIR", "it is a directory"));
        }
        let sink = create(local, options.placing, found.mode).await?;
        let outcome = watch.unless_cancelled(fetch(&file, &sink, &found, ahead, options, watch)).await;
        if outcome.is_err() {
            // Also waits for what is being written, so that whoever resumes finds a file that stands still.
            blocking(move || {
                sink.abandon();
                Ok(())
            })
            .await?;
        }
        outcome
    }
}

async fn create(local: &Path, placing: Placing, mode: Option<u32>) -> Result<Arc<Sink>, Error> {
    let path = local.to_owned();
    blocking(move || Sink::create(&path, placing, mode).map(Arc::new)).await
}

async fn fetch(
    file: &RemoteFile,
    sink: &Arc<Sink>,
    found: &Attributes,
    ahead: Option<Ahead>,
    options: &DownloadOptions,
    watch: &Watch,
) -> Result<u64, Error> {
    let start = resume_at(sink, found)?;
    watch.progress.expect(found.size.unwrap_or(0));
    watch.progress.add(start);
    let end = Reads::new(file, sink, start, found.size, watch).run(ahead).await?;
    let (sink, preserve, sync) = (Arc::clone(sink), options.preserve.then_some(*found), options.sync);
    blocking(move || sink.finish(preserve.as_ref(), sync)).await?;
    watch.progress.file_done();
    Ok(end - start)
}

/// The first part of a file, on its way before anything is known about it.
pub struct Ahead {
    pub length: u32,
    pub answer: Pending,
}

impl Ahead {
    fn ask(file: &RemoteFile) -> Self {
        let length = file.sftp.features().read_size;
        Self { length, answer: file.sftp.read(&file.handle, 0, length) }
    }
}

fn resume_at(sink: &Sink, found: &Attributes) -> Result<u64, Error> {
    let there = sink.start;
    match found.size {
        Some(whole) if there > whole => {
            Err(Error::ResumeMismatch { path: sink.place.display().to_string(), there, whole })
        }
        _ => Ok(there),
    }
}
