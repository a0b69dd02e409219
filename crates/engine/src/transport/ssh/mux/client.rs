//! Is there a master behind a control path, and may it be trusted? Whatever is there, the answer comes within a second.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use nix::unistd::Uid;
use tokio::net::UnixStream;
use tokio::time::timeout;

use tokio::io::AsyncWriteExt;

use super::packet::{Reply, Request, VERSION};
use super::wire::{malformed, read_packet};

/// For a master to answer. One that is well does so at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is behind a control path.
pub enum Found {
    /// A master that is well: its control socket, in proxy mode.
    Master(UnixStream),
    Nothing,
    /// A socket that nobody listens on any more.
    Stale,
    /// Something that we must not use, or cannot.
    Unusable(io::Error),
}

/// Looks for a master and greets it. Cancel-safe.
pub async fn find(path: &Path) -> Found {
    match timeout(PATIENCE, proxy(path)).await {
        Ok(Ok(stream)) => Found::Master(stream),
        Ok(Err(error)) => found_instead(path, error),
        Err(_) => Found::Unusable(no_answer()),
    }
}

/// Is the master behind `path` well?
pub async fn is_alive(path: &Path) -> io::Result<()> {
    let alive = async { alive(&mut greeted(path).await?).await };
    timeout(PATIENCE, alive).await.unwrap_or_else(|_| Err(no_answer()))
}

async fn proxy(path: &Path) -> io::Result<UnixStream> {
    let mut stream = greeted(path).await?;
    alive(&mut stream).await?;
    match ask(&mut stream, &Request::Proxy { id: 1 }).await? {
        Reply::Proxied { id: 1 } => Ok(stream),
        Reply::Failure { reason, .. } | Reply::PermissionDenied { reason, .. } => {
            Err(io::Error::new(io::ErrorKind::Unsupported, format!("it refuses proxy mode: {reason}")))
        }
        _ => Err(malformed("something else than an answer")),
    }
}

async fn greeted(path: &Path) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(path).await?;
    // It is about to see our commands and their input.
    let owner = stream.peer_cred()?.uid();
    if owner != Uid::effective().as_raw() && owner != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("it belongs to another user (uid {owner})"),
        ));
    }
    match ask(&mut stream, &Request::Hello { version: VERSION }).await? {
        Reply::Hello { version: VERSION } => Ok(stream),
        Reply::Hello { version } => {
            Err(io::Error::new(io::ErrorKind::Unsupported, format!("it speaks version {version} of the protocol")))
        }
        _ => Err(malformed("no greeting")),
    }
}

async fn alive(stream: &mut UnixStream) -> io::Result<()> {
    match ask(stream, &Request::AliveCheck { id: 0 }).await? {
        Reply::Alive { id: 0, .. } => Ok(()),
        _ => Err(malformed("something else than an answer")),
    }
}

async fn ask(stream: &mut UnixStream, request: &Request) -> io::Result<Reply> {
    stream.write_all(&request.encode()).await?;
    let packet = read_packet(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Reply::decode(packet).ok_or_else(|| malformed("an unknown message"))
}

fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} ms", PATIENCE.as_millis()))
}

fn found_instead(path: &Path, error: io::Error) -> Found {
    match error.kind() {
        io::ErrorKind::NotFound => Found::Nothing,
        io::ErrorKind::ConnectionRefused if is_socket(path) => Found::Stale,
        _ => Found::Unusable(error),
    }
}

/// A connection to a file that is not a socket is refused as well.
fn is_socket(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket())
}

/// Removes a socket that nobody listens on, if it is ours. Connects once more right before, because somebody may have come
/// to listen there.
pub async fn remove_stale(path: &Path) -> io::Result<()> {
    let found = path.symlink_metadata()?;
    if found.uid() != Uid::effective().as_raw() || !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not ours to remove"));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        _ => return Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody listens there now")),
    }
    let unchanged = path.symlink_metadata().is_ok_and(|now| (now.dev(), now.ino()) == (found.dev(), found.ino()));
    if unchanged { std::fs::remove_file(path) } else { Ok(()) }
}
