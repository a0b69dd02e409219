//! What one client may do: log in, open channels up to the limit, run commands on them.

use std::sync::Arc;

use russh::keys::PublicKey;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty, Sig};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::accounts::Accounts;
use super::channels::{Busy, Channels, Opened};
use super::command::{self, Client, Execution, Program};
use super::process_group::ProcessGroup;
use super::shutdown::Running;
use super::stats::{Counters, OpenConnection};
use super::stdin;

/// What all connections of a server share.
pub(super) struct Shared {
    pub(super) accounts: Accounts,
    pub(super) counters: Arc<Counters>,
    pub(super) max_sessions: usize,
}

pub(super) struct ClientSession {
    shared: Arc<Shared>,
    channels: Channels,
    slots: Arc<Semaphore>,
    running: Running,
    _open: OpenConnection,
}

impl ClientSession {
    pub(super) fn new(shared: Arc<Shared>, running: Running) -> Self {
        let slots = Arc::new(Semaphore::new(shared.max_sessions));
        let open = OpenConnection::count(&shared.counters);
        Self { shared, channels: Channels::default(), slots, running, _open: open }
    }

    fn judge(&self, accepted: bool) -> Auth {
        if accepted {
            return Auth::Accept;
        }
        self.shared.counters.login_failed();
        Auth::reject()
    }

    fn judge_key(&self, user: &str, key: &PublicKey) -> Auth {
        self.judge(self.shared.accounts.accept_key(user, key))
    }

    fn start(&self, id: ChannelId, program: Program<'_>, session: &mut Session) -> Result<(), russh::Error> {
        let Some(opened) = self.channels.take_opened(id) else {
            return session.channel_failure(id);
        };
        let child = match command::spawn(program, opened.environment) {
            Ok(child) => child,
            Err(error) => {
                tracing::warn!(%error, "cannot start a command");
                return session.channel_failure(id);
            }
        };
        self.shared.counters.command_run();
        session.channel_success(id)?;
        self.follow(child, opened.slot, Client { handle: session.handle(), output: opened.output });
        Ok(())
    }

    /// Runs the command in a task of its own, so that no channel waits for another.
    fn follow(&self, child: tokio::process::Child, slot: OwnedSemaphorePermit, client: Client) {
        let id = client.output.id();
        let group = Arc::new(ProcessGroup::led_by(child.id()));
        let (queue, stdin) = stdin::queue();
        let (listening, gone) = oneshot::channel();
        self.channels.busy(id, Busy { group: Arc::clone(&group), stdin: queue, _listening: listening });
        let (channels, running) = (self.channels.clone(), self.running.clone());
        let execution = Execution { child, group, stdin, client };
        tokio::spawn(async move {
            let ended = execution.run(gone, running).await;
            // The slot is free before the client learns that its channel is closed: it may open the next at once.
            channels.remove(id);
            drop(slot);
            if let Some((status, client)) = ended
                && client.tell(status).await.is_err()
            {
                tracing::debug!(?id, "the client left before its command's end could be told");
            }
        });
    }
}

impl Drop for ClientSession {
    // The commands hold the map too: they end because their entries go, not because the session does.
    fn drop(&mut self) {
        self.channels.clear();
    }
}

impl Handler for ClientSession {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(self.judge(self.shared.accounts.accept_password(user, password)))
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(self.judge_key(user, offer.public_key))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(self.judge_key(user, key.public_key))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            self.shared.counters.channel_refused();
            // What OpenSSH answers beyond MaxSessions.
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return Ok(());
        };
        let (_, output) = channel.split();
        self.channels.opened(output.id(), Opened { output, environment: Vec::new(), slot });
        reply.accept().await;
        Ok(())
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.channels.set_environment(id, name, value) {
            session.channel_success(id)
        } else {
            session.channel_failure(id)
        }
    }

    async fn exec_request(&mut self, id: ChannelId, line: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        self.start(id, Program::Line(line), session)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        self.start(id, Program::Shell, session)
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _session: &mut Session) -> Result<(), Self::Error> {
        if let Some(stdin) = self.channels.stdin(id) {
            stdin.push(data).await;
        }
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        if let Some(stdin) = self.channels.stdin(id) {
            stdin.end();
        }
        Ok(())
    }

    async fn signal(&mut self, id: ChannelId, signal: Sig, _session: &mut Session) -> Result<(), Self::Error> {
        match command::local_signal(&signal) {
            Some(signal) => self.channels.signal(id, signal),
            None => tracing::debug!(?signal, "a signal that this system does not know"),
        }
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.channels.remove(id);
        Ok(())
    }
}
