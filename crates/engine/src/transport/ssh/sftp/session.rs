use std::sync::Arc;

use bytes::Bytes;

use super::attributes::Attributes;
use super::features::Features;
use super::packet::Packet;
use super::reply::{Name, Reply};
use super::shared::{Pending, Shared};
use super::status::refusal;
use super::wire::{request, status};
use crate::error::Error;

/// An SFTP session on a channel of its own. Clones are the same session; it ends when the last one is dropped, or closed.
///
/// Requests are answered in any order and sent in the order of the calls. Dropping a future gives up on the answer, not
/// on the request.
#[derive(Clone)]
pub struct Sftp {
    pub(super) shared: Arc<Shared>,
    _life: Arc<Life>,
}

struct Life(Arc<Shared>);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What a request is about, for its error.
#[derive(Clone, Copy)]
pub struct About<'a> {
    pub operation: &'static str,
    pub path: &'a [u8],
}

/// Shorthand for [`About`].
pub fn about<'a>(operation: &'static str, path: &'a [u8]) -> About<'a> {
    About { operation, path }
}

impl About<'_> {
    pub fn error(self, reply: Reply) -> Error {
        match reply {
            Reply::Status { code, message } if code != status::OK => refusal(self.operation, self.path, code, &message),
            _ => Error::SftpProtocol { problem: "an answer is of another kind than its question" },
        }
    }
}

impl Sftp {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let life = Arc::new(Life(Arc::clone(&shared)));
        Self { shared, _life: life }
    }

    pub fn features(&self) -> Features {
        self.shared.features.get().copied().unwrap_or_default()
    }

    /// Ends the session: what was asked before is answered, what is asked afterwards is refused. Bounded.
    pub async fn close(&self) {
        self.shared.close();
        self.shared.ended().await;
    }

    pub fn is_closed(&self) -> bool {
        self.shared.is_closing()
    }

    pub(super) fn send(&self, build: impl FnOnce(u32) -> Bytes) -> Pending {
        self.shared.send(build)
    }

    pub(super) fn ask(&self, kind: u8, path: &[u8]) -> Pending {
        self.send(|id| Packet::new(kind, id).string(path).finish())
    }

    pub(super) fn open_file(&self, path: &[u8], flags: u32, attributes: &Attributes) -> Pending {
        self.send(|id| Packet::new(request::OPEN, id).string(path).u32(flags).attributes(attributes).finish())
    }

    pub(super) fn read(&self, handle: &[u8], offset: u64, length: u32) -> Pending {
        self.send(|id| Packet::new(request::READ, id).string(handle).u64(offset).u32(length).finish())
    }

    pub(super) fn set_open(&self, handle: &[u8], attributes: &Attributes) -> Pending {
        self.send(|id| Packet::new(request::FSETSTAT, id).string(handle).attributes(attributes).finish())
    }
}

impl Pending {
    pub async fn done(&mut self, about: About<'_>) -> Result<(), Error> {
        match self.answer().await? {
            Reply::Status { code: status::OK, .. } => Ok(()),
            other => Err(about.error(other)),
        }
    }

    pub async fn handle(&mut self, about: About<'_>) -> Result<Bytes, Error> {
        match self.answer().await? {
            Reply::Handle(handle) => Ok(handle),
            other => Err(about.error(other)),
        }
    }

    pub async fn attributes(&mut self, about: About<'_>) -> Result<Attributes, Error> {
        match self.answer().await? {
            Reply::Attributes(attributes) => Ok(attributes),
            other => Err(about.error(other)),
        }
    }

    pub async fn extended(&mut self, about: About<'_>) -> Result<Bytes, Error> {
        match self.answer().await? {
            Reply::Extended(body) => Ok(body),
            other => Err(about.error(other)),
        }
    }

    /// Entries; `None` at the end.
    pub async fn names(&mut self, about: About<'_>) -> Result<Option<Vec<Name>>, Error> {
        match self.answer().await? {
            Reply::Names(names) => Ok(Some(names)),
            Reply::Status { code: status::EOF, .. } => Ok(None),
            other => Err(about.error(other)),
        }
    }

    /// Bytes of a file; `None` at the end.
    pub async fn data(&mut self, about: About<'_>) -> Result<Option<Vec<Bytes>>, Error> {
        match self.answer().await? {
            Reply::Data(pieces) => Ok(Some(pieces)),
            Reply::Status { code: status::EOF, .. } => Ok(None),
            other => Err(about.error(other)),
        }
    }
}
