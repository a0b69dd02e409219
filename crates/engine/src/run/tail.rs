//! What happens to a channel after its caller has its answer.
//!
//! sshd frees a session's slot only when its process is gone and the channel is closed on both sides. Until then the
//! permit stays out, or the pool would promise a slot that the server does not have.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::error::Error;
use crate::pool::Permit;
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Connection, OpenError, Signal, Transport};

/// For the process to end by itself after SIGTERM.
const TERM_GRACE: Duration = Duration::from_secs(2);
/// For the server to report its death after SIGKILL.
const KILL_GRACE: Duration = Duration::from_secs(1);
/// For the server to answer our CLOSE.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// For the server to answer a request for a channel that nobody wants any more.
const OPEN_GRACE: Duration = Duration::from_secs(10);

type ChannelOf<T> = <<T as Transport>::Connection as Connection>::Channel;

#[derive(PartialEq, Eq)]
enum Seen {
    Exited,
    Closed,
    Lost,
    Nothing,
}

/// What has become of a channel's place at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Free,
    /// The connection is gone.
    Lost,
    /// The server did not say that it is free.
    Stuck,
}

impl Left {
    fn settle<T: Transport>(self, permit: Permit<T>) {
        match self {
            Self::Free => permit.release(),
            Self::Lost => permit.suspect(),
            Self::Stuck => permit.abandon(),
        }
    }
}

/// Ends the remote process, politely first, and gives the permit back when the server has closed the channel.
pub(crate) async fn end<T: Transport>(channel: ChannelOf<T>, permit: Permit<T>) {
    ended(channel).await.settle(permit);
}

/// Closes a channel whose command has ended or never began.
pub(crate) async fn close<T: Transport>(channel: ChannelOf<T>, permit: Permit<T>) {
    closed(channel).await.settle(permit);
}

/// Waits for a channel that was asked for and is not wanted any more, and closes it.
pub(crate) async fn discard<T: Transport>(
    opening: impl Future<Output = Result<ChannelOf<T>, OpenError>>,
    permit: Permit<T>,
) {
    match discarded(opening).await {
        // Refused or not, nothing ran on it.
        Left::Free => drop(permit),
        left => left.settle(permit),
    }
}

/// As [`end`], for who has no permit.
pub(crate) async fn ended<C: Channel>(mut channel: C) -> Left {
    let writer = channel.writer();
    for (signal, grace) in [(Signal::Term, TERM_GRACE), (Signal::Kill, KILL_GRACE)] {
        match until(&mut channel, writer.signal(signal), Instant::now() + grace, true).await {
            Seen::Closed => return Left::Free,
            Seen::Lost => return Left::Lost,
            // It is dead, but a child of its own may hold the streams open: don't wait for that.
            Seen::Exited => break,
            Seen::Nothing => {}
        }
    }
    closed(channel).await
}

/// As [`close`], for who has no permit.
pub(crate) async fn closed<C: Channel>(mut channel: C) -> Left {
    let writer = channel.writer();
    match until(&mut channel, writer.close(), Instant::now() + CLOSE_GRACE, false).await {
        Seen::Closed => Left::Free,
        Seen::Lost => Left::Lost,
        Seen::Exited | Seen::Nothing => Left::Stuck,
    }
}

/// As [`discard`], for who has no permit.
pub(crate) async fn discarded<C: Channel>(opening: impl Future<Output = Result<C, OpenError>>) -> Left {
    match tokio::time::timeout(OPEN_GRACE, opening).await {
        Ok(Ok(channel)) => closed(channel).await,
        Ok(Err(OpenError::Refused(_))) => Left::Free,
        Ok(Err(OpenError::Lost(_))) => Left::Lost,
        Err(_) => Left::Stuck,
    }
}

/// Says something while reading, for a line that is stuck takes nothing. Discards what comes, until something worth knowing
/// (`exits`: also the end of the process) or `deadline`. A failing write means that the connection is gone, which the
/// reading side says.
async fn until<C: Channel>(
    channel: &mut C,
    saying: impl Future<Output = Result<(), Error>>,
    deadline: Instant,
    exits: bool,
) -> Seen {
    let mut saying = pin!(saying);
    let mut said = false;
    loop {
        let next = tokio::select! {
            biased;
            _ = &mut saying, if !said => {
                said = true;
                continue;
            }
            next = timeout_at(deadline, channel.next()) => next,
        };
        match next {
            Err(_) => return Seen::Nothing,
            Ok(None) => return Seen::Lost,
            Ok(Some(ChannelEvent::Closed)) => return Seen::Closed,
            Ok(Some(ChannelEvent::Exited(_))) if exits => return Seen::Exited,
            Ok(Some(_)) => {}
        }
    }
}
