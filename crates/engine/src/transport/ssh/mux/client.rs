//! Is there a master behind a control path, and may it be trusted? Whatever is there, the answer comes within a second.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use nix::unistd::Uid;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use tokio::io::AsyncWriteExt;

use super::packet::{Reply, Request, VERSION};
use super::wire::{malformed, read_packet};

/// For a master to answer. One that is well does so at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// Before asking again for room in a master's queue.
const BREATH: Duration = Duration::from_millis(10);

/// What is behind a control path.
pub enum Found {
    /// A master that is well, and one of ours: its control socket, in proxy mode.
    Shared(UnixStream),
    /// A master that is well, and a control socket on which nothing has been asked.
    Usual(UnixStream),
    Nothing,
    /// A socket that nobody listens on any more.
    Stale,
    /// Something that we must not use, or cannot.
    Unusable(io::Error),
}

/// Looks for a master and greets it. `sessions`: those of one of ours in proxy mode, which does not carry the rest. Cancel-safe.
pub async fn find(path: &Path, sessions: bool) -> Found {
    match timeout(PATIENCE, board(path, sessions)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => found_instead(path, error),
        Err(_) => Found::Unusable(no_answer(PATIENCE)),
    }
}

/// Is the master behind `path` well?
pub async fn is_alive(path: &Path) -> io::Result<()> {
    let alive = async { alive(&mut greet(path).await?.0).await };
    timeout(PATIENCE, alive).await.unwrap_or_else(|_| Err(no_answer(PATIENCE)))
}

/// A new control socket, on which the greetings have been exchanged, and whether the master is one of ours.
pub async fn greeted(path: &Path, patience: Duration) -> io::Result<(UnixStream, bool)> {
    timeout(patience, greet(path)).await.unwrap_or_else(|_| Err(no_answer(patience)))
}

/// Resolves when the other side has left. Cancel-safe.
pub async fn until_gone(stream: &UnixStream) {
    loop {
        let readable = stream.readable().await;
        // Anything but "not yet" is an end: EOF, an error, or words out of turn.
        let silent = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        if readable.is_err() || !stream.try_read(&mut [0]).is_err_and(|error| silent(&error)) {
            return;
        }
    }
}

/// In proxy mode a control socket carries SSH's own messages, which say everything. But OpenSSH's master does not survive a
/// client in that mode whose channel was refused, or that ends while it opens one. So it is for our masters alone.
async fn board(path: &Path, sessions: bool) -> io::Result<Found> {
    let (mut stream, ours) = greet(path).await?;
    alive(&mut stream).await?;
    if !ours || !sessions {
        return Ok(Found::Usual(stream));
    }
    match ask(&mut stream, &Request::Proxy { id: 1 }).await? {
        Reply::Proxied { id: 1 } => Ok(Found::Shared(stream)),
        Reply::Failure { reason, .. } | Reply::PermissionDenied { reason, .. } => {
            Err(io::Error::new(io::ErrorKind::Unsupported, format!("it refuses proxy mode: {reason}")))
        }
        _ => Err(malformed("something else than an answer")),
    }
}

async fn greet(path: &Path) -> io::Result<(UnixStream, bool)> {
    let mut stream = connect(path).await?;
    // It is about to see our commands and their input.
    let owner = stream.peer_cred()?.uid();
    if owner != Uid::effective().as_raw() && owner != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("it belongs to another user (uid {owner})"),
        ));
    }
    match ask(&mut stream, &Request::Hello { version: VERSION }).await? {
        Reply::Hello { version: VERSION, ours } => Ok((stream, ours)),
        Reply::Hello { version, .. } => {
            Err(io::Error::new(io::ErrorKind::Unsupported, format!("it speaks version {version} of the protocol")))
        }
        _ => Err(malformed("no greeting")),
    }
}

/// A master that is busy with many newcomers has no room for another one at first.
async fn connect(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(BREATH).await,
            connected => return connected,
        }
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

fn no_answer(patience: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} ms", patience.as_millis()))
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
