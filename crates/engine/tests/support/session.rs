use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use xec_engine::command::{ExitStatus, Pty};
use xec_engine::error::{Error, Phase, Reached};
use xec_engine::transport::{ChannelEvent, ChannelWriter, Signal};

use super::fake::Line;

/// What the client sent on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    Pty(Pty),
    Exec(String),
    Resize(u32, u32),
    Data(Bytes),
    Eof,
    Signal(Signal),
    Close,
}

pub struct Pipe {
    pub events: UnboundedReceiver<ChannelEvent>,
    pub writer: Writer,
}

#[derive(Clone)]
pub struct Writer {
    pub line: Arc<Line>,
    sent: UnboundedSender<Sent>,
}

pub fn pair(line: Arc<Line>) -> (Pipe, Session) {
    let (to_client, events) = unbounded_channel();
    let (sent, from_client) = unbounded_channel();
    let writer = Writer { line: Arc::clone(&line), sent };
    (Pipe { events, writer }, Session { line, to_client, from_client, command: String::new() })
}

impl Writer {
    fn send(&self, what: Sent) -> Result<(), Error> {
        if !self.line.is_up() {
            return Err(self.line.lost(Phase::Run, Reached::Unknown));
        }
        // A server that has dropped the session reads no more, and says nothing about it.
        let _ = self.sent.send(what);
        Ok(())
    }

    async fn until_lost(&self) -> Error {
        self.line.ended().await;
        self.line.lost(Phase::Run, Reached::Unknown)
    }
}

impl ChannelWriter for Writer {
    async fn pty(&self, pty: &Pty) -> Result<(), Error> {
        self.send(Sent::Pty(pty.clone()))
    }

    async fn resize(&self, columns: u32, rows: u32) -> Result<(), Error> {
        self.send(Sent::Resize(columns, rows))
    }

    async fn exec(&self, line: Vec<u8>) -> Result<(), Error> {
        if self.line.server.script.lock().hold_exec {
            return Err(self.until_lost().await);
        }
        self.send(Sent::Exec(String::from_utf8(line).unwrap()))
    }

    async fn write(&self, data: Bytes) -> Result<(), Error> {
        if self.line.server.script.lock().hold_stdin {
            return Err(self.until_lost().await);
        }
        self.send(Sent::Data(data))
    }

    async fn eof(&self) -> Result<(), Error> {
        self.send(Sent::Eof)
    }

    async fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.send(Sent::Signal(signal))
    }

    async fn close(&self) -> Result<(), Error> {
        self.send(Sent::Close)
    }
}

/// The server's end of one channel. Dropping it leaves the channel hanging, and its slot at the server taken.
pub struct Session {
    line: Arc<Line>,
    to_client: UnboundedSender<ChannelEvent>,
    from_client: UnboundedReceiver<Sent>,
    /// The exec request, once it came.
    pub command: String,
}

impl Session {
    pub fn say(&self, event: ChannelEvent) -> &Self {
        // The client may have gone; then nobody hears it.
        let _ = self.to_client.send(event);
        self
    }

    pub fn started(&self) -> &Self {
        self.say(ChannelEvent::Started)
    }

    pub fn stdout(&self, text: &'static str) -> &Self {
        self.say(ChannelEvent::Stdout(Bytes::from_static(text.as_bytes())))
    }

    pub fn stderr(&self, text: &'static str) -> &Self {
        self.say(ChannelEvent::Stderr(Bytes::from_static(text.as_bytes())))
    }

    pub fn exit(&self, code: u32) -> &Self {
        self.say(ChannelEvent::Exited(ExitStatus::Code(code)))
    }

    pub fn killed(&self, signal: &str) -> &Self {
        self.say(ChannelEvent::Exited(ExitStatus::Signal(signal.to_owned())))
    }

    pub fn eof(&self) -> &Self {
        self.say(ChannelEvent::Eof)
    }

    /// The server's CLOSE; its slot is free now, or a little later if the script says so.
    pub fn close(self) {
        let after = self.line.server.script.lock().free_after;
        self.say(ChannelEvent::Closed);
        let line = Arc::clone(&self.line);
        if after.is_zero() {
            return line.free_session();
        }
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            line.free_session();
        });
    }

    /// A command that ends as commands do.
    pub fn finish(self, code: u32) {
        self.started().exit(code).eof();
        self.close();
    }

    /// What the client sends next; `None` when nothing is on its way.
    pub fn received(&mut self) -> Option<Sent> {
        self.from_client.try_recv().ok()
    }

    /// Everything the client has sent and nobody has looked at.
    pub fn all_received(&mut self) -> Vec<Sent> {
        std::iter::from_fn(|| self.received()).collect()
    }

    /// Waits for what the client sends next.
    pub async fn receive(&mut self) -> Sent {
        self.from_client.recv().await.expect("the client has dropped the channel without closing it")
    }

    /// Skips what the client sends until it is `wanted`.
    pub async fn until(&mut self, wanted: &Sent) {
        while self.receive().await != *wanted {}
    }

    pub async fn take_exec(&mut self) {
        match self.receive().await {
            Sent::Exec(command) => self.command = command,
            other => panic!("expected an exec request, the client sent {other:?}"),
        }
        self.line.server.tally.lock().execs += 1;
    }

    /// Plays an ordinary server.
    pub async fn serve(mut self, time: Duration) {
        loop {
            match self.from_client.recv().await {
                None => return,
                Some(Sent::Close) => return self.close(),
                Some(Sent::Exec(_)) => break,
                Some(_) => {}
            }
        }
        self.line.server.tally.lock().execs += 1;
        self.started();
        let done = tokio::time::sleep(time);
        tokio::pin!(done);
        loop {
            tokio::select! {
                () = &mut done => return { self.exit(0).eof(); self.close() },
                sent = self.from_client.recv() => match sent {
                    Some(Sent::Close) | None => return self.close(),
                    Some(Sent::Signal(_)) => return { self.killed("TERM").eof(); self.close() },
                    Some(_) => {}
                },
            }
        }
    }
}
