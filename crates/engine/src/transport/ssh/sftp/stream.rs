//! Files that a caller reads or writes at its own pace.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::attributes::Attributes;
use super::packet::Chunk;
use super::remote_file::RemoteFile;
use super::session::{Sftp, about};
use super::shared::Pending;
use super::wire::flag;
use crate::error::Error;

/// Requests on the way for one stream: ahead of a reader, or behind a writer.
const READS: usize = 16;
const WRITES: usize = 16;

/// A remote file, read from one place to another. Dropping it closes it.
pub struct ReadStream {
    file: RemoteFile,
    size: u32,
    /// Where to ask next, up to where that is safe ahead of the answers, and where to stop.
    next: u64,
    known: u64,
    end: u64,
    asked: VecDeque<(u64, u32, Pending)>,
    done: bool,
}

impl ReadStream {
    /// `end` is the first byte that is not read. Without one, the stream ends with the file, also when it has grown.
    pub async fn open(sftp: &Sftp, path: &[u8], start: u64, end: Option<u64>) -> Result<Self, Error> {
        let file = RemoteFile::open(sftp, path, flag::READ, &Attributes::default()).await?;
        let known = file.attributes().await?.size.unwrap_or(0);
        let size = sftp.features().read_size;
        let end = end.unwrap_or(u64::MAX);
        Ok(Self { file, size, next: start, known: known.min(end), end, asked: VecDeque::new(), done: false })
    }

    /// The next bytes; `None` at the end. More is on its way meanwhile, within bounds.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.ask();
        if self.done || self.asked.is_empty() {
            return Ok(None);
        }
        let Some((offset, length, pending)) = self.asked.front_mut() else { return Ok(None) };
        let (offset, length) = (*offset, *length);
        let data = pending.data(about("read", &self.file.path)).await;
        self.asked.pop_front();
        // After an error nothing more comes: there would be a gap in it.
        self.done = !matches!(data, Ok(Some(_)));
        let Some(pieces) = data? else { return Ok(None) };
        let bytes = whole(pieces);
        match u32::try_from(bytes.len()).ok().and_then(|got| length.checked_sub(got)) {
            Some(missing) if !bytes.is_empty() => self.ask_rest(offset + bytes.len() as u64, missing),
            _ => return Err(Error::SftpProtocol { problem: "no data, or more than was asked for" }),
        }
        self.ask();
        Ok(Some(bytes))
    }

    fn ask(&mut self) {
        while !self.done && self.next < self.end && self.asked.len() < self.depth() {
            let length = u32::try_from((self.end - self.next).min(u64::from(self.size))).unwrap_or(self.size);
            let pending = self.file.sftp.read(&self.file.handle, self.next, length);
            self.asked.push_back((self.next, length, pending));
            self.next += u64::from(length);
        }
    }

    /// Beyond what the file was known to hold, answers come up short and each one says where to go on.
    fn depth(&self) -> usize {
        if self.next < self.known { READS } else { 1 }
    }

    /// After an answer that is shorter than its question.
    fn ask_rest(&mut self, from: u64, missing: u32) {
        if missing == 0 {
            return;
        }
        if self.asked.is_empty() {
            self.next = from;
        } else {
            let pending = self.file.sftp.read(&self.file.handle, from, missing);
            self.asked.push_front((from, missing, pending));
        }
    }
}

fn whole(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces.pop().unwrap_or_default();
    }
    let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in pieces {
        all.extend_from_slice(&piece);
    }
    all.freeze()
}

/// How a file is opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// What was there is gone.
    Truncate,
    /// There must be none of that name.
    New,
    /// Bytes go behind what is there.
    Append,
    /// Bytes replace those that are there; the file must exist.
    Update,
}

impl WriteMode {
    fn flags(self) -> u32 {
        match self {
            Self::Truncate => flag::WRITE | flag::CREATE | flag::TRUNCATE,
            Self::New => flag::WRITE | flag::CREATE | flag::EXCLUSIVE,
            Self::Append => flag::WRITE | flag::CREATE | flag::APPEND,
            Self::Update => flag::WRITE,
        }
    }
}

/// A remote file being written. Dropping it closes it with what has arrived.
pub struct WriteStream {
    file: RemoteFile,
    size: usize,
    next: u64,
    sent: VecDeque<Pending>,
    /// There is a gap in what was written.
    failed: Option<Error>,
}

impl WriteStream {
    pub async fn open(
        sftp: &Sftp,
        path: &[u8],
        mode: WriteMode,
        permissions: Option<u32>,
        start: u64,
    ) -> Result<Self, Error> {
        let attributes = permissions.map(Attributes::of_mode).unwrap_or_default();
        let file = RemoteFile::open(sftp, path, mode.flags(), &attributes).await?;
        // A server that does not know how to append gets the right place.
        let next = if mode == WriteMode::Append { file.attributes().await?.size.unwrap_or(0) } else { start };
        Ok(Self { file, size: sftp.features().write_size as usize, next, sent: VecDeque::new(), failed: None })
    }

    /// Takes the bytes, and waits only while too many are not confirmed yet. An error may be that of an earlier call.
    pub async fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        for part in data.chunks(self.size) {
            while self.sent.len() >= WRITES {
                self.confirm().await?;
            }
            self.sent.push_back(self.file.write(self.next, Chunk::copied(part)));
            self.next += part.len() as u64;
        }
        Ok(())
    }

    /// Resolves when everything is written and the file is closed.
    pub async fn finish(mut self) -> Result<(), Error> {
        while !self.sent.is_empty() {
            self.confirm().await?;
        }
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.file.close().await
    }

    async fn confirm(&mut self) -> Result<(), Error> {
        if let Some(oldest) = self.sent.front_mut() {
            let outcome = oldest.done(about("write", &self.file.path)).await;
            self.sent.pop_front();
            if let Err(error) = outcome {
                self.failed.get_or_insert(error);
            }
        }
        self.failed.clone().map_or(Ok(()), Err)
    }
}
