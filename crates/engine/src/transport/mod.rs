//! What the pool and the command runner need of a transport.
//!
//! [`Transport`] makes a [`Connection`], a connection opens a [`Channel`], a channel carries one command. `ssh/` is the
//! real one, `docker/` and `kube/` are others, and `container/` is what those two share; the pool's tests use a fake with gates.

pub mod container;
pub mod docker;
pub mod kube;
pub mod ssh;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use crate::command::{ExitStatus, Place, Pty};
use crate::error::Error;
use crate::pool::{Hops, Lender};

/// Knows how to make connections.
pub trait Transport: Send + Sync + 'static {
    /// Where and as whom; carries the secrets, so it must wipe them when dropped.
    type Target: Send + Sync + 'static;
    type Connection: Connection;

    /// Dial, handshake, authenticate. Must end within the target's connection timeout and undo itself when dropped. `hops`
    /// lends the connections to go through, if the target says so.
    fn connect(
        &self,
        target: &Arc<Self::Target>,
        hops: &Hops<Self>,
    ) -> impl Future<Output = Result<Self::Connection, Error>> + Send
    where
        Self: Sized;

    /// A pool has taken in a connection to the lender's target. For transports that share theirs with other processes: what
    /// those run takes its turn in the pool, through `lender`. Must not block.
    fn pooled(&self, _connection: &Arc<Self::Connection>, _lender: Lender<Self>)
    where
        Self: Sized,
    {
    }
}

/// One authenticated connection that carries many channels.
pub trait Connection: Send + Sync + 'static {
    type Channel: Channel;

    /// Open a channel. NOT cancel-safe: whoever stops waiting must still await it and close what it opened.
    fn open(&self) -> impl Future<Output = Result<Self::Channel, OpenError>> + Send;

    /// Resolves when the connection has ended, with the reason when it was not a polite end. Cancel-safe.
    fn closed(&self) -> impl Future<Output = Option<Error>> + Send;

    /// Does the other side answer a message of the protocol? Cancel-safe; not bounded by itself.
    fn ping(&self) -> impl Future<Output = Result<(), Error>> + Send;

    fn is_closed(&self) -> bool;

    /// Would another one of its key reach the server no better? True of what goes through somebody else's connection.
    fn is_single(&self) -> bool {
        false
    }

    /// The most channels at once that its server can stand, where that is known; `None`: as many as it allows.
    fn most_channels(&self) -> Option<usize> {
        None
    }

    /// Say goodbye and cut the line. Bounded; channels still open see their end.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// Why a channel did not open. Both prove that no command ran.
#[derive(Debug)]
pub enum OpenError {
    /// The server said no; the connection is fine.
    Refused(String),
    /// The connection is gone.
    Lost(Error),
}

/// Signals we send: those that SSH has names for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Abrt,
    Alrm,
    Fpe,
    Hup,
    Ill,
    Int,
    Kill,
    Pipe,
    Quit,
    Segv,
    Term,
    Usr1,
    Usr2,
}

impl Signal {
    const ALL: [(&'static str, Self); 13] = [
        ("ABRT", Self::Abrt),
        ("ALRM", Self::Alrm),
        ("FPE", Self::Fpe),
        ("HUP", Self::Hup),
        ("ILL", Self::Ill),
        ("INT", Self::Int),
        ("KILL", Self::Kill),
        ("PIPE", Self::Pipe),
        ("QUIT", Self::Quit),
        ("SEGV", Self::Segv),
        ("TERM", Self::Term),
        ("USR1", Self::Usr1),
        ("USR2", Self::Usr2),
    ];

    /// Without `SIG`, as it travels.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, signal)| *signal == self).map_or("TERM", |(name, _)| name)
    }

    /// By its name, with or without `SIG`.
    pub fn named(name: &str) -> Option<Self> {
        let short = name.strip_prefix("SIG").unwrap_or(name);
        Self::ALL.iter().find(|(known, _)| *known == short).map(|(_, signal)| *signal)
    }
}

/// What arrives on a channel, in order.
#[derive(Debug)]
pub enum ChannelEvent {
    /// The server accepted a request: the terminal if one was asked for and not yet answered, else the command.
    Started,
    Stdout(Bytes),
    Stderr(Bytes),
    /// The server refused a request: the terminal if one was asked for and not yet answered, else the command.
    ExecRefused,
    /// There was no channel after all, for this reason: nothing ran.
    NotOpened(String),
    /// It failed for a reason of its own, which also says whether anything ran.
    Failed(Error),
    Exited(ExitStatus),
    Eof,
    /// The server's CLOSE: its slot for this channel is free.
    Closed,
}

/// The reading half of a command's stream.
pub trait Channel: Send + 'static {
    type Writer: ChannelWriter;

    fn writer(&self) -> Self::Writer;

    /// The next event; `None` when the connection ended before the server's CLOSE. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Option<ChannelEvent>> + Send;
}

/// What is known about a command's stdin before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expected {
    /// It is at its end.
    Nothing,
    #[default]
    Input,
    /// Somebody may write to it, and may not.
    Perhaps,
}

/// The writing half. Errors mean that the connection is gone.
pub trait ChannelWriter: Clone + Send + Sync + 'static {
    /// Where the command runs, and with which variables; to be followed by `exec`. Only for transports that have places.
    fn place(&self, _place: &Arc<Place>, _env: &[(String, String)]) {}
    /// Will anything be written to its stdin? To be followed by `exec`; unsaid, something will.
    fn expects_input(&self, _expected: Expected) {}
    /// Asks for a terminal; to be followed by `exec`. The server's answer is an event of its own.
    fn pty(&self, pty: &Pty) -> impl Future<Output = Result<(), Error>> + Send;
    fn exec(&self, line: Vec<u8>) -> impl Future<Output = Result<(), Error>> + Send;
    /// The terminal has another size.
    fn resize(&self, columns: u32, rows: u32) -> impl Future<Output = Result<(), Error>> + Send;
    /// Waits for the server's window; not cancel-safe in the middle of `data`.
    fn write(&self, data: Bytes) -> impl Future<Output = Result<(), Error>> + Send;
    fn eof(&self) -> impl Future<Output = Result<(), Error>> + Send;
    fn signal(&self, signal: Signal) -> impl Future<Output = Result<(), Error>> + Send;
    fn close(&self) -> impl Future<Output = Result<(), Error>> + Send;
    /// Why no signal can get to what runs, once that is known.
    fn out_of_reach(&self) -> Option<&'static str> {
        None
    }
}
