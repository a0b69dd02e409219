//! A visitor whose own input and output are a connection to somewhere behind the server (`ssh -W`).

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use super::packet::Reply;
use super::stdio::{Input, Output};
use super::visitor::Visitor;
use crate::transport::ssh::forward::Address;

const PIECE: usize = 64 * 1024;

/// Carries it to its end, the visitor's or the connection's.
pub async fn run(mut visitor: Visitor, id: u32, to: Address, stdio: (Input, Output)) -> io::Result<()> {
    let master = Arc::clone(&visitor.master);
    let attachments = master.forwards.attachments();
    let Some(_stay) = master.lender.stay(attachments.link()) else {
        let reason = "this master is about to end".to_owned();
        return visitor.say(&Reply::Failure { id, reason }).await;
    };
    let opened = tokio::select! {
        opened = attachments.open(&to) => opened,
        () = visitor.gone() => return Ok(()),
        () = master.over() => return Ok(()),
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => return visitor.say(&Reply::Failure { id, reason: error.to_string() }).await,
    };
    visitor.say(&Reply::SessionOpened { id, session: master.new_session() }).await?;

    let (ours, theirs) = UnixStream::pair()?;
    let (from_server, to_server) = theirs.into_split();
    let (stdin, stdout) = stdio;
    let broken = Notify::new();
    let left = async {
        tokio::select! {
            () = visitor.gone() => {}
            () = master.over() => {}
            () = broken.notified() => {}
        }
    };
    let write = deliver(from_server, stdout, &broken);
    tokio::pin!(write);
    let mut writing = true;
    {
        let carry = attachments.carry(ours, opened, left);
        let feed = feed(stdin, to_server);
        tokio::pin!(carry, feed);
        let mut feeding = true;
        let carried = loop {
            tokio::select! {
                carried = &mut carry => break carried,
                () = &mut feed, if feeding => feeding = false,
                () = &mut write, if writing => writing = false,
            }
        };
        if let Err(error) = carried {
            tracing::warn!(%to, %error, "a visitor of the control socket was cut off");
        }
    }
    // What has come is the visitor's, however long it takes. It leaves when we hang up.
    if writing {
        tokio::select! {
            () = write => {}
            () = visitor.gone() => {}
            () = master.over() => {}
        }
    }
    Ok(())
}

/// The visitor's input, to its end, which is passed on. A failing write means that all is over.
async fn feed(stdin: Input, mut to_server: OwnedWriteHalf) {
    let mut piece = vec![0; PIECE];
    while let Ok(count @ 1..) = stdin.read(&mut piece).await {
        if to_server.write_all(piece.get(..count).unwrap_or_default()).await.is_err() {
            return;
        }
    }
    // It shuts down when dropped as well.
    let _ = to_server.shutdown().await;
}

/// What comes from there, to its end. The descriptor goes then, though its visitor has it as well.
async fn deliver(mut from_server: OwnedReadHalf, stdout: Output, broken: &Notify) {
    let mut piece = vec![0; PIECE];
    while let Ok(count @ 1..) = from_server.read(&mut piece).await {
        if stdout.write_all(piece.get(..count).unwrap_or_default()).await.is_err() {
            return broken.notify_one();
        }
    }
}
