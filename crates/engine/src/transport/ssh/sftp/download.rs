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
        watch.unless_cancelled(self.fetch(file, local, options, watch)).await
    }

    async fn fetch(
        &self,
        file: RemoteFile,
        local: &Path,
        options: &DownloadOptions,
        watch: &Watch,
    ) -> Result<u64, Error> {
        let mut found = file.ask_attributes();
        // The first part is asked for along with the size: for a small file, that is all.
        let ahead = (!options.placing.resume).then(|| Ahead::ask(&file));
        let found = found.attributes(about("stat", &file.path)).await?;
        if found.file_type() == FileType::Directory {
            return Err(problem("read", &file.path, "EISDIR", "it is a directory"));
        }
        let sink = Partial::create(local, options.placing, found.mode).await?;
        let start = resume_at(&sink, &found, local)?;
        watch.progress.expect(found.size.unwrap_or(0));
        watch.progress.add(start);
        let end = Reads::new(&file, &sink.0, start, found.size, watch).run(ahead).await?;
        drop(file);
        let preserve = options.preserve.then_some(found);
        sink.finish(preserve, options.sync).await?;
        watch.progress.file_done();
        Ok(end - start)
    }
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

fn resume_at(sink: &Partial, found: &Attributes, local: &Path) -> Result<u64, Error> {
    let there = sink.0.start;
    match found.size {
        Some(whole) if there > whole => {
            Err(Error::ResumeMismatch { path: local.display().to_string(), there, whole })
        }
        _ => Ok(there),
    }
}

/// A local file that is not complete yet. Dropping it leaves what may stay and removes what may not.
struct Partial(Arc<Sink>, bool);

impl Partial {
    async fn create(local: &Path, placing: Placing, mode: Option<u32>) -> Result<Self, Error> {
        let path = local.to_owned();
        let sink = blocking(move || Sink::create(&path, placing, mode)).await?;
        Ok(Self(Arc::new(sink), false))
    }

    async fn finish(mut self, preserve: Option<Attributes>, sync: bool) -> Result<(), Error> {
        let sink = Arc::clone(&self.0);
        let outcome = blocking(move || sink.finish(preserve.as_ref(), sync)).await;
        self.1 = outcome.is_ok();
        outcome
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.1 {
            self.0.abandon();
        }
    }
}
