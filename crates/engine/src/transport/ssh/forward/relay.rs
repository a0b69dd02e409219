use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::error::ForwardError;
use super::far::{Arrival, Far, FarReader, FarWriter};
use super::parking::{Backlog, Parking, Verdict};
use super::socket::Socket;
use super::stats::Counters;

/// What is read from a socket at once.
const PIECE: usize = 64 * 1024;
/// For what a client has not taken when its channel is gone, and for our own CLOSE.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// How one direction came to its end.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// That side will send no more; the other direction goes on.
    Finished,
    /// The channel takes nothing any more; what came through it before is still the client's.
    ChannelGone,
    SocketGone,
    /// The client reads nothing, and others suffer from it.
    Stalled,
}

/// Carries bytes both ways until both sides have finished, one is gone, or `closing` resolves. Either side's end of data is
/// passed on alone. A side that does not take its bytes makes the other one wait, but see [`parking`](super::parking): an error
/// is a client that was cut off for that.
pub async fn relay(
    socket: Socket,
    far: Far,
    counters: &Counters,
    parking: &Parking,
    closing: impl Future<Output = ()>,
) -> Result<(), ForwardError> {
    let (mut reader, mut writer) = far.split();
    let carried = async {
        let ended = both_ways(socket, &mut reader, &mut writer, counters, parking).await;
        if ended == Ended::Finished {
            reader.until_cleared().await;
        }
        ended
    };
    let ended = tokio::select! {
        biased;
        () = closing => Ended::SocketGone,
        ended = carried => ended,
    };
    // russh tells nobody of the answer to our own CLOSE. What comes before it goes nowhere once nobody reads it, so it holds up
    // nobody, our CLOSE included.
    drop(reader);
    // A failing write means that the connection is gone, and the channel with it.
    let _ = timeout(CLOSE_GRACE, writer.close()).await;
    if ended == Ended::Stalled { Err(ForwardError::Stalled) } else { Ok(()) }
}

async fn both_ways(
    socket: Socket,
    reader: &mut FarReader,
    writer: &mut FarWriter,
    counters: &Counters,
    parking: &Parking,
) -> Ended {
    let (from_socket, to_socket) = tokio::io::split(socket);
    let mut out = Box::pin(outwards(from_socket, writer, counters));
    let mut back = Box::pin(inwards(reader, to_socket, counters, parking));
    tokio::select! {
        ended = &mut out => match ended {
            Ended::Finished | Ended::ChannelGone => back.await,
            other => other,
        },
        ended = &mut back => match ended {
            Ended::Finished => {
                drop(back);
                tokio::select! {
                    ended = out => ended,
                    () = reader.until_closed() => Ended::ChannelGone,
                }
            }
            other => other,
        },
    }
}

async fn outwards(mut socket: impl AsyncRead + Unpin, writer: &mut FarWriter, counters: &Counters) -> Ended {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PIECE);
        match socket.read_buf(&mut buffer).await {
            Ok(0) => {
                return if writer.eof().await.is_ok() { Ended::Finished } else { Ended::ChannelGone };
            }
            Ok(length) => {
                // Waits for the server's window.
                if writer.write(buffer.split().freeze()).await.is_err() {
                    return Ended::ChannelGone;
                }
                counters.count_out(length);
            }
            Err(_) => return Ended::SocketGone,
        }
    }
}

async fn inwards(
    reader: &mut FarReader,
    mut socket: impl AsyncWrite + Unpin,
    counters: &Counters,
    parking: &Parking,
) -> Ended {
    let mut backlog = Backlog::new(parking);
    // How the channel's data ended; the client gets what came before.
    let mut end = None;
    loop {
        let next = backlog.front().cloned();
        match (&end, &next) {
            (Some(Ended::Finished), None) => {
                return if socket.shutdown().await.is_ok() { Ended::Finished } else { Ended::SocketGone };
            }
            (Some(_), None) => return Ended::ChannelGone,
            _ => {}
        }
        let verdict = backlog.verdict();
        if end.is_none() && verdict == Verdict::End {
            return Ended::Stalled;
        }
        tokio::select! {
            // First of all, so that nothing waits here while the client keeps up.
            biased;
            written = written(&mut socket, next.as_ref()) => match written {
                Ok(length) if length > 0 => {
                    backlog.taken(length);
                    counters.count_in(length);
                }
                _ => return Ended::SocketGone,
            },
            arrival = reader.next(), if end.is_none() && verdict == Verdict::Read => match arrival {
                Arrival::Data(data) => backlog.push(data),
                Arrival::Eof => end = Some(Ended::Finished),
                Arrival::End => end = Some(Ended::ChannelGone),
                Arrival::Lost => {
                    // With its connection; what the client has not taken by now, it may never take.
                    let _ = timeout(CLOSE_GRACE, flushed(&mut socket, &mut backlog, counters)).await;
                    return Ended::ChannelGone;
                }
            },
            () = backlog.look_again(), if end.is_none() && verdict == Verdict::Wait => {}
        }
    }
}

/// Writes a part of it; never resolves when there is nothing to write. Cancel-safe.
async fn written(socket: &mut (impl AsyncWrite + Unpin), data: Option<&Bytes>) -> std::io::Result<usize> {
    match data {
        Some(data) => socket.write(data).await,
        None => std::future::pending().await,
    }
}

async fn flushed(socket: &mut (impl AsyncWrite + Unpin), backlog: &mut Backlog<'_>, counters: &Counters) {
    while let Some(data) = backlog.front()
        && let Ok(length) = socket.write(data).await
        && length > 0
    {
        backlog.taken(length);
        counters.count_in(length);
    }
}
