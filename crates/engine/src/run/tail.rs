//! What happens to a channel after its caller has its answer.
//!
//! sshd frees a session's slot only when its process is gone and the channel is closed on both sides. Until then the
//! permit stays out, or the pool would promise a slot that the server does not have.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

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

/// Ends the remote process, politely first, and gives the permit back when the server has closed the channel.
pub(crate) async fn end<T: Transport>(mut channel: ChannelOf<T>, permit: Permit<T>) {
    let writer = channel.writer();
    for (signal, grace) in [(Signal::Term, TERM_GRACE), (Signal::Kill, KILL_GRACE)] {
        // A failing write means the connection is gone; the next read says so.
        let _ = writer.signal(signal).await;
        match until(&mut channel, Instant::now() + grace).await {
            Seen::Closed => return permit.release(),
            Seen::Lost => return permit.suspect(),
            // It is dead, but a child of its own may hold the streams open: don't wait for that.
            Seen::Exited => break,
            Seen::Nothing => {}
        }
    }
    close::<T>(channel, permit).await;
}

/// Closes a channel whose command has ended or never began.
pub(crate) async fn close<T: Transport>(mut channel: ChannelOf<T>, permit: Permit<T>) {
    // As above: a failing write shows in the next read.
    let _ = channel.writer().close().await;
    let deadline = Instant::now() + CLOSE_GRACE;
    loop {
        match until(&mut channel, deadline).await {
            Seen::Closed => return permit.release(),
            Seen::Lost => return permit.suspect(),
            Seen::Exited => {}
            Seen::Nothing => return permit.abandon(),
        }
    }
}

/// Waits for a channel that was asked for and is not wanted any more, and closes it.
pub(crate) async fn discard<T: Transport>(
    opening: impl Future<Output = Result<ChannelOf<T>, OpenError>>,
    permit: Permit<T>,
) {
    match tokio::time::timeout(OPEN_GRACE, opening).await {
        Ok(Ok(channel)) => close::<T>(channel, permit).await,
        Ok(Err(OpenError::Refused(_))) => drop(permit),
        Ok(Err(OpenError::Lost(_))) => permit.suspect(),
        Err(_) => permit.abandon(),
    }
}

/// Reads and discards until something worth knowing, or `deadline`.
async fn until<C: Channel>(channel: &mut C, deadline: Instant) -> Seen {
    loop {
        match timeout_at(deadline, channel.next()).await {
            Err(_) => return Seen::Nothing,
            Ok(None) => return Seen::Lost,
            Ok(Some(ChannelEvent::Closed)) => return Seen::Closed,
            Ok(Some(ChannelEvent::Exited(_))) => return Seen::Exited,
            Ok(Some(_)) => {}
        }
    }
}
