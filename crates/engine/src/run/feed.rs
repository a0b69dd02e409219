use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::line::{compose, compose_without_env};
use super::sudo::Elevated;
use crate::command::{Command, Place, Pty, Variables};
use crate::error::Error;
use crate::input::InputStream;
use crate::transport::{ChannelWriter, Expected};

/// Everything the server gets for one command: terminal, request, stdin, EOF, without waiting for answers in between.
pub(super) struct Feed {
    pty: Option<Pty>,
    place: Option<(Arc<Place>, Variables)>,
    line: Vec<u8>,
    before: Option<Bytes>,
    /// Resolves when the rest may follow.
    turn: Option<oneshot::Receiver<()>>,
    stdin: Option<Bytes>,
    stream: Option<InputStream>,
    open: bool,
}

impl Feed {
    /// `turn`: what is to be typed into a terminal waits until it is the command's own; before that, nothing in it means
    /// what it does there.
    pub fn of(command: &Command, elevated: Option<&Elevated<'_>>, turn: Option<oneshot::Receiver<()>>) -> Self {
        // A place takes the variables beside the line, where nobody who lists processes sees them.
        let line = if command.place.is_some() { compose_without_env(command) } else { compose(command) };
        Self {
            pty: command.pty.clone().map(|pty| Pty { quiet: elevated.is_some(), ..pty }),
            place: command.place.as_ref().map(|place| (Arc::clone(place), command.env.clone())),
            turn,
            before: elevated.map(Elevated::before_stdin),
            line: match elevated {
                Some(elevated) => elevated.line(&line),
                None => line,
            },
            stdin: command.stdin.clone(),
            stream: command.stdin_stream.clone(),
            open: command.stdin_is_open,
        }
    }

    fn expected(&self) -> Expected {
        let given = self.before.is_some() || self.stdin.as_ref().is_some_and(|data| !data.is_empty());
        match (&self.stream, self.open) {
            _ if given => Expected::Input,
            (None, _) => Expected::Nothing,
            (Some(_), false) => Expected::Input,
            (Some(_), true) => Expected::Perhaps,
        }
    }

    /// `sent` is told once the request is handed over. A failing write means that the connection is gone, which the
    /// reading side reports with its cause.
    pub async fn send<W: ChannelWriter>(self, writer: W, sent: oneshot::Sender<()>) {
        if let Err(error) = self.send_all(writer, sent).await {
            tracing::debug!(%error, "a command's input could not be sent");
        }
    }

    async fn send_all<W: ChannelWriter>(self, writer: W, sent: oneshot::Sender<()>) -> Result<(), Error> {
        if let Some((place, env)) = &self.place {
            writer.place(place, env);
        }
        writer.expects_input(self.expected());
        if let Some(pty) = &self.pty {
            writer.pty(pty).await?;
        }
        writer.exec(self.line).await?;
        // The reader may have ended; then nobody needs to know.
        let _ = sent.send(());
        if let Some(data) = self.before {
            writer.write(data).await?;
        }
        if let Some(turn) = self.turn
            && turn.await.is_err()
        {
            // It will not be: the command never began.
            return Ok(());
        }
        if let Some(data) = self.stdin {
            writer.write(data).await?;
        }
        if let Some(stream) = self.stream {
            while let Some(data) = stream.next().await {
                writer.write(data).await?;
            }
        }
        writer.eof().await
    }
}
