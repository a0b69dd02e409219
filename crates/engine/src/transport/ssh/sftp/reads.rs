use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::SemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::download::Ahead;
use super::local::{Sink, blocking};
use super::progress::Watch;
use super::remote_file::RemoteFile;
use super::session::about;
use super::shared::{Pending, kibibytes};
use crate::error::Error;
use crate::policy::Depth;

/// Reads on the way: at first, and at most in bytes, which is the window of our connections.
const FIRST: usize = 8;
const MOST: usize = 16 * 1024 * 1024;

/// The bytes of a file on their way from the server: asked for ahead, taken in order, written while more arrive.
pub struct Reads<'a> {
    file: &'a RemoteFile,
    sink: &'a Arc<Sink>,
    watch: &'a Watch,
    size: u32,
    depth: Depth,
    /// Where to ask next, and where the file ends. `None`: only the server's end of file will tell.
    asked_to: u64,
    end: Option<u64>,
    asked: VecDeque<Asked<'a>>,
    ready: Vec<Bytes>,
    ready_room: Vec<SemaphorePermit<'a>>,
    writing: Option<JoinHandle<Result<(), Error>>>,
    /// Given back when what is being written is written.
    writing_room: Vec<SemaphorePermit<'a>>,
}

struct Asked<'a> {
    offset: u64,
    length: u32,
    since: Instant,
    full: bool,
    answer: Pending,
    /// `None` for the rest of a read that came back short, whose room is still held with what came.
    room: Option<SemaphorePermit<'a>>,
}

impl<'a> Reads<'a> {
    pub fn new(file: &'a RemoteFile, sink: &'a Arc<Sink>, start: u64, size: Option<u64>, watch: &'a Watch) -> Self {
        let read_size = file.sftp.features().read_size;
        Self {
            file,
            sink,
            watch,
            size: read_size,
            depth: Depth::new(FIRST, (MOST / read_size as usize).clamp(2, 512)),
            asked_to: start,
            end: size.filter(|size| *size > 0),
            asked: VecDeque::new(),
            ready: Vec::new(),
            ready_room: Vec::new(),
            writing: None,
            writing_room: Vec::new(),
        }
    }

    /// Everything to the end of the file; answers where that is. `ahead`: the first read is on its way already.
    pub async fn run(mut self, ahead: Option<Ahead>) -> Result<u64, Error> {
        if let Some(Ahead { length, answer }) = ahead {
            self.asked.push_back(Asked { offset: 0, length, since: Instant::now(), full: false, answer, room: None });
            self.asked_to = u64::from(length);
        }
        loop {
            self.ask();
            self.write();
            if let Some(end) = self.end
                && self.asked_to >= end
                && self.asked.is_empty()
                && self.writing.is_none()
            {
                return Ok(end);
            }
            let crowded = self.next_length().filter(|_| self.may_ask());
            tokio::select! {
                written = joined(&mut self.writing), if self.writing.is_some() => {
                    written?;
                    self.writing = None;
                    self.writing_room.clear();
                }
                data = oldest(&mut self.asked, self.file), if !self.asked.is_empty() => {
                    let (asked, data) = data?;
                    self.take(asked, data)?;
                }
                room = self.file.sftp.shared.reads.acquire_many(kibibytes(crowded.unwrap_or(1) as usize)),
                    if crowded.is_some() => self.ask_next(room.map_err(|_| Error::SftpClosed)?),
            }
        }
    }

    /// The length of the next read, if there is anything left to ask for.
    fn next_length(&self) -> Option<u32> {
        let Some(end) = self.end else { return Some(self.size) };
        let left = end.saturating_sub(self.asked_to).min(u64::from(self.size));
        u32::try_from(left).ok().filter(|left| *left > 0)
    }

    fn may_ask(&self) -> bool {
        // Without a size each read waits for the one before, or there would be gaps to be asked for again.
        let depth = if self.end.is_some() { self.depth.get() } else { 1 };
        self.asked.len() < depth && self.ready_room.len() < depth
    }

    fn ask(&mut self) {
        while self.may_ask()
            && let Some(length) = self.next_length()
            && let Ok(room) = self.file.sftp.shared.reads.try_acquire_many(kibibytes(length as usize))
        {
            self.ask_next(room);
        }
    }

    fn ask_next(&mut self, room: SemaphorePermit<'a>) {
        let Some(length) = self.next_length() else { return };
        let full = self.asked.len() + 1 >= self.depth.get();
        let offset = self.asked_to;
        self.asked.push_back(Asked { room: Some(room), full, ..self.read(offset, length) });
        self.asked_to += u64::from(length);
    }

    fn read(&self, offset: u64, length: u32) -> Asked<'a> {
        let answer = self.file.sftp.read(&self.file.handle, offset, length);
        Asked { offset, length, since: Instant::now(), full: false, answer, room: None }
    }

    fn take(&mut self, asked: Asked<'a>, data: Option<Vec<Bytes>>) -> Result<(), Error> {
        self.depth.on_answer(asked.since.elapsed(), asked.full);
        let Some(mut pieces) = data else {
            self.stop_at(asked.offset);
            return Ok(());
        };
        let length = pieces.iter().map(Bytes::len).sum::<usize>();
        let Some(missing) = u32::try_from(length).ok().and_then(|length| asked.length.checked_sub(length)) else {
            return Err(Error::SftpProtocol { problem: "more data than was asked for" });
        };
        if length == 0 {
            return Err(Error::SftpProtocol { problem: "no data, and no end of file either" });
        }
        let reached = asked.offset + length as u64;
        let wanted = self.end.map_or(length as u64, |end| end.saturating_sub(asked.offset));
        trim(&mut pieces, wanted);
        self.watch.progress.add(wanted.min(length as u64));
        self.ready.append(&mut pieces);
        self.ready_room.extend(asked.room);
        if missing > 0 && self.end.is_none() {
            self.asked_to = reached;
        } else if missing > 0 && self.end.is_some_and(|end| reached < end) {
            let rest = self.read(reached, missing);
            self.asked.push_front(rest);
        }
        Ok(())
    }

    /// The file ends earlier than it said: what was asked for beyond its end has no answer worth having.
    fn stop_at(&mut self, offset: u64) {
        self.end = Some(offset);
        self.asked_to = offset;
        self.asked.clear();
    }

    fn write(&mut self) {
        if self.writing.is_some() || self.ready.is_empty() {
            return;
        }
        let (sink, pieces) = (Arc::clone(self.sink), std::mem::take(&mut self.ready));
        self.writing_room = std::mem::take(&mut self.ready_room);
        self.writing = Some(tokio::spawn(blocking(move || sink.append(&pieces))));
    }
}

/// Cuts what is beyond the file's end: it was asked for before that was known.
fn trim(pieces: &mut Vec<Bytes>, mut wanted: u64) {
    pieces.retain_mut(|piece| {
        let part = usize::try_from(wanted).unwrap_or(usize::MAX).min(piece.len());
        piece.truncate(part);
        wanted -= part as u64;
        part > 0
    });
}

/// Cancel-safe: what has not come is still to come.
async fn joined(writing: &mut Option<JoinHandle<Result<(), Error>>>) -> Result<(), Error> {
    match writing {
        Some(writing) => writing.await.unwrap_or(Err(Error::Internal { what: "writing a file" })),
        None => std::future::pending().await,
    }
}

/// The oldest read, once it is answered. Cancel-safe.
async fn oldest<'a>(
    asked: &mut VecDeque<Asked<'a>>,
    file: &RemoteFile,
) -> Result<(Asked<'a>, Option<Vec<Bytes>>), Error> {
    let Some(first) = asked.front_mut() else { return std::future::pending().await };
    let data = first.answer.data(about("read", &file.path)).await?;
    let first = asked.pop_front().ok_or(Error::Internal { what: "reading a file" })?;
    Ok((first, data))
}
