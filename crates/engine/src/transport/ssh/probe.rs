use super::super::{Channel, ChannelEvent, ChannelWriter, OpenError};
use crate::command::ExitStatus;
use crate::error::Error;

/// Runs a health check's command on a channel that was opened for it. It must exit with 0.
pub async fn run<C: Channel>(opened: Result<C, OpenError>, command: &str) -> Result<(), Error> {
    let mut channel = match opened {
        Ok(channel) => channel,
        Err(OpenError::Refused(reason)) => return Err(Error::ChannelRefused { reason }),
        Err(OpenError::Lost(error)) => return Err(error),
    };
    let writer = channel.writer();
    writer.exec(command.into()).await?;
    writer.eof().await?;
    let mut healthy = false;
    while let Some(event) = channel.next().await {
        match event {
            ChannelEvent::Exited(status) => healthy = status == ExitStatus::Code(0),
            ChannelEvent::Closed => break,
            _ => {}
        }
    }
    if healthy { Ok(()) } else { Err(Error::HealthCheckFailed) }
}
