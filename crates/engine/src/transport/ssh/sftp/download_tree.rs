use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::attributes::{Attributes, FileType};
use super::crew::{Candidate, Crew, Symlinks, TreeOptions, TreeReport, relative, wanted};
use super::download::DownloadOptions;
use super::local::{Placing, blocking, failed, preserve_directory};
use super::local_tree::{make_directory, make_link, name_of};
use super::operations::Listing;
use super::path::{is_plain_name, join};
use super::progress::Watch;
use super::reply::Name;
use super::session::Sftp;
use super::status::{display, problem};
use super::trail::Trail;
use crate::error::Error;

/// Directories being read at a time, so that each one's round trips do not add up.
const LISTINGS: usize = 8;

/// A directory to be fetched; the one here is there.
struct Directory {
    remote: Vec<u8>,
    local: PathBuf,
    /// From the root of the tree.
    relative: String,
    trail: Trail,
}

/// What is heard of a directory that is being read.
enum Heard {
    Names(Arc<Directory>, Vec<Name>),
    End(Arc<Directory>, Result<(), Error>),
}

impl Sftp {
    /// Fetches what is in the directory `remote` into the directory `local`, which is made, with those above it, if it is
    /// missing. Fails only where nothing could begin, and when it is cancelled; whatever else fails is in the report.
    ///
    /// Nothing is written outside `local`, whatever names and links the server shows: names that are paths are refused,
    /// links that are in the way are replaced and never followed, and links of the tree itself are made last.
    pub async fn download_tree(
        &self,
        remote: &[u8],
        local: &Path,
        options: &TreeOptions,
        watch: &Watch,
    ) -> Result<TreeReport, Error> {
        watch.check()?;
        drop(watch.unless_cancelled(Listing::open(self, remote)).await?);
        let root = local.to_owned();
        let make = blocking(move || std::fs::create_dir_all(&root).map_err(failed("make the directory", &root)));
        watch.unless_cancelled(make).await?;
        let first = Directory {
            remote: remote.to_vec(),
            local: local.to_owned(),
            relative: String::new(),
            trail: Trail::default(),
        };
        let mut walk = Walk {
            sftp: self,
            options,
            watch,
            crew: Crew::new(options.concurrency, watch),
            directories: vec![first],
            links: Vec::new(),
            finished: Vec::new(),
        };
        let outcome = watch.unless_cancelled(walk.run()).await;
        walk.crew.finish().await;
        outcome?;
        let ending = async {
            walk.make_links().await;
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
    /// To be made when nothing more is written.
    links: Vec<(Vec<u8>, PathBuf)>,
    /// To get mode and times when nothing more is written into them.
    finished: Vec<(Vec<u8>, PathBuf)>,
}

impl Walk<'_> {
    async fn run(&mut self) -> Result<(), Error> {
        let (tell, mut heard) = mpsc::channel(LISTINGS);
        // Dropped with this future: nobody goes on listing for a walk that has ended.
        let mut listing = JoinSet::new();
        let mut active = 0;
        loop {
            while active < LISTINGS
                && let Some(directory) = self.directories.pop()
            {
                active += 1;
                listing.spawn(list(self.sftp.clone(), Arc::new(directory), tell.clone()));
            }
            if active == 0 {
                return Ok(());
            }
            match heard.recv().await {
                Some(Heard::Names(directory, names)) => self.fetch(&directory, names).await?,
                Some(Heard::End(directory, outcome)) => {
                    active -= 1;
                    self.note_end(&directory, outcome);
                }
                None => return Ok(()),
            }
            while listing.try_join_next().is_some() {}
        }
    }

    fn note_end(&mut self, directory: &Directory, outcome: Result<(), Error>) {
        self.crew.report.directories += 1;
        if self.options.preserve {
            self.finished.push((directory.remote.clone(), directory.local.clone()));
        }
        if let Err(error) = outcome {
            self.crew.fail(display(&directory.remote), error);
        }
    }

    async fn fetch(&mut self, directory: &Directory, names: Vec<Name>) -> Result<(), Error> {
        let mut inner = Vec::new();
        for (Name { name, attributes, .. }, path) in self.filtered(directory, names).await? {
            let remote = join(&directory.remote, &name);
            let local = directory.local.join(name_of(&name));
            match self.resolve(directory, &remote, &attributes).await {
                Ok((FileType::Directory, trail)) => inner.push(Directory { remote, local, relative: path, trail }),
                Ok((FileType::File, _)) => self.file(remote, local).await,
                Ok((FileType::Symlink, _)) => {
                    if self.options.symlinks == Symlinks::Recreate {
                        self.links.push((remote, local));
                    }
                }
                Ok(_) => {
                    let error = problem("read", &remote, "EINVAL", "it is not a regular file");
                    self.crew.fail(display(&remote), error);
                }
                Err(error) => self.crew.fail(display(&remote), error),
            }
        }
        self.make(inner).await
    }

    async fn filtered(&mut self, directory: &Directory, names: Vec<Name>) -> Result<Vec<(Name, String)>, Error> {
        let (plain, others): (Vec<Name>, Vec<Name>) = names.into_iter().partition(|name| is_plain_name(&name.name));
        for Name { name, .. } in others {
            let path = join(&directory.remote, &name);
            let error = problem("fetch", &path, "EINVAL", "the server gives it a name that no file can have");
            self.crew.fail(display(&path), error);
        }
        let paths: Vec<String> = plain.iter().map(|name| relative(&directory.relative, &display(&name.name))).collect();
        let candidates = plain.iter().zip(&paths).map(|(name, path)| Candidate {
            path: path.clone(),
            directory: name.attributes.file_type() == FileType::Directory,
        });
        let wanted = wanted(self.options.filter.as_ref(), candidates.collect()).await?;
        let all = plain.into_iter().zip(paths).zip(wanted);
        Ok(all.filter_map(|(entry, wanted)| wanted.then_some(entry)).collect())
    }

    /// What an entry stands for, and the way there.
    async fn resolve(
        &self,
        directory: &Directory,
        remote: &[u8],
        attributes: &Attributes,
    ) -> Result<(FileType, Trail), Error> {
        let kind = match attributes.file_type() {
            FileType::Unknown => self.sftp.lstat(remote).await?.file_type(),
            kind => kind,
        };
        if kind != FileType::Symlink || self.options.symlinks != Symlinks::Follow {
            return Ok((kind, directory.trail.clone()));
        }
        let kind = self.sftp.stat(remote).await?.file_type();
        if kind != FileType::Directory {
            return Ok((kind, directory.trail.clone()));
        }
        let (from, to) = (self.sftp.real_path(&directory.remote).await?, self.sftp.real_path(remote).await?);
        let looping = || problem("follow", remote, "ELOOP", "the link leads back to a directory that it is in");
        directory.trail.through(&from, &to).map(|trail| (kind, trail)).ok_or_else(looping)
    }

    async fn file(&mut self, remote: Vec<u8>, local: PathBuf) {
        let (sftp, watch) = (self.sftp.clone(), self.watch.clone());
        let TreeOptions { atomic, preserve, .. } = *self.options;
        let path = display(&remote);
        let copy = async move {
            let placing = Placing { atomic, resume: false, no_follow: true };
            let options = DownloadOptions { placing, preserve, sync: false };
            sftp.download(&remote, &local, &options, &watch).await
        };
        self.crew.start(path, copy).await;
    }

    /// Makes directories here and puts them in line.
    async fn make(&mut self, directories: Vec<Directory>) -> Result<(), Error> {
        if directories.is_empty() {
            return Ok(());
        }
        let made = blocking(move || {
            let made = directories.into_iter().map(|directory| (make_directory(&directory.local), directory));
            Ok(made.collect::<Vec<_>>())
        });
        for (made, directory) in made.await? {
            match made {
                Ok(()) => self.directories.push(directory),
                Err(error) => self.crew.fail(display(&directory.remote), error),
            }
        }
        Ok(())
    }

    async fn make_links(&mut self) {
        for (remote, local) in std::mem::take(&mut self.links) {
            let outcome = async {
                let target = self.sftp.read_link(&remote).await?;
                blocking(move || make_link(&target, &local)).await
            };
            match outcome.await {
                Ok(()) => self.crew.report.symlinks += 1,
                Err(error) => self.crew.fail(display(&remote), error),
            }
        }
    }

    /// The innermost first: a mode may forbid to enter, and what is made in a directory changes its time.
    async fn preserve_directories(&mut self) {
        let mut finished = std::mem::take(&mut self.finished);
        finished.sort_by_key(|(_, local)| std::cmp::Reverse(local.components().count()));
        for (remote, local) in finished {
            let outcome = async {
                let found = self.sftp.stat(&remote).await?;
                blocking(move || preserve_directory(&local, &found)).await
            };
            if let Err(error) = outcome.await {
                self.crew.fail(display(&remote), error);
            }
        }
    }
}

/// Reads one directory and tells what it finds. Who listens has left when a message cannot be told.
async fn list(sftp: Sftp, directory: Arc<Directory>, tell: mpsc::Sender<Heard>) {
    let outcome = async {
        let mut listing = Listing::open(&sftp, &directory.remote).await?;
        while let Some(names) = listing.next().await? {
            if tell.send(Heard::Names(Arc::clone(&directory), names)).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let outcome = outcome.await;
    let _ = tell.send(Heard::End(directory, outcome)).await;
}
