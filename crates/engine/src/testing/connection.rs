//! Serving one socket until the client leaves or the server stops.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use russh::Disconnect;
use russh::server::{Config, Handle, run_stream};
use tokio::net::TcpStream;

use super::session::ClientSession;
use super::shutdown::Running;

/// How long a client may take to close its side after it was told goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

/// A second handle to the socket: russh runs a session in a task of its own, and this is what ends it for certain.
struct Line(std::net::TcpStream);

impl Line {
    fn tap(socket: TcpStream) -> io::Result<(TcpStream, Self)> {
        let socket = socket.into_std()?;
        let line = Self(socket.try_clone()?);
        Ok((TcpStream::from_std(socket)?, line))
    }

    fn cut(&self) {
        if let Err(error) = self.0.shutdown(Shutdown::Both) {
            tracing::trace!(%error, "the client had closed the connection already");
        }
    }
}

pub(super) async fn serve(
    socket: TcpStream,
    config: Arc<Config>,
    client: ClientSession,
    mut running: Running,
) -> Result<(), russh::Error> {
    socket.set_nodelay(true)?;
    let (socket, line) = Line::tap(socket)?;
    let mut session = tokio::select! {
        () = running.stop_requested() => return Ok(()),
        session = run_stream(config, socket, client) => session?,
    };
    tokio::select! {
        ended = &mut session => return ended,
        () = running.stop_requested() => {}
    }
    let farewell = async {
        goodbye(session.handle()).await;
        (&mut session).await
    };
    let Ok(ended) = tokio::time::timeout(GOODBYE, farewell).await else {
        line.cut();
        return session.await;
    };
    ended
}

async fn goodbye(handle: Handle) {
    let told = handle.disconnect(Disconnect::ByApplication, "the server stops".into(), String::new()).await;
    if told.is_err() {
        tracing::trace!("the client had left already");
    }
}
