use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::SemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::local::{Source, blocking};
use super::packet::Chunk;
use super::progress::Watch;
use super::remote_file::RemoteFile;
use super::session::about;
use super::shared::{Pending, kibibytes};
use crate::error::Error;
use crate::policy::Depth;

/// Writes on the way: at first, and at most in bytes. OpenSSH's window is 2 MiB; more than twice that only waits.
const FIRST: usize = 8;
const MOST: usize = 4 * 1024 * 1024;
/// Bytes read from the disk at a time.
const READ_AHEAD: usize = 1024 * 1024;
/// In pieces, for servers that take only tiny ones.
const MOST_AHEAD: usize = 1024;

/// The bytes of a file on their way to the server: read ahead, sent in order, confirmed in order.
pub struct Writes<'a> {
    file: &'a RemoteFile,
    source: Arc<Source>,
    watch: &'a Watch,
    /// How much is confirmed without a gap.
    certain: &'a AtomicU64,
    size: usize,
    depth: Depth,
    /// Where to read and to write next.
    read_to: u64,
    sent_to: u64,
    reading: Option<JoinHandle<Result<Vec<Chunk>, Error>>>,
    ready: VecDeque<Chunk>,
    at_end: bool,
    sent: VecDeque<Sent<'a>>,
}

struct Sent<'a> {
    end: u64,
    since: Instant,
    /// As many were on the way as may be.
    full: bool,
    answer: Pending,
    _room: SemaphorePermit<'a>,
}

impl<'a> Writes<'a> {
    pub fn new(
        file: &'a RemoteFile,
        source: Arc<Source>,
        start: u64,
        watch: &'a Watch,
        certain: &'a AtomicU64,
    ) -> Self {
        let size = file.sftp.features().write_size as usize;
        Self {
            file,
            source,
            watch,
            certain,
            size,
            depth: Depth::new(FIRST, (MOST / size).clamp(2, 256)),
            read_to: start,
            sent_to: start,
            reading: None,
            ready: VecDeque::new(),
            at_end: false,
            sent: VecDeque::new(),
        }
    }

    /// Everything to the end of the source; answers where that is.
    pub async fn run(mut self) -> Result<u64, Error> {
        loop {
            self.read_ahead();
            self.send_ready();
            if self.at_end && self.ready.is_empty() && self.sent.is_empty() {
                return Ok(self.sent_to);
            }
            let crowded = self.next_length().filter(|_| self.sent.len() < self.depth.get());
            tokio::select! {
                chunks = joined(&mut self.reading), if self.reading.is_some() => self.take(chunks?),
                confirmed = confirmed(&mut self.sent, self.file), if !self.sent.is_empty() => self.note(&confirmed?),
                room = self.file.sftp.shared.writes.acquire_many(crowded.unwrap_or(1)), if crowded.is_some() => {
                    self.send_next(room.map_err(|_| Error::SftpClosed)?);
                }
            }
        }
    }

    fn read_ahead(&mut self) {
        let count = READ_AHEAD.div_ceil(self.size).min(MOST_AHEAD);
        if self.at_end || self.reading.is_some() || self.ready.len() >= count {
            return;
        }
        let (source, offset, size) = (Arc::clone(&self.source), self.read_to, self.size);
        self.reading = Some(tokio::spawn(blocking(move || source.read(offset, size, count))));
    }

    fn take(&mut self, chunks: Vec<Chunk>) {
        self.reading = None;
        for chunk in chunks {
            self.at_end |= chunk.len() < self.size;
            self.read_to += chunk.len() as u64;
            if chunk.len() > 0 {
                self.ready.push_back(chunk);
            }
        }
    }

    /// What the next chunk takes of the session's room.
    fn next_length(&self) -> Option<u32> {
        self.ready.front().map(|chunk| kibibytes(chunk.len()))
    }

    fn send_ready(&mut self) {
        while self.sent.len() < self.depth.get()
            && let Some(length) = self.next_length()
            && let Ok(room) = self.file.sftp.shared.writes.try_acquire_many(length)
        {
            self.send_next(room);
        }
    }

    fn send_next(&mut self, room: SemaphorePermit<'a>) {
        let Some(chunk) = self.ready.pop_front() else { return };
        let end = self.sent_to + chunk.len() as u64;
        let answer = self.file.write(self.sent_to, chunk);
        let full = self.sent.len() + 1 >= self.depth.get();
        self.sent.push_back(Sent { end, since: Instant::now(), full, answer, _room: room });
        self.sent_to = end;
    }

    fn note(&mut self, sent: &Sent<'a>) {
        let before = self.certain.swap(sent.end, Ordering::Relaxed);
        self.watch.progress.add(sent.end - before);
        self.depth.on_answer(sent.since.elapsed(), sent.full);
    }
}

/// Cancel-safe: what has not come is still to come.
async fn joined(reading: &mut Option<JoinHandle<Result<Vec<Chunk>, Error>>>) -> Result<Vec<Chunk>, Error> {
    match reading {
        Some(reading) => reading.await.unwrap_or(Err(Error::Internal { what: "reading a file" })),
        None => std::future::pending().await,
    }
}

/// The oldest write, once it is confirmed. Cancel-safe.
async fn confirmed<'a>(sent: &mut VecDeque<Sent<'a>>, file: &RemoteFile) -> Result<Sent<'a>, Error> {
    let Some(oldest) = sent.front_mut() else { return std::future::pending().await };
    oldest.answer.done(about("write", &file.path)).await?;
    sent.pop_front().ok_or(Error::Internal { what: "writing a file" })
}
