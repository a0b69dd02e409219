use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::far::{Arrival, Far, FarReader, FarWriter};
use super::socket::Socket;
use super::stats::Counters;

/// What is read from a socket at once.
const PIECE: usize = 64 * 1024;
/// For the server to answer our CLOSE.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// How one direction came to its end.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// That side will send no more; the other direction goes on.
    Finished,
    /// There is no use in going on.
    Broken,
}

/// Carries bytes both ways until both sides have finished, one is gone, or `closing` resolves. Either side's end of data is
/// passed on alone. A side that does not take its bytes makes the other one wait.
pub async fn relay(socket: Socket, far: Far, counters: &Counters, closing: impl Future<Output = ()>) {
    let (mut reader, mut writer) = far.split();
    tokio::select! {
        biased;
        () = closing => {}
        () = both_ways(socket, &mut reader, &mut writer, counters) => {}
    }
    // A failing write means that the connection is gone, and the channel with it. What still comes must be taken meanwhile, or
    // it would hold up the channel's siblings, and our own word with them.
    let ending = async { tokio::join!(writer.close(), reader.farewell()) };
    let _ = tokio::time::timeout(CLOSE_GRACE, ending).await;
}

async fn both_ways(socket: Socket, reader: &mut FarReader, writer: &mut FarWriter, counters: &Counters) {
    let (from_socket, to_socket) = tokio::io::split(socket);
    let mut out = Box::pin(outwards(from_socket, writer, counters));
    let mut back = Box::pin(inwards(reader, to_socket, counters));
    let finished_first = tokio::select! {
        ended = &mut out => (ended == Ended::Finished).then_some(true),
        ended = &mut back => (ended == Ended::Finished).then_some(false),
    };
    match finished_first {
        None => {}
        Some(true) => {
            let ended = back.await;
            if ended == Ended::Finished {
                reader.until_delivered().await;
            }
        }
        Some(false) => {
            drop(back);
            tokio::select! {
                ended = out => if ended == Ended::Finished { reader.until_delivered().await },
                () = reader.until_closed() => {}
            }
        }
    }
}

async fn outwards(mut socket: impl AsyncRead + Unpin, writer: &mut FarWriter, counters: &Counters) -> Ended {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PIECE);
        match socket.read_buf(&mut buffer).await {
            Ok(0) => {
                return if writer.eof().await.is_ok() { Ended::Finished } else { Ended::Broken };
            }
            Ok(length) => {
                // Waits for the server's window.
                if writer.write(buffer.split().freeze()).await.is_err() {
                    return Ended::Broken;
                }
                counters.count_out(length);
            }
            Err(_) => return Ended::Broken,
        }
    }
}

async fn inwards(reader: &mut FarReader, mut socket: impl AsyncWrite + Unpin, counters: &Counters) -> Ended {
    loop {
        match reader.next().await {
            Arrival::Data(data) => {
                if socket.write_all(&data).await.is_err() {
                    return Ended::Broken;
                }
                counters.count_in(data.len());
            }
            Arrival::Eof => {
                return if socket.shutdown().await.is_ok() { Ended::Finished } else { Ended::Broken };
            }
            Arrival::End => return Ended::Broken,
        }
    }
}
