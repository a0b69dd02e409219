use std::path::{Path, PathBuf};

use super::attributes::Attributes;
use super::crew::{Candidate, Crew, Symlinks, TreeOptions, TreeReport, relative, wanted};
use super::local::{PERMISSIONS, attributes_of, blocking, failed};
use super::local_tree::{Entry, Kind, bytes_of, entries, follow, read_link, real};
use super::path::join;
use super::progress::Watch;
use super::session::{Sftp, about};
use super::trail::Trail;
use super::upload::{Opened, UploadOptions};
use crate::error::Error;

/// Small files that are read with one blow; large ones are only opened.
const OPENED_AT_ONCE: usize = 16;

/// A directory to be sent; the one on the server is there.
struct Directory {
    local: PathBuf,
    remote: Vec<u8>,
    /// From the root of the tree.
    relative: String,
    trail: Trail,
}

impl Sftp {
    /// Sends what is in the directory `local` into the directory `remote`, which is made, with those above it, if it is
    /// missing. Fails only where nothing could begin, and when it is cancelled; whatever else fails is in the report.
    pub async fn upload_tree(
        &self,
        local: &Path,
        remote: &[u8],
        options: &TreeOptions,
        watch: &Watch,
    ) -> Result<TreeReport, Error> {
        watch.check()?;
        let root = local.to_owned();
        watch.unless_cancelled(blocking(move || entries(&root).map(drop))).await?;
        watch.unless_cancelled(self.make_directories(remote, None)).await?;
        let mut walk = Walk {
            sftp: self,
            options,
            watch,
            crew: Crew::new(options.concurrency, watch),
            directories: vec![Directory {
                local: local.to_owned(),
                remote: remote.to_vec(),
                relative: String::new(),
                trail: Trail::default(),
            }],
            finished: Vec::new(),
        };
        let outcome = watch.unless_cancelled(walk.run()).await;
        walk.crew.finish().await;
        outcome?;
        let ending = async {
            walk.preserve_directories().await;
            Ok(())
        };
        watch.unless_cancelled(ending).await?;
        Ok(walk.crew.report)
    }
}

struct Walk<'a> {
    sftp: &'a Sftp,
    options: &'a TreeOptions,
    watch: &'a Watch,
    crew: Crew,
    /// To be read.
    directories: Vec<Directory>,
    /// To get mode and times when nothing more is written into them.
    finished: Vec<(PathBuf, Vec<u8>)>,
}

impl Walk<'_> {
    async fn run(&mut self) -> Result<(), Error> {
        while let Some(directory) = self.directories.pop() {
            self.crew.report.directories += 1;
            let path = directory.local.clone();
            match blocking(move || entries(&path)).await {
                Ok(entries) => self.send(&directory, entries).await?,
                Err(error) => self.crew.fail(directory.local.display().to_string(), error),
            }
            if self.options.preserve {
                self.finished.push((directory.local, directory.remote));
            }
        }
        Ok(())
    }

    async fn send(&mut self, directory: &Directory, entries: Vec<Entry>) -> Result<(), Error> {
        let (mut inner, mut files) = (Vec::new(), Vec::new());
        for (Entry { name, kind }, path) in self.filtered(directory, entries).await? {
            let local = directory.local.join(&name);
            let remote = join(&directory.remote, &bytes_of(&name));
            let (kind, trail) = if kind == Kind::Symlink {
                match self.link(directory, &local, &remote).await {
                    Ok(Some(found)) => found,
                    Ok(None) => continue,
                    Err(error) => {
                        self.crew.fail(local.display().to_string(), error);
                        continue;
                    }
                }
            } else {
                (kind, directory.trail.clone())
            };
            match kind {
                Kind::Directory => inner.push(Directory { local, remote, relative: path, trail }),
                Kind::File => files.push((local, remote)),
                Kind::Symlink | Kind::Other => {
                    let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file");
                    self.crew.fail(local.display().to_string(), failed("read", &local)(error));
                }
            }
        }
        self.files(files).await?;
        self.make(inner).await;
        Ok(())
    }

    async fn filtered(&self, directory: &Directory, entries: Vec<Entry>) -> Result<Vec<(Entry, String)>, Error> {
        let paths: Vec<String> =
            entries.iter().map(|entry| relative(&directory.relative, &entry.name.to_string_lossy())).collect();
        let candidates = entries.iter().zip(&paths);
        let candidates =
            candidates.map(|(entry, path)| Candidate { path: path.clone(), directory: entry.kind == Kind::Directory });
        let wanted = wanted(self.options.filter.as_ref(), candidates.collect()).await?;
        let all = entries.into_iter().zip(paths).zip(wanted);
        Ok(all.filter_map(|(entry, wanted)| wanted.then_some(entry)).collect())
    }

    /// What a link stands for; `None` when there is nothing more to do about it.
    async fn link(
        &mut self,
        directory: &Directory,
        local: &Path,
        remote: &[u8],
    ) -> Result<Option<(Kind, Trail)>, Error> {
        let (link, inside) = (local.to_owned(), directory.local.clone());
        match self.options.symlinks {
            Symlinks::Skip => Ok(None),
            Symlinks::Recreate => {
                let target = blocking(move || read_link(&link)).await?;
                self.replace_link(&target, remote).await?;
                self.crew.report.symlinks += 1;
                Ok(None)
            }
            Symlinks::Follow => {
                let (kind, places) = blocking(move || {
                    let (kind, leads_to) = follow(&link)?;
                    let places = leads_to.map(|to| Ok((real(&inside)?, to))).transpose()?;
                    Ok((kind, places))
                })
                .await?;
                let Some((from, to)) = places else { return Ok(Some((kind, directory.trail.clone()))) };
                let trail = directory.trail.through(&bytes_of(from.as_os_str()), &bytes_of(to.as_os_str()));
                let looping = || std::io::Error::other("the link leads back to a directory that it is in");
                trail.map(|trail| Some((kind, trail))).ok_or_else(|| failed("follow", local)(looping()))
            }
        }
    }

    /// A link of an earlier transfer is replaced, nothing else is.
    async fn replace_link(&self, target: &[u8], path: &[u8]) -> Result<(), Error> {
        match self.sftp.symlink(target, path).await {
            Err(error) if error.code() == "EEXIST" && self.sftp.read_link(path).await.is_ok() => {
                self.sftp.remove(path).await?;
                self.sftp.symlink(target, path).await
            }
            outcome => outcome,
        }
    }

    /// Opens a few files at a time: for small ones, going to the threads that may block costs more than reading them.
    async fn files(&mut self, mut files: Vec<(PathBuf, Vec<u8>)>) -> Result<(), Error> {
        let size = self.sftp.features().write_size;
        while !files.is_empty() {
            let rest = files.split_off(files.len().min(OPENED_AT_ONCE));
            let few = std::mem::replace(&mut files, rest);
            let opened = blocking(move || {
                let opened = few.into_iter().map(|(local, remote)| (Opened::open(&local, size), local, remote));
                Ok(opened.collect::<Vec<_>>())
            });
            for (opened, local, remote) in opened.await? {
                let path = local.display().to_string();
                match opened {
                    Ok(opened) => self.file(path, opened, remote).await,
                    Err(error) => self.crew.fail(path, error),
                }
            }
        }
        Ok(())
    }

    async fn file(&mut self, path: String, opened: Opened, remote: Vec<u8>) {
        let (sftp, watch) = (self.sftp.clone(), self.watch.clone());
        let TreeOptions { atomic, preserve, .. } = *self.options;
        let copy = async move {
            let options = UploadOptions { atomic, preserve, ..UploadOptions::default() };
            sftp.upload_opened(opened, &remote, &options, &watch).await
        };
        self.crew.start(path, copy).await;
    }

    /// Makes directories on the server, all at once, and puts those that are there in line.
    async fn make(&mut self, directories: Vec<Directory>) {
        let asked: Vec<_> = directories
            .into_iter()
            .map(|directory| (self.sftp.ask_directory(&directory.remote, &Attributes::default()), directory))
            .collect();
        for (mut asked, directory) in asked {
            match asked.done(about("make the directory", &directory.remote)).await {
                Err(error) if !self.sftp.is_directory(&directory.remote).await.unwrap_or(false) => {
                    self.crew.fail(directory.local.display().to_string(), error);
                }
                _ => self.directories.push(directory),
            }
        }
    }

    /// The innermost first: a mode may forbid to enter.
    async fn preserve_directories(&mut self) {
        while let Some((local, remote)) = self.finished.pop() {
            let path = local.clone();
            let outcome = async {
                let found = blocking(move || {
                    std::fs::metadata(&path).map(|found| attributes_of(&found)).map_err(failed("stat", &path))
                })
                .await?;
                let mode = found.mode.map(|mode| mode & PERMISSIONS);
                self.sftp.set(&remote, &Attributes { mode, times: found.times, ..Attributes::default() }).await
            };
            if let Err(error) = outcome.await {
                self.crew.fail(local.display().to_string(), error);
            }
        }
    }
}
