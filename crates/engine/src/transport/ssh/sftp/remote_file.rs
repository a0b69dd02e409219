use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::attributes::Attributes;
use super::packet::{Chunk, Packet};
use super::session::{Sftp, about};
use super::shared::Pending;
use super::status::problem;
use super::wire::{flag, request};
use crate::error::Error;

/// How long a transfer that failed waits for its traces to be removed. What it asked for is done later all the same.
const CLEANING: Duration = Duration::from_secs(2);

/// An open file on the server. Dropping it closes it.
pub struct RemoteFile {
    pub sftp: Sftp,
    pub path: Vec<u8>,
    pub handle: Bytes,
    open: bool,
}

impl RemoteFile {
    pub async fn open(sftp: &Sftp, path: &[u8], flags: u32, attributes: &Attributes) -> Result<Self, Error> {
        let opened = sftp.open_file(path, flags, attributes).handle(about("open", path)).await;
        let handle = match opened {
            // Version 3 has no word for it.
            Err(error) if flags & flag::EXCLUSIVE != 0 && error.code() == "EFAILURE" => {
                let exists = sftp.lstat(path).await.is_ok();
                return Err(if exists { problem("open", path, "EEXIST", "it exists already") } else { error });
            }
            opened => opened?,
        };
        Ok(Self { sftp: sftp.clone(), path: path.to_vec(), handle, open: true })
    }

    pub fn ask_attributes(&self) -> Pending {
        self.sftp.ask(request::FSTAT, &self.handle)
    }

    pub async fn attributes(&self) -> Result<Attributes, Error> {
        self.ask_attributes().attributes(about("stat", &self.path)).await
    }

    pub fn set(&self, attributes: &Attributes) -> Pending {
        self.sftp.set_open(&self.handle, attributes)
    }

    /// Asks for the bytes to be on the disk, where the server can.
    pub fn sync(&self) -> Option<Pending> {
        let build = |id| Packet::extended("fsync@openssh.com", id).string(&self.handle).finish();
        self.sftp.features().fsync.then(|| self.sftp.send(build))
    }

    pub fn ask_close(&mut self) -> Pending {
        self.open = false;
        self.sftp.ask(request::CLOSE, &self.handle)
    }

    pub fn write(&self, offset: u64, chunk: Chunk) -> Pending {
        self.sftp.send(|id| chunk.into_write(id, &self.handle, offset))
    }

    /// Everything that is to be done once all bytes are sent. The requests follow one another on the way.
    pub fn ask_finish(&mut self, preserve: Option<&Attributes>, sync: bool) -> Finish {
        let preserved = preserve.map(|attributes| self.set(attributes));
        let synced = if sync { self.sync() } else { None };
        Finish { preserved, synced, closed: self.ask_close() }
    }

    /// Some servers report only now that what was written could not be kept.
    pub async fn close(mut self) -> Result<(), Error> {
        let mut closed = self.ask_close();
        closed.done(about("close", &self.path)).await
    }

    /// After a failure. Waits for its traces to be gone, but not for long.
    pub async fn give_up(mut self, remains: Remains) {
        let mut asked = Vec::new();
        if let (Remains::Beginning(length), true) = (remains, self.open) {
            asked.push(self.set(&Attributes { size: Some(length), ..Attributes::default() }));
        }
        if self.open {
            asked.push(self.ask_close());
        }
        if remains == Remains::Nothing {
            asked.push(self.sftp.ask(request::REMOVE, &self.path));
        }
        let answers = async {
            for mut answer in asked {
                // The transfer has failed already, and that is what its caller hears.
                let _ = answer.answer().await;
            }
        };
        let _ = timeout(CLEANING, answers).await;
    }
}

/// What is left of a file whose transfer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remains {
    Nothing,
    /// As much as is certain, without gaps.
    Beginning(u64),
    /// What was there before: it was not touched yet.
    Untouched,
}

/// The end of a file that was written.
pub struct Finish {
    preserved: Option<Pending>,
    synced: Option<Pending>,
    closed: Pending,
}

impl Finish {
    pub async fn done(mut self, path: &[u8]) -> Result<(), Error> {
        if let Some(preserved) = &mut self.preserved {
            preserved.done(about("change", path)).await?;
        }
        if let Some(synced) = &mut self.synced {
            synced.done(about("sync", path)).await?;
        }
        self.closed.done(about("close", path)).await
    }
}

impl Drop for RemoteFile {
    fn drop(&mut self) {
        if self.open {
            // Nothing that follows depends on it.
            drop(self.ask_close());
        }
    }
}
