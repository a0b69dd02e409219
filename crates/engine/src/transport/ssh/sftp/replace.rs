use std::sync::Arc;

use super::attributes::FileType;
use super::packet::Packet;
use super::path::temporary;
use super::session::{Sftp, about};
use super::status::display;
use crate::error::Error;

impl Sftp {
    /// As rename(2): what has the new name is replaced, in one step where the server can. Where it cannot, the old file waits
    /// under a hidden name until the new one is in its place, and comes back when that fails. Should even that fail,
    /// [`Error::Misplaced`] says where both are.
    pub async fn replace(&self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        if self.features().posix_rename {
            let mut pending =
                self.send(|id| Packet::extended("posix-rename@openssh.com", id).string(from).string(to).finish());
            return pending.done(about("rename", from)).await;
        }
        match self.rename(from, to).await {
            Err(error) if error.code() == "EEXIST" => self.exchange(from, to, error).await,
            outcome => outcome,
        }
    }

    /// `refused`: that there is something of the new name.
    async fn exchange(&self, from: &[u8], to: &[u8], refused: Error) -> Result<(), Error> {
        // rename(2) puts no file in a directory's place.
        if self.lstat(to).await?.file_type() == FileType::Directory {
            return Err(refused);
        }
        let aside = temporary(to);
        match self.rename(to, &aside).await {
            // Refused, so nothing has happened.
            Err(error @ Error::RemoteFile { .. }) => return Err(error),
            Err(error) => return Err(misplaced(to, &aside, from, error)),
            Ok(()) => {}
        }
        if let Err(error) = self.rename(from, to).await {
            return Err(match self.rename(&aside, to).await {
                Ok(()) => error,
                Err(_) => misplaced(to, &aside, from, error),
            });
        }
        if let Err(error) = self.remove(&aside).await {
            // The new file is in place, which is what was asked for.
            let path = display(&aside);
            tracing::warn!(path, %error, "what a file has replaced could not be removed");
        }
        Ok(())
    }
}

fn misplaced(path: &[u8], old: &[u8], new: &[u8], source: Error) -> Error {
    Error::Misplaced { path: display(path), old: display(old), new: display(new), source: Arc::new(source) }
}
