//! From a request for a session to its greeting, and from its end to the permit's return.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::driver::{Ended, drive};
use super::features::Features;
use super::packet::{Packet, hello};
use super::session::{Sftp, about};
use super::shared::{Pending, Shared};
use super::wire::VERSION;
use crate::command::Sudo;
use crate::error::{Cause, Error, Phase, Reached};
use crate::pool::{CloseReason, Permit, Pool, Request};
use crate::run::sudo::Elevated;
use crate::run::{Cancel, tail};
use crate::transport::ssh::connection::SshTransport;
use crate::transport::ssh::{LinkChannel, LinkWriter};
use crate::transport::{Channel, ChannelWriter, Connection, OpenError};

/// Connections found dead before the session began, after which a call gives up.
const MAX_DEAD_CONNECTIONS: u32 = 3;
/// How long to wait for a lost connection to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The program behind the subsystem, which only sshd knows the place of: where the systems there are have it.
const SERVER: &str = "for s in /usr/lib/openssh/sftp-server /usr/libexec/openssh/sftp-server /usr/lib/ssh/sftp-server \
    /usr/libexec/sftp-server /usr/lib/sftp-server /usr/local/libexec/sftp-server; do\n[ -x \"$s\" ] && exec \"$s\"\ndone\n\
    echo 'no sftp-server in any of its usual places' >&2\nexit 127";

type SshPool = Pool<SshTransport>;
type SshPermit = Permit<SshTransport>;
type Acquiring = Pin<Box<dyn Future<Output = Result<SshPermit, Error>> + Send>>;

/// How a session behaves.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// How long the server may say nothing while an answer is due; `None`: as long as the connection lives.
    pub silence: Option<Duration>,
    /// Whose files they are, if not the login user's: the server's sftp-server runs by sudo then.
    pub sudo: Option<Sudo>,
}

impl Sftp {
    /// A session on a connection of `request`'s key. The place in the pool's queue is taken by the call.
    ///
    /// The session lives in a task of its own that owns permit and channel. Dropping this future, or cancelling it,
    /// lets that task undo what was begun.
    pub fn open(
        pool: Arc<SshPool>,
        request: Request<SshTransport>,
        options: SessionOptions,
        cancel: Cancel,
    ) -> impl Future<Output = Result<Self, Error>> + Send {
        let (reply, opened) = oneshot::channel();
        if cancel.is_cancelled() {
            // A call aborted beforehand troubles nobody.
            drop(reply);
        } else {
            let acquiring: Acquiring = Box::pin(pool.acquire(&request));
            let runtime = pool.runtime().clone();
            runtime.spawn(live(Arc::clone(&pool), request.clone(), acquiring, options, reply));
        }
        async move {
            let opening = async {
                let (sftp, greeting) =
                    opened.await.map_err(|_| Error::Internal { what: "opening an SFTP session" })??;
                greet(&sftp, greeting).await?;
                Ok(sftp)
            };
            tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    Err(Error::Aborted { phase: pool.waiting_phase(&request.key), reached: Reached::No })
                }
                outcome = opening => outcome,
            }
        }
    }
}

type Opened = Result<(Sftp, Pending), Error>;

/// The session's task.
async fn live(
    pool: Arc<SshPool>,
    request: Request<SshTransport>,
    acquiring: Acquiring,
    options: SessionOptions,
    mut reply: oneshot::Sender<Opened>,
) {
    let (permit, mut channel) = match open_channel(&pool, &request, acquiring, &mut reply).await {
        Some(Ok(opened)) => opened,
        Some(Err(error)) => {
            // Whoever has left meanwhile does not need to know.
            let _ = reply.send(Err(error));
            return;
        }
        None => return,
    };
    let (shared, packets, greeting) = Shared::greeting(hello(VERSION));
    let shared = Arc::new(shared);
    let over = Over(Arc::clone(&shared));
    if let Err(Ok((sftp, _))) = reply.send(Ok((Sftp::new(Arc::clone(&shared)), greeting))) {
        drop(sftp);
    }
    let ended = converse(&mut channel, &shared, packets, options).await;
    if ended == Ended::Lost {
        shared.fail(lost(&permit).await);
    }
    shared.fail(Error::SftpClosed);
    match ended {
        Ended::Closed => permit.release(),
        Ended::Lost => permit.suspect(),
        Ended::Unfinished => tail::close::<SshTransport>(channel, permit).await,
    }
    drop(over);
}

/// Tells everybody that the session is over when dropped, as a panic drops it too: who waits must not wait for ever.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        // The first error counts: after an orderly end this one is nobody's.
        self.0.fail(Error::Internal { what: "an SFTP session" });
        self.0.end();
    }
}

/// Asks for the subsystem; the greeting follows at once, because an answer in between would cost a round trip. It is sent
/// as what comes after it is: OpenSSH takes no byte before the subsystem runs, and one that never will must be heard of.
async fn converse(
    channel: &mut LinkChannel,
    shared: &Arc<Shared>,
    packets: tokio::sync::mpsc::UnboundedReceiver<bytes::Bytes>,
    options: SessionOptions,
) -> Ended {
    let elevated = options.sudo.as_ref().map(|sudo| Elevated::new(sudo, false));
    match ask(&channel.writer(), elevated.as_ref()).await {
        Ok(()) => {}
        Err(Error::ConnectionLost { .. }) => return Ended::Lost,
        Err(error) => {
            shared.fail(error);
            return Ended::Unfinished;
        }
    }
    let gate = elevated.as_ref().map(Elevated::gate);
    drive(channel, shared, packets, gate, options.silence).await
}

async fn ask(writer: &LinkWriter, elevated: Option<&Elevated<'_>>) -> Result<(), Error> {
    let Some(elevated) = elevated else { return writer.subsystem("sftp").await };
    writer.exec(elevated.line(SERVER.as_bytes())).await?;
    writer.write(elevated.before_stdin()).await
}

/// The greeting, then the server's limits.
pub(super) async fn greet(sftp: &Sftp, mut greeting: Pending) -> Result<(), Error> {
    let about = about("begin", b"SFTP");
    let broken = |error: super::decode::Malformed| Error::SftpProtocol { problem: error.0 };
    let mut features = Features::of_greeting(greeting.extended(about).await?).map_err(broken)?;
    if features.limits {
        let mut limits = sftp.send(|id| Packet::extended("limits@openssh.com", id).finish());
        match limits.extended(about).await {
            Ok(body) => features = features.with_limits(body).map_err(broken)?,
            // A server that will not say them has the ones that everybody has.
            Err(Error::RemoteFile { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    // Set once, here.
    let _ = sftp.shared.features.set(features);
    Ok(())
}

/// A channel on some connection; `None` when the caller has left. Refused channels and dead connections lead back to the
/// front of the queue.
async fn open_channel(
    pool: &SshPool,
    request: &Request<SshTransport>,
    acquiring: Acquiring,
    reply: &mut oneshot::Sender<Opened>,
) -> Option<Result<(SshPermit, LinkChannel), Error>> {
    let mut dead = 0;
    let mut permit = tokio::select! {
        biased;
        () = reply.closed() => return None,
        permit = acquiring => match permit {
            Ok(permit) => permit,
            Err(error) => return Some(Err(error)),
        },
    };
    loop {
        let connection = permit.connection_handle();
        let mut opening = Box::pin(connection.open());
        let opened = tokio::select! {
            biased;
            opened = &mut opening => opened,
            () = reply.closed() => {
                tail::discard(opening, permit).await;
                return None;
            }
        };
        drop(opening);
        let next = match opened {
            Ok(channel) => return Some(Ok((permit, channel))),
            Err(OpenError::Refused(reason)) => tokio::select! {
                biased;
                next = pool.acquire_again(permit, request) => match next {
                    Some(next) => next,
                    None => return Some(Err(Error::ChannelRefused { reason })),
                },
                () = reply.closed() => return None,
            },
            Err(OpenError::Lost(error)) => {
                dead += 1;
                if let Some(CloseReason::Removed) = permit.close_reason() {
                    return Some(Err(Error::PoolClosed { phase: Phase::OpenChannel, reached: Reached::No }));
                }
                if dead >= MAX_DEAD_CONNECTIONS {
                    permit.suspect();
                    return Some(Err(error));
                }
                tokio::select! {
                    biased;
                    next = pool.acquire_instead(permit, request) => next,
                    () = reply.closed() => return None,
                }
            }
        };
        permit = match next {
            Ok(permit) => permit,
            Err(error) => return Some(Err(error)),
        };
    }
}

/// Why a connection ended under a session.
async fn lost(permit: &SshPermit) -> Error {
    let (phase, reached) = (Phase::Transfer, Reached::Unknown);
    if let Some(CloseReason::Removed) = permit.close_reason() {
        return Error::PoolClosed { phase, reached };
    }
    let last_words = tokio::time::timeout(LAST_WORDS, permit.connection().closed()).await;
    let source = match last_words.ok().flatten() {
        Some(Error::ConnectionLost { source, .. }) => source,
        other => other.map(|error| Arc::new(error) as Cause),
    };
    Error::ConnectionLost { phase, reached, source }
}
