use std::sync::{Arc, Weak};

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Pty as Mode, Sig};

use super::spare::InUse;
use crate::command::{ExitStatus, Pty};
use crate::error::{Error, Phase, Reached};
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Signal};

/// What makes a terminal take what is typed as it is, and show nothing of it.
pub(super) const QUIET: [(Mode, u32); 6] =
    [(Mode::ECHO, 0), (Mode::ICANON, 0), (Mode::ISIG, 0), (Mode::IEXTEN, 0), (Mode::ICRNL, 0), (Mode::IXON, 0)];

/// One session channel.
pub struct SshChannel {
    reader: ChannelReadHalf,
    writer: SshWriter,
    /// Counts this channel as one in use, once it is.
    _in_use: Option<InUse>,
}

/// Its writing half; russh queues what it sends, in order.
#[derive(Clone)]
pub struct SshWriter(Arc<ChannelWriteHalf<Msg>>);

impl SshChannel {
    pub(super) fn new(channel: russh::Channel<Msg>) -> Self {
        let (reader, writer) = channel.split();
        Self { reader, writer: SshWriter(Arc::new(writer)), _in_use: None }
    }

    pub(super) fn used(self, in_use: InUse) -> Self {
        Self { _in_use: Some(in_use), ..self }
    }

    pub(super) async fn next_message(&mut self) -> Option<ChannelMsg> {
        self.reader.wait().await
    }
}

/// A writer that keeps no channel open.
pub(super) struct WeakWriter(Weak<ChannelWriteHalf<Msg>>);

impl WeakWriter {
    pub(super) fn of(channel: &SshChannel) -> Self {
        Self(Arc::downgrade(&channel.writer.0))
    }

    pub(super) fn upgrade(&self) -> Option<SshWriter> {
        self.0.upgrade().map(SshWriter)
    }
}

impl SshWriter {
    /// For requests that commands do without: environment, shells, subsystems, terminal modes.
    pub(super) fn raw(&self) -> &ChannelWriteHalf<Msg> {
        &self.0
    }

    /// Asks for a subsystem; the answer comes as for a command.
    pub(super) async fn subsystem(&self, name: &str) -> Result<(), Error> {
        self.0.request_subsystem(true, name).await.map_err(lost)
    }
}

impl Channel for SshChannel {
    type Writer = SshWriter;

    fn writer(&self) -> SshWriter {
        self.writer.clone()
    }

    async fn next(&mut self) -> Option<ChannelEvent> {
        loop {
            return Some(match self.next_message().await? {
                ChannelMsg::Data { data } => ChannelEvent::Stdout(data),
                ChannelMsg::ExtendedData { data, .. } => ChannelEvent::Stderr(data),
                ChannelMsg::Success => ChannelEvent::Started,
                ChannelMsg::Failure => ChannelEvent::ExecRefused,
                ChannelMsg::ExitStatus { exit_status } => ChannelEvent::Exited(ExitStatus::Code(exit_status)),
                ChannelMsg::ExitSignal { signal_name, .. } => {
                    ChannelEvent::Exited(ExitStatus::Signal(signal_text(signal_name)))
                }
                ChannelMsg::Eof => ChannelEvent::Eof,
                ChannelMsg::Close => ChannelEvent::Closed,
                // Window changes and requests that servers do not send us.
                _ => continue,
            });
        }
    }
}

impl ChannelWriter for SshWriter {
    async fn pty(&self, pty: &Pty) -> Result<(), Error> {
        let modes: &[_] = if pty.quiet { &QUIET } else { &[] };
        self.0.request_pty(true, &pty.term, pty.columns, pty.rows, 0, 0, modes).await.map_err(lost)
    }

    async fn resize(&self, columns: u32, rows: u32) -> Result<(), Error> {
        self.0.window_change(columns, rows, 0, 0).await.map_err(lost)
    }

    async fn exec(&self, line: Vec<u8>) -> Result<(), Error> {
        // The reply tells that the command reached the server.
        self.0.exec(true, line).await.map_err(lost)
    }

    async fn write(&self, data: Bytes) -> Result<(), Error> {
        self.0.data_bytes(data).await.map_err(lost)
    }

    async fn eof(&self) -> Result<(), Error> {
        self.0.eof().await.map_err(lost)
    }

    async fn signal(&self, signal: Signal) -> Result<(), Error> {
        let signal = signal_code(signal);
        self.0.signal(signal).await.map_err(lost)
    }

    async fn close(&self) -> Result<(), Error> {
        self.0.close().await.map_err(lost)
    }
}

fn lost(error: russh::Error) -> Error {
    Error::ConnectionLost { phase: Phase::Run, reached: Reached::Unknown, source: Some(Arc::new(error)) }
}

fn signal_code(signal: Signal) -> Sig {
    match signal {
        Signal::Abrt => Sig::ABRT,
        Signal::Alrm => Sig::ALRM,
        Signal::Fpe => Sig::FPE,
        Signal::Hup => Sig::HUP,
        Signal::Ill => Sig::ILL,
        Signal::Int => Sig::INT,
        Signal::Kill => Sig::KILL,
        Signal::Pipe => Sig::PIPE,
        Signal::Quit => Sig::QUIT,
        Signal::Segv => Sig::SEGV,
        Signal::Term => Sig::TERM,
        Signal::Usr1 => Sig::USR1,
        Signal::Usr2 => Sig::Custom("USR2".to_owned()),
    }
}

fn signal_text(signal: Sig) -> String {
    let name = match signal {
        Sig::ABRT => "ABRT",
        Sig::ALRM => "ALRM",
        Sig::FPE => "FPE",
        Sig::HUP => "HUP",
        Sig::ILL => "ILL",
        Sig::INT => "INT",
        Sig::KILL => "KILL",
        Sig::PIPE => "PIPE",
        Sig::QUIT => "QUIT",
        Sig::SEGV => "SEGV",
        Sig::TERM => "TERM",
        Sig::USR1 => "USR1",
        Sig::Custom(name) => return name,
    };
    name.to_owned()
}
