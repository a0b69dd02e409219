//! A descriptor that a visitor handed us: a terminal, a pipe, a socket, a file. It stays shared with the visitor, so its
//! mode must stay as it is: what we need is that nothing here ever blocks.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use nix::libc;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::net::unix::pipe::{Receiver, Sender};

/// What kind of thing a descriptor is, as far as waiting goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Each call can be told not to wait.
    Socket,
    /// Pipes and terminals: through a description of our own, which does not wait.
    Reopened,
    /// Files and devices such as /dev/null are always ready.
    Ready,
}

/// Where a visitor's input comes from.
pub struct Input {
    descriptor: OwnedFd,
    source: Source,
}

// tokio's pipes are, by their unchecked constructors, its safe way to wait for any descriptor.
enum Source {
    Polled(Receiver, Kind),
    Ready(File),
}

/// Where a visitor's output goes to.
pub struct Output(Sink);

enum Sink {
    Polled(Sender, Kind),
    Ready(File),
}

impl Input {
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let source = match kind_of(&descriptor)? {
            Kind::Ready => Source::Ready(descriptor.try_clone()?.into()),
            kind => {
                let ours = without_waiting(descriptor.try_clone()?, kind, OpenOptions::new().read(true))?;
                Source::Polled(Receiver::from_owned_fd_unchecked(ours)?, kind)
            }
        };
        Ok(Self { descriptor, source })
    }

    /// Some bytes; none at the end. Cancel-safe.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (receiver, kind) = match &self.source {
            Source::Polled(receiver, kind) => (receiver, *kind),
            Source::Ready(file) => {
                // Always ready, but others want to run as well.
                tokio::task::yield_now().await;
                let mut file = file;
                return file.read(buffer);
            }
        };
        loop {
            receiver.readable().await?;
            let read = receiver.try_io(|| match kind {
                Kind::Socket => Ok(recv(receiver, &mut *buffer, RecvFlags::DONTWAIT)?.0),
                Kind::Reopened | Kind::Ready => Ok(rustix::io::read(receiver, &mut *buffer)?),
            });
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return end_of_terminal(outcome),
            }
        }
    }
}

/// For what only terminals can answer.
impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Output {
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        Ok(Self(match kind_of(&descriptor)? {
            Kind::Ready => Sink::Ready(descriptor.into()),
            kind => {
                let ours = without_waiting(descriptor, kind, OpenOptions::new().write(true))?;
                Sink::Polled(Sender::from_owned_fd_unchecked(ours)?, kind)
            }
        }))
    }

    pub async fn write_all(&self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let written = self.write(data).await?;
            data = data.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    async fn write(&self, data: &[u8]) -> io::Result<usize> {
        let (sender, kind) = match &self.0 {
            Sink::Polled(sender, kind) => (sender, *kind),
            Sink::Ready(file) => {
                tokio::task::yield_now().await;
                let mut file = file;
                return file.write(data);
            }
        };
        loop {
            sender.writable().await?;
            let written = sender.try_io(|| match kind {
                Kind::Socket => Ok(send(sender, data, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?),
                Kind::Reopened | Kind::Ready => Ok(rustix::io::write(sender, data)?),
            });
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
        }
    }
}

fn kind_of(descriptor: &OwnedFd) -> io::Result<Kind> {
    let kind = File::from(descriptor.try_clone()?).metadata()?.file_type();
    Ok(if kind.is_socket() {
        Kind::Socket
    } else if kind.is_fifo() || rustix::termios::isatty(descriptor) {
        Kind::Reopened
    } else {
        Kind::Ready
    })
}

/// A terminal that was hung up reads as an error.
fn end_of_terminal(outcome: io::Result<usize>) -> io::Result<usize> {
    match outcome {
        Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(0),
        other => other,
    }
}

/// The same pipe or terminal, opened anew: not waiting is then ours alone. Where that cannot be done, nobody who shares it
/// waits any more, which is what OpenSSH's own master does.
fn without_waiting(descriptor: OwnedFd, kind: Kind, options: &mut OpenOptions) -> io::Result<OwnedFd> {
    if kind == Kind::Socket {
        return Ok(descriptor);
    }
    let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    if let Ok(file) = options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path) {
        return Ok(file.into());
    }
    rustix::io::ioctl_fionbio(&descriptor, true)?;
    Ok(descriptor)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_file_a_socket_and_a_pipe_are_read_to_their_end() {
        let path = std::env::temp_dir().join(format!("xec-stdio-{}", std::process::id()));
        std::fs::write(&path, "from a file").unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"from a socket").unwrap();
        drop(theirs);
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"from a pipe").unwrap();
        drop(writer);
        for (descriptor, wanted) in [
            (OwnedFd::from(File::open(&path).unwrap()), "from a file"),
            (OwnedFd::from(ours), "from a socket"),
            (OwnedFd::from(reader), "from a pipe"),
        ] {
            let stdin = Input::new(descriptor).unwrap();
            let mut buffer = [0; 64];
            let count = stdin.read(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..count], wanted.as_bytes());
            assert_eq!(stdin.read(&mut buffer).await.unwrap(), 0);
        }
        std::fs::remove_file(path).unwrap();
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_makes_us_wait_and_not_block() {
        let (reader, writer) = std::io::pipe().unwrap();
        let shared = writer.try_clone().unwrap();
        let stdout = Output::new(writer.into()).unwrap();
        let megabyte = vec![0; 1 << 20];
        let writing = tokio::time::timeout(Duration::from_millis(50), stdout.write_all(&megabyte)).await;
        assert!(writing.is_err(), "the pipe is full");
        let flags = rustix::fs::fcntl_getfl(&shared).unwrap();
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK), "the visitor's descriptor is as it was");
        drop(reader);
        assert_eq!(stdout.write_all(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
