//! Servers that no real one is like: each must end in an error or a right result, never in a hang, a panic, or a file
//! where none belongs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::assembler::Assembler;
use super::attributes::Attributes;
use super::crew::{Symlinks, TreeOptions};
use super::download::DownloadOptions;
use super::driver::{Ended, drive};
use super::open::greet;
use super::packet::hello;
use super::progress::Watch;
use super::reply::understand;
use super::session::Sftp;
use super::shared::Shared;
use super::upload::UploadOptions;
use super::wire::{answer, request, status};
use crate::command::Pty;
use crate::error::{Error, Phase, Reached};
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Signal};

struct Line {
    events: UnboundedReceiver<ChannelEvent>,
    writer: Writer,
}

#[derive(Clone)]
struct Writer(UnboundedSender<Bytes>);

impl Channel for Line {
    type Writer = Writer;

    fn writer(&self) -> Writer {
        self.writer.clone()
    }

    async fn next(&mut self) -> Option<ChannelEvent> {
        self.events.recv().await
    }
}

impl ChannelWriter for Writer {
    async fn exec(&self, _line: Vec<u8>) -> Result<(), Error> {
        unreachable!("files need no command")
    }

    async fn write(&self, data: Bytes) -> Result<(), Error> {
        let lost = Error::ConnectionLost { phase: Phase::Run, reached: Reached::Unknown, source: None };
        self.0.send(data).map_err(|_| lost)
    }

    async fn eof(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn pty(&self, _pty: &Pty) -> Result<(), Error> {
        unreachable!("files need no terminal")
    }

    async fn resize(&self, _columns: u32, _rows: u32) -> Result<(), Error> {
        unreachable!("files need no terminal")
    }

    async fn signal(&self, _signal: Signal) -> Result<(), Error> {
        Ok(())
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// What the server says to a request.
#[derive(Clone)]
pub struct Asked {
    pub kind: u8,
    id: u32,
    pub body: Bytes,
}

impl Asked {
    fn packet(&self, kind: u8, rest: impl AsRef<[u8]>) -> Vec<u8> {
        packet(kind, [&self.id.to_be_bytes()[..], rest.as_ref()].concat())
    }

    pub fn status(&self, code: u32) -> Vec<u8> {
        self.packet(answer::STATUS, code.to_be_bytes())
    }

    pub fn handle(&self) -> Vec<u8> {
        self.packet(answer::HANDLE, string(b"h"))
    }

    pub fn attributes(&self, attributes: &Attributes) -> Vec<u8> {
        let mut body = BytesMut::new();
        attributes.encode(&mut body);
        self.packet(answer::ATTRS, body)
    }

    fn data(&self, data: &[u8]) -> Vec<u8> {
        self.packet(answer::DATA, string(data))
    }

    pub fn names(&self, names: &[(&[u8], u32)]) -> Vec<u8> {
        let mut body = BytesMut::new();
        body.put_u32(u32::try_from(names.len()).unwrap());
        for (name, mode) in names {
            body.extend_from_slice(&string(name));
            body.extend_from_slice(&string(b""));
            Attributes::of_mode(*mode).encode(&mut body);
        }
        self.packet(answer::NAME, body)
    }

    /// Of a read: from where, and how much.
    fn range(&self) -> (usize, usize) {
        let tail = &self.body[self.body.len() - 12..];
        let offset = u64::from_be_bytes(tail[..8].try_into().unwrap());
        (usize::try_from(offset).unwrap(), u32::from_be_bytes(tail[8..].try_into().unwrap()) as usize)
    }

    pub fn path(&self) -> &[u8] {
        &self.body[4..]
    }
}

fn packet(kind: u8, rest: impl AsRef<[u8]>) -> Vec<u8> {
    let rest = rest.as_ref();
    let length = u32::try_from(1 + rest.len()).unwrap();
    [&length.to_be_bytes()[..], &[kind], rest].concat()
}

fn string(text: &[u8]) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text].concat()
}

/// A session with a server that says `first`, and then to each request what `serve` makes of it.
async fn session_after(
    first: Vec<u8>,
    mut serve: impl FnMut(Asked) -> Vec<u8> + Send + 'static,
) -> Result<Sftp, Error> {
    let (to_client, events) = unbounded_channel();
    let (writer, mut from_client) = unbounded_channel::<Bytes>();
    let (shared, packets, greeting) = Shared::greeting(hello(3));
    let shared = Arc::new(shared);
    let sftp = Sftp::new(Arc::clone(&shared));
    tokio::spawn(async move {
        let mut line = Line { events, writer: Writer(writer) };
        if drive(&mut line, &shared, packets, None, Some(Duration::from_secs(5))).await == Ended::Lost {
            shared.fail(Error::ConnectionLost { phase: Phase::Transfer, reached: Reached::Unknown, source: None });
        }
        shared.fail(Error::SftpClosed);
        shared.end();
    });
    tokio::spawn(async move {
        let mut buffer = BytesMut::new();
        let mut greeted = false;
        while let Some(data) = from_client.recv().await {
            buffer.extend_from_slice(&data);
            while let Some(length) = buffer.get(..4).map(|head| u32::from_be_bytes(head.try_into().unwrap()) as usize)
                && buffer.len() >= 4 + length
            {
                let packet = buffer.split_to(4 + length).freeze();
                let said = if greeted {
                    let id = u32::from_be_bytes(packet[5..9].try_into().unwrap());
                    serve(Asked { kind: packet[4], id, body: packet.slice(9..) })
                } else {
                    greeted = true;
                    first.clone()
                };
                // A client that has left hears nothing more.
                let _ = to_client.send(ChannelEvent::Stdout(said.into()));
            }
        }
    });
    tokio::time::timeout(Duration::from_secs(20), greet(&sftp, greeting)).await.expect("the greeting hangs")?;
    Ok(sftp)
}

pub async fn session(serve: impl FnMut(Asked) -> Vec<u8> + Send + 'static) -> Sftp {
    session_after(packet(answer::VERSION, 3u32.to_be_bytes()), serve).await.unwrap()
}

/// Everything must end in bounded time.
pub async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("it hangs")
}

pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("xec-sftp-{}", super::path::unique()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[tokio::test]
async fn what_greets_in_another_language_is_named() {
    let error = session_after(b"Last login: today\n".to_vec(), |_| Vec::new()).await.err().unwrap();
    assert_eq!(error.code(), "EPROTO");
    assert!(error.to_string().contains("start-up files"), "{error}");
    let old = packet(answer::VERSION, 2u32.to_be_bytes());
    assert_eq!(session_after(old, |_| Vec::new()).await.err().unwrap().code(), "EPROTO");
}

#[tokio::test]
async fn answers_that_cannot_be_end_the_session_with_the_reason() {
    type Answer = fn(&Asked) -> Vec<u8>;
    let cases: [(&str, Answer); 8] = [
        ("nobody asked", |asked| Asked { id: asked.id + 77, ..asked.clone() }.status(0)),
        ("longer", |_| u32::MAX.to_be_bytes().to_vec()),
        ("too short", |_| vec![0, 0, 0, 1, 9]),
        ("another kind", Asked::handle),
        ("another kind", |asked| asked.status(status::OK)),
        ("a kind that there is not", |asked| asked.packet(99, b"")),
        ("in the middle of a field", |asked| asked.packet(answer::ATTRS, b"\0\0\0\x01\0")),
        ("a handle is longer", |asked| asked.packet(answer::HANDLE, string(&[0; 300]))),
    ];
    for (problem, answer) in cases {
        let sftp = session(move |asked| answer(&asked)).await;
        let error = soon(sftp.stat(b"/x")).await.unwrap_err();
        assert_eq!(error.code(), "EPROTO", "{problem}");
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[tokio::test]
async fn an_answer_given_twice_ends_the_session_for_everybody() {
    let sftp = session(|asked| [asked.status(2), asked.status(2)].concat()).await;
    assert_eq!(soon(sftp.stat(b"/x")).await.unwrap_err().code(), "ENOENT");
    assert_eq!(soon(sftp.stat(b"/y")).await.unwrap_err().code(), "EPROTO");
    assert_eq!(soon(sftp.stat(b"/z")).await.unwrap_err().code(), "EPROTO");
    soon(sftp.close()).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_answering_is_given_up() {
    let sftp = session(|_| Vec::new()).await;
    let (one, other) = soon(async { tokio::join!(sftp.stat(b"/x"), sftp.list(b"/")) }).await;
    assert_eq!((one.unwrap_err().code(), other.unwrap_err().code()), ("ETIMEDOUT", "ETIMEDOUT"));
    assert_eq!(soon(sftp.stat(b"/x")).await.unwrap_err().code(), "ETIMEDOUT");
}

/// Serves one file of `content`, in pieces of at most `most` bytes.
fn serve_file(content: Vec<u8>, size: Option<u64>, most: usize) -> impl FnMut(Asked) -> Vec<u8> {
    move |asked| match asked.kind {
        request::OPEN => asked.handle(),
        request::FSTAT => asked.attributes(&Attributes { size, ..Attributes::of_mode(0o100_644) }),
        request::READ => {
            let (offset, length) = asked.range();
            match content.get(offset..).unwrap_or_default() {
                [] => asked.status(status::EOF),
                rest => asked.data(&rest[..rest.len().min(length).min(most)]),
            }
        }
        _ => asked.status(status::OK),
    }
}

async fn fetched(serve: impl FnMut(Asked) -> Vec<u8> + Send + 'static) -> Result<Vec<u8>, Error> {
    let folder = Folder::new();
    let sftp = session(serve).await;
    let file = folder.file("x");
    soon(sftp.download(b"/x", &file, &DownloadOptions::default(), &Watch::default())).await?;
    Ok(std::fs::read(file).unwrap())
}

#[tokio::test]
async fn short_answers_are_asked_for_again() {
    let content: Vec<u8> = (0..500_000u32).map(|n| n.to_le_bytes()[1]).collect();
    for most in [7_001, 31_999, 1 << 20] {
        let got = fetched(serve_file(content.clone(), Some(content.len() as u64), most)).await.unwrap();
        assert!(got == content, "pieces of {most}");
    }
}

#[tokio::test]
async fn a_file_that_lies_about_its_size_is_read_to_its_end_or_to_its_size() {
    let content = vec![7; 100_000];
    for (said, length) in [(None, 100_000), (Some(0), 100_000), (Some(400_000), 100_000), (Some(60_000), 60_000)] {
        let got = fetched(serve_file(content.clone(), said, 32_000)).await.unwrap();
        assert_eq!(got.len(), length, "{said:?}");
    }
}

#[tokio::test]
async fn too_much_data_and_none_at_all_are_refused() {
    let too_much = |asked: Asked| match asked.kind {
        request::READ => asked.data(&vec![0; asked.range().1 + 1]),
        _ => serve_file(vec![0; 100], Some(100), 100)(asked),
    };
    assert_eq!(fetched(too_much).await.unwrap_err().code(), "EPROTO");
    let none = |asked: Asked| match asked.kind {
        request::READ => asked.data(b""),
        _ => serve_file(vec![0; 100], Some(100), 100)(asked),
    };
    assert_eq!(fetched(none).await.unwrap_err().code(), "EPROTO");
}

#[tokio::test]
async fn answers_may_come_in_any_order() {
    let content: Vec<u8> = (0..2_000_000u32).map(|n| n.to_le_bytes()[2]).collect();
    let mut serve = serve_file(content.clone(), Some(content.len() as u64), 1 << 20);
    let mut held: Vec<Vec<u8>> = Vec::new();
    let got = fetched(move |asked| {
        let said = serve(asked.clone());
        if asked.kind != request::READ || asked.range().0 > 1_700_000 {
            return held.drain(..).rev().chain([said]).collect::<Vec<_>>().concat();
        }
        held.push(said);
        if held.len() < 5 { Vec::new() } else { held.drain(..).rev().collect::<Vec<_>>().concat() }
    });
    assert!(got.await.unwrap() == content);
}

/// Names and modes.
type Listed = Vec<(Vec<u8>, u32)>;

/// Serves a tree whose listings are `names`, and the same words for every file.
fn serve_tree(names: impl Fn(&[u8]) -> Listed + Send + 'static) -> impl FnMut(Asked) -> Vec<u8> {
    let mut listings: Vec<Option<Listed>> = Vec::new();
    move |asked| match asked.kind {
        request::OPENDIR => {
            listings.push(Some(names(asked.path())));
            asked.packet(answer::HANDLE, string(&u32::try_from(listings.len() - 1).unwrap().to_be_bytes()))
        }
        request::READDIR => {
            let index = u32::from_be_bytes(asked.path().try_into().unwrap()) as usize;
            match listings[index].take() {
                Some(names) => {
                    let names: Vec<(&[u8], u32)> = names.iter().map(|(name, mode)| (&name[..], *mode)).collect();
                    asked.names(&names)
                }
                None => asked.status(status::EOF),
            }
        }
        request::READLINK => asked.names(&[(b"/tmp", 0)]),
        _ => serve_file(b"words".to_vec(), Some(5), 100)(asked),
    }
}

async fn fetched_tree(
    symlinks: Symlinks,
    into: &Path,
    names: impl Fn(&[u8]) -> Listed + Send + 'static,
) -> Vec<String> {
    let sftp = session(serve_tree(names)).await;
    let options = TreeOptions { concurrency: 4, symlinks, filter: None, atomic: false, preserve: false };
    let report = soon(sftp.download_tree(b"/tree", into, &options, &Watch::default())).await.unwrap();
    report.failed.into_iter().map(|failed| failed.path).collect()
}

#[tokio::test]
async fn names_that_are_paths_lead_nowhere() {
    let folder = Folder::new();
    let into = folder.file("into");
    let names = ["../evil", "/evil", "a/evil", "..", ".", "", "nul\0", "good"];
    let failed = fetched_tree(Symlinks::Follow, &into, move |_| {
        names.iter().map(|name| (name.as_bytes().to_vec(), 0o100_644)).collect()
    })
    .await;
    assert_eq!(failed.len(), 5, "{failed:?}");
    let written: Vec<_> = std::fs::read_dir(&into).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(written, ["good"]);
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[tokio::test]
async fn a_link_that_is_also_a_directory_leads_nowhere() {
    let folder = Folder::new();
    let into = folder.file("into");
    fetched_tree(Symlinks::Recreate, &into, |path| {
        if path == b"/tree" {
            vec![(b"d".to_vec(), 0o120_777), (b"d".to_vec(), 0o040_755)]
        } else {
            vec![(b"xec-evil".to_vec(), 0o100_644)]
        }
    })
    .await;
    assert!(!Path::new("/tmp/xec-evil").exists());
    assert!(into.join("d").symlink_metadata().unwrap().is_dir());
}

#[cfg(unix)]
#[tokio::test]
async fn local_links_in_the_way_are_not_followed() {
    let folder = Folder::new();
    let (into, outside) = (folder.file("into"), folder.file("outside"));
    std::fs::create_dir(&into).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), "mine").unwrap();
    std::os::unix::fs::symlink(outside.join("file"), into.join("file")).unwrap();
    std::os::unix::fs::symlink(&outside, into.join("d")).unwrap();
    let failed = fetched_tree(Symlinks::Follow, &into, |path| {
        if path == b"/tree" {
            vec![(b"file".to_vec(), 0o100_644), (b"d".to_vec(), 0o040_755)]
        } else {
            vec![(b"inner".to_vec(), 0o100_644)]
        }
    })
    .await;
    assert_eq!(failed, ["/tree/d"]);
    assert_eq!(std::fs::read_to_string(outside.join("file")).unwrap(), "mine");
    assert_eq!(std::fs::read_to_string(into.join("file")).unwrap(), "words");
    assert!(!outside.join("inner").exists());
}

#[tokio::test]
async fn a_write_that_fails_cuts_the_file_to_what_is_certain() {
    let folder = Folder::new();
    std::fs::write(folder.file("x"), vec![1; 1_000_000]).unwrap();
    let (note, mut cut) = unbounded_channel();
    let mut writes = 0;
    let sftp = session(move |asked| match asked.kind {
        request::OPEN => asked.handle(),
        request::WRITE => {
            writes += 1;
            asked.status(if writes == 4 { 4 } else { status::OK })
        }
        request::FSETSTAT => {
            note.send(asked.body.slice(9..).to_vec()).unwrap();
            asked.status(status::OK)
        }
        _ => asked.status(status::OK),
    })
    .await;
    let size = u64::from(sftp.features().write_size);
    let options = UploadOptions::default();
    let error = soon(sftp.upload(&folder.file("x"), b"/x", &options, &Watch::default())).await.unwrap_err();
    assert_eq!((error.code(), error.phase()), ("EFAILURE", Phase::Transfer));
    assert_eq!(cut.recv().await.unwrap(), (3 * size).to_be_bytes());
}

proptest! {
    #[test]
    fn no_bytes_at_all_make_us_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..40)) {
        let mut assembler = Assembler::default();
        for piece in pieces {
            assembler.push(piece.into());
            while let Ok(Some(frame)) = assembler.next() {
                let _ = understand(frame);
            }
        }
    }

    #[test]
    fn nor_does_any_body(kind in 100u8..106, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut assembler = Assembler::default();
        assembler.push(packet(kind, [&[0, 0, 0, 1][..], &body].concat()).into());
        if let Ok(Some(frame)) = assembler.next() {
            let _ = understand(frame);
        }
    }
}
