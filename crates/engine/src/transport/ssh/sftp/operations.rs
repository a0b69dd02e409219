//! Everything that is one question and one answer, or a few.

use super::attributes::{Attributes, FileType};
use super::packet::Packet;
use super::path::{ancestry, is_plain_name, join};
use super::reply::{Name, Reply};
use super::session::{About, Sftp, about};
use super::shared::Pending;
use super::status::{display, problem};
use super::wire::{request, status};
use crate::error::Error;

/// Questions for the next part of a directory that are on the way together, where the server answers one after the other.
/// One that answers several at a time may mix up which is the last.
const LISTINGS: usize = 2;
/// Far beyond what any system can have.
const LONGEST_PATH: usize = 64 * 1024;

impl Sftp {
    /// What is known of a file; of the target, where it is a symbolic link.
    pub async fn stat(&self, path: &[u8]) -> Result<Attributes, Error> {
        self.ask(request::STAT, path).attributes(about("stat", path)).await
    }

    /// As [`stat`](Self::stat), of the link itself.
    pub async fn lstat(&self, path: &[u8]) -> Result<Attributes, Error> {
        self.ask(request::LSTAT, path).attributes(about("stat", path)).await
    }

    /// `None`: there is nothing of that name.
    pub async fn find(&self, path: &[u8]) -> Result<Option<Attributes>, Error> {
        match self.stat(path).await {
            Ok(attributes) => Ok(Some(attributes)),
            Err(error) if error.code() == "ENOENT" => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn set(&self, path: &[u8], attributes: &Attributes) -> Result<(), Error> {
        let mut pending =
            self.send(|id| Packet::new(request::SETSTAT, id).string(path).attributes(attributes).finish());
        pending.done(about("change", path)).await
    }

    pub async fn remove(&self, path: &[u8]) -> Result<(), Error> {
        self.ask(request::REMOVE, path).done(about("remove", path)).await
    }

    pub async fn remove_directory(&self, path: &[u8]) -> Result<(), Error> {
        self.ask(request::RMDIR, path).done(about("remove the directory", path)).await
    }

    pub(super) fn ask_directory(&self, path: &[u8], attributes: &Attributes) -> Pending {
        self.send(|id| Packet::new(request::MKDIR, id).string(path).attributes(attributes).finish())
    }

    /// Version 3 has no word for "there is one already", so that is looked up.
    pub async fn make_directory(&self, path: &[u8], mode: Option<u32>) -> Result<(), Error> {
        let about = about("make the directory", path);
        let attributes = mode.map(Attributes::of_mode).unwrap_or_default();
        match self.ask_directory(path, &attributes).done(about).await {
            Err(error) if error.code() == "EFAILURE" && self.find(path).await?.is_some() => {
                Err(problem(about.operation, path, "EEXIST", "it exists already"))
            }
            outcome => outcome,
        }
    }

    /// The directory and those above it that are missing. A directory that is there is fine.
    pub async fn make_directories(&self, path: &[u8], mode: Option<u32>) -> Result<(), Error> {
        if self.is_directory(path).await? {
            return Ok(());
        }
        for directory in ancestry(path) {
            match self.make_directory(directory, mode).await {
                // Above the first missing one, we may be allowed to pass through but not to make anything.
                Err(error) if !self.is_directory(directory).await? => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) async fn is_directory(&self, path: &[u8]) -> Result<bool, Error> {
        Ok(self.find(path).await?.is_some_and(|found| found.file_type() == FileType::Directory))
    }

    /// Refused by most servers when there is a file of the new name.
    pub async fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        let mut pending = self.send(|id| Packet::new(request::RENAME, id).string(from).string(to).finish());
        match pending.done(about("rename", from)).await {
            Err(error) if error.code() == "EFAILURE" && self.find(to).await?.is_some() => {
                Err(problem("rename", from, "EEXIST", &format!("there is a {} already", display(to))))
            }
            outcome => outcome,
        }
    }

    pub async fn real_path(&self, path: &[u8]) -> Result<Vec<u8>, Error> {
        let about = about("resolve", path);
        one_name(self.ask(request::REALPATH, path), about).await
    }

    pub async fn read_link(&self, path: &[u8]) -> Result<Vec<u8>, Error> {
        let about = about("read the link", path);
        one_name(self.ask(request::READLINK, path), about).await
    }

    /// A link at `path` that says `target`. OpenSSH has the two in the other order than the protocol's text, and everybody
    /// has followed it; but asyncssh does so only with clients that it knows.
    pub async fn symlink(&self, target: &[u8], path: &[u8]) -> Result<(), Error> {
        let (first, second) = if self.features().asyncssh { (path, target) } else { (target, path) };
        let mut pending = self.send(|id| Packet::new(request::SYMLINK, id).string(first).string(second).finish());
        match pending.done(about("make the link", path)).await {
            Err(error) if error.code() == "EFAILURE" && self.lstat(path).await.is_ok() => {
                Err(problem("make the link", path, "EEXIST", "it exists already"))
            }
            outcome => outcome,
        }
    }

    /// All entries but `.` and `..`, in the server's order.
    pub async fn list(&self, path: &[u8]) -> Result<Vec<Name>, Error> {
        let mut listing = Listing::open(self, path).await?;
        let mut all = Vec::new();
        while let Some(names) = listing.next().await? {
            all.extend(names);
        }
        Ok(all)
    }

    /// Removes a file, a link, or a directory with all that is in it; never what a link points to.
    pub async fn remove_all(&self, path: &[u8]) -> Result<(), Error> {
        if self.lstat(path).await?.file_type() != FileType::Directory {
            return self.remove(path).await;
        }
        // No recursion: a server can nest directories deeper than a stack is.
        let mut directories = vec![(path.to_vec(), false)];
        while let Some((directory, is_empty)) = directories.pop() {
            if is_empty {
                self.remove_directory(&directory).await?;
                continue;
            }
            let entries = self.list(&directory).await?;
            directories.push((directory.clone(), true));
            for entry in entries {
                let inner = join(&directory, &entry.name);
                if !is_plain_name(&entry.name) || inner.len() > LONGEST_PATH {
                    return Err(Error::SftpProtocol { problem: "a directory has an entry with an impossible name" });
                }
                if self.lstat(&inner).await?.file_type() == FileType::Directory {
                    directories.push((inner, false));
                } else {
                    self.remove(&inner).await?;
                }
            }
        }
        Ok(())
    }
}

async fn one_name(mut pending: Pending, about: About<'_>) -> Result<Vec<u8>, Error> {
    match pending.answer().await? {
        Reply::Names(names) => match <[Name; 1]>::try_from(names) {
            Ok([name]) => Ok(name.name.to_vec()),
            Err(_) => Err(Error::SftpProtocol { problem: "an answer that must have one name has none or several" }),
        },
        Reply::Status { code: status::OK, .. } => Err(about.error(Reply::Names(Vec::new()))),
        other => Err(about.error(other)),
    }
}

/// A directory being read, part by part. Dropping it closes it.
pub struct Listing {
    sftp: Sftp,
    path: Vec<u8>,
    handle: bytes::Bytes,
    asked: std::collections::VecDeque<Pending>,
    done: bool,
}

impl Listing {
    pub async fn open(sftp: &Sftp, path: &[u8]) -> Result<Self, Error> {
        let handle = sftp.ask(request::OPENDIR, path).handle(about("open the directory", path)).await?;
        Ok(Self {
            sftp: sftp.clone(),
            path: path.to_vec(),
            handle,
            asked: std::collections::VecDeque::new(),
            done: false,
        })
    }

    /// The next entries, without `.` and `..`; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Name>>, Error> {
        let most = if self.sftp.features().one_by_one() { LISTINGS } else { 1 };
        while !self.done && self.asked.len() < most {
            self.asked.push_back(self.sftp.ask(request::READDIR, &self.handle));
        }
        while let Some(mut next) = self.asked.pop_front() {
            if let Some(mut names) = next.names(about("list", &self.path)).await? {
                names.retain(|entry| !matches!(&entry.name[..], b"." | b".."));
                return Ok(Some(names));
            }
            // What was asked along with it is answered all the same.
            self.done = true;
        }
        Ok(None)
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        // Nothing that follows depends on it.
        drop(self.sftp.ask(request::CLOSE, &self.handle));
    }
}
