use crate::command::ExitStatus;
use crate::error::Error;
use crate::transport::{Channel, ChannelEvent, ChannelWriter, OpenError, Signal};

/// Runs a health check's command on a channel that was opened for it. It must exit with 0.
pub async fn run<C: Channel>(opened: Result<C, OpenError>, command: &str) -> Result<(), Error> {
    let mut channel = match opened {
        Ok(channel) => channel,
        Err(OpenError::Refused(reason)) => return Err(Error::ChannelRefused { reason }),
        Err(OpenError::Lost(error)) => return Err(error),
    };
    let writer = channel.writer();
    let unfinished = Unfinished(Some(writer.clone()));
    writer.exec(command.into()).await?;
    writer.eof().await?;
    let mut healthy = false;
    while let Some(event) = channel.next().await {
        match event {
            ChannelEvent::Exited(status) => healthy = status == ExitStatus::Code(0),
            ChannelEvent::ExecRefused => return Err(Error::ExecRefused),
            ChannelEvent::Closed => break,
            _ => {}
        }
    }
    unfinished.finished();
    if healthy { Ok(()) } else { Err(Error::HealthCheckFailed) }
}

/// A health check's command, which is ended when nobody waits for it any more.
struct Unfinished<W: ChannelWriter>(Option<W>);

impl<W: ChannelWriter> Unfinished<W> {
    fn finished(mut self) {
        self.0 = None;
    }
}

impl<W: ChannelWriter> Drop for Unfinished<W> {
    fn drop(&mut self) {
        let Some(writer) = self.0.take() else { return };
        tokio::spawn(async move {
            // A failing write means that the connection is gone, and the command with it.
            let _ = writer.signal(Signal::Term).await;
            let _ = writer.close().await;
        });
    }
}
