//! One process that uses our control socket.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Uid;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::client::until_gone;
use super::errand::target;
use super::master::Master;
use super::packet::{Reply, Request, VERSION};
use super::proxied;
use super::session;
use super::stdio::{Input, Output};
use super::stdio_forward;
use super::wire::{malformed, read_packet};

/// For a visitor to greet us, and to hand over what it has announced.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves one visitor until it or the master leaves.
pub async fn receive(stream: UnixStream, master: Arc<Master>) {
    if let Err(error) = admit(&stream) {
        return tracing::warn!(%error, "a visitor of the control socket was turned away");
    }
    let visitor = Visitor { stream, master };
    if let Err(error) = visitor.serve().await {
        tracing::debug!(%error, "a visitor of the control socket left without goodbye");
    }
}

/// Only who we are, and root, who can do everything anyway.
fn admit(stream: &UnixStream) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    if uid == Uid::effective().as_raw() || uid == 0 {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("it belongs to another user (uid {uid})")))
}

pub struct Visitor {
    pub stream: UnixStream,
    pub master: Arc<Master>,
}

impl Visitor {
    async fn serve(mut self) -> io::Result<()> {
        self.say(&Reply::Hello { version: VERSION, ours: true }).await?;
        let greeting = timeout(PATIENCE, self.hear()).await.map_err(|_| io::ErrorKind::TimedOut)??;
        match greeting {
            None => return Ok(()),
            Some(Request::Hello { version: VERSION }) => {}
            Some(_) => return Err(malformed("no greeting of our version")),
        }
        loop {
            let request = {
                let master = Arc::clone(&self.master);
                tokio::select! {
                    request = self.hear() => request?,
                    () = master.over() => return Ok(()),
                }
            };
            match request {
                None => return Ok(()),
                Some(Request::NewSession { id, session }) => {
                    let stdio = self.take_stdio().await?;
                    return session::run(self, id, session, stdio).await;
                }
                Some(Request::StdioForward { id, host, port }) => {
                    let stdin = Input::new(self.take_descriptor().await?)?;
                    let stdout = Output::new(self.take_descriptor().await?)?;
                    match target(&(host, port)) {
                        Ok(to) => return stdio_forward::run(self, id, to, (stdin, stdout)).await,
                        Err(reason) => self.say(&Reply::Failure { id, reason }).await?,
                    }
                }
                Some(Request::Proxy { id }) => {
                    self.say(&Reply::Proxied { id }).await?;
                    return proxied::run(self).await;
                }
                Some(request) => self.answer(request).await?,
            }
        }
    }

    async fn answer(&mut self, request: Request) -> io::Result<()> {
        let refused = |id, reason: &str| Reply::Failure { id, reason: reason.to_owned() };
        let reply = match request {
            Request::AliveCheck { id } => Reply::Alive { id, pid: std::process::id() },
            Request::StopListening { id } => {
                self.master.stop();
                Reply::Ok { id }
            }
            Request::Terminate { id } => {
                self.say(&Reply::Ok { id }).await?;
                self.master.terminate();
                return Ok(());
            }
            Request::Hello { .. }
            | Request::NewSession { .. }
            | Request::StdioForward { .. }
            | Request::Proxy { .. } => return Err(malformed("something out of turn")),
            Request::OpenForward { id, forward } => {
                let master = &self.master;
                master.forwards.open(id, forward, &master.lender).await
            }
            Request::CloseForward { id, forward } => self.master.forwards.close(id, &forward).await,
            Request::Other { id } => refused(id, "this master does not know that request"),
        };
        self.say(&reply).await
    }

    pub async fn say(&mut self, reply: &Reply) -> io::Result<()> {
        self.stream.write_all(&reply.encode()).await
    }

    async fn hear(&mut self) -> io::Result<Option<Request>> {
        let Some(packet) = read_packet(&mut self.stream).await? else { return Ok(None) };
        Request::decode(packet).map(Some).ok_or_else(|| malformed("a message that is cut short"))
    }

    /// Resolves when it has left. A session has nothing more to say. Cancel-safe.
    pub async fn gone(&self) {
        until_gone(&self.stream).await;
    }

    async fn take_stdio(&mut self) -> io::Result<(Input, Output, Output)> {
        let stdin = Input::new(self.take_descriptor().await?)?;
        let stdout = Output::new(self.take_descriptor().await?)?;
        Ok((stdin, stdout, Output::new(self.take_descriptor().await?)?))
    }

    async fn take_descriptor(&mut self) -> io::Result<OwnedFd> {
        let taking = async {
            loop {
                self.stream.readable().await?;
                match self.stream.try_io(Interest::READABLE, || descriptor_from(&self.stream)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    taken => return taken,
                }
            }
        };
        timeout(PATIENCE, taking).await.map_err(|_| io::ErrorKind::TimedOut)?
    }
}

/// One byte, with a descriptor attached to it. Others that came along are closed.
fn descriptor_from(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received = recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    descriptors.flatten().next().ok_or_else(|| malformed("no descriptor where one was due"))
}
