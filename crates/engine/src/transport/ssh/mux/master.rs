use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};

use super::forwards::Forwards;
use super::join::control_path;
use super::listener::{Listener, until_free};
use super::visitor;
use crate::pool::{HostConfig, Lender, Request};
use crate::transport::Connection;
use crate::transport::ssh::SshTransport;
use crate::transport::ssh::link::Link;
use crate::transport::ssh::target::Traffic;

/// Control connections at once. Each session of a visitor has one.
const MAX_VISITORS: usize = 1024;

/// After a visitor could not be let in: too many open files do not go away by asking at once again.
const BREATH: Duration = Duration::from_millis(100);

/// What the visitors of one control socket share.
pub struct Master {
    pub lender: Lender<SshTransport>,
    /// For what is read at a visitor's pace, on connections of its own.
    pub bulk: Lender<SshTransport>,
    pub forwards: Forwards,
    next_session: AtomicU32,
    /// Nobody new.
    stop: Notify,
    /// Who is here must go.
    over: watch::Sender<bool>,
}

/// Shares a connection that the pool has taken in, if its target says so, for as long as it lives.
pub fn offer(link: &Arc<Link>, lender: Lender<SshTransport>) {
    let target = lender.target();
    let serves = target.control.as_ref().is_some_and(|control| control.serve);
    if !serves || target.traffic != Traffic::Commands || link.direct().is_none() {
        return;
    }
    // An expansion that fails has failed the connection before.
    if let Ok(Some(path)) = control_path(target) {
        tokio::spawn(serve(Arc::clone(link), lender, path));
    }
}

async fn serve(link: Arc<Link>, lender: Lender<SshTransport>, path: PathBuf) {
    let Some(listener) = listen(&link, &path).await else { return };
    let (over, _) = watch::channel(false);
    let forwards = Forwards::new(Arc::clone(&link));
    let bulk = lender_of_bulk(&lender);
    let master =
        Arc::new(Master { lender, bulk, forwards, next_session: AtomicU32::new(0), stop: Notify::new(), over });
    tokio::spawn(look_after_forwards(Arc::clone(&master), link.clone()));
    receive_visitors(&link, &master, listener, &path).await;
}

/// One channel on each connection: who is slow to read holds up nobody else.
fn lender_of_bulk(lender: &Lender<SshTransport>) -> Lender<SshTransport> {
    let target = lender.target().carrying(Traffic::Bulk);
    let config = HostConfig { channels_per_connection: 1, min_idle: 0, ..(**lender.config()).clone() };
    lender.of(Request::new(target.key(), Arc::new(target), Arc::new(config)))
}

/// Until nobody new is to come.
async fn receive_visitors(link: &Link, master: &Arc<Master>, listener: Listener, path: &Path) {
    let room = Arc::new(Semaphore::new(MAX_VISITORS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = link.closed() => return,
            () = master.stop.notified() => return,
        };
        match accepted {
            Ok(stream) => {
                // Beyond the limit a visitor is hung up on: for ssh that is a master that does not work.
                let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
                let master = Arc::clone(master);
                tokio::spawn(async move {
                    visitor::receive(stream, master).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Too many open files, or a visitor that left at once.
                tracing::warn!(path = %path.display(), %error, "a visitor could not be let in");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// What visitors have had forwarded ends with the connection, with the pool, and with those who are here; a connection on which
/// too much waits for clients gets nothing new.
async fn look_after_forwards(master: Arc<Master>, link: Arc<Link>) {
    let mut aside = false;
    loop {
        tokio::select! {
            _ = link.closed() => break,
            () = master.over() => break,
            () = master.lender.drained() => break,
            () = master.forwards.attachments().crowded(), if !aside => {
                aside = true;
                if let Some(stay) = master.lender.stay(&link) {
                    stay.set_aside();
                }
            }
        }
    }
    master.forwards.end().await;
}

/// Another connection of this process may serve there: then this one is its successor.
async fn listen(link: &Link, path: &Path) -> Option<Listener> {
    loop {
        tokio::select! {
            () = until_free(path) => {}
            _ = link.closed() => return None,
        }
        match Listener::bind(path) {
            Ok(listener) => return Some(listener),
            // Another successor was faster.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot be a ControlMaster there: the connection is not shared");
                return None;
            }
        }
    }
}

impl Master {
    pub fn new_session(&self) -> u32 {
        self.next_session.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes the socket away; who is here may stay.
    pub fn stop(&self) {
        self.stop.notify_one();
    }

    /// As [`stop`](Self::stop), and what runs for others is ended. Our own commands go on.
    pub fn terminate(&self) {
        self.stop();
        self.over.send_replace(true);
    }

    /// Resolves when who is here must go. Cancel-safe.
    pub async fn over(&self) {
        let mut over = self.over.subscribe();
        // The sender lives as long as the master does.
        let _ = over.wait_for(|over| *over).await;
    }
}
