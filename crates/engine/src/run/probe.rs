use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::tail::{self, Left};
use crate::command::ExitStatus;
use crate::error::{Error, Phase, Reached};
use crate::transport::{Channel, ChannelEvent, ChannelWriter, Connection, OpenError};

/// Is a connection's other side well? It is when `command` exits with 0 within `limit`. `judge` gets the answer as soon as
/// there is one; what is left of the command is ended afterwards, as that of any command.
pub(crate) async fn probe<C: Connection>(
    connection: &C,
    command: &str,
    limit: Duration,
    judge: impl FnOnce(Result<(), Error>),
) -> Left {
    let deadline = Instant::now() + limit;
    let late = |phase, reached| Err(Error::Timeout { phase, limit, reached, source: None });
    let mut opening = Box::pin(connection.open());
    let mut channel = match timeout_at(deadline, &mut opening).await {
        Ok(Ok(channel)) => channel,
        Ok(Err(OpenError::Refused(reason))) => {
            judge(Err(Error::ChannelRefused { reason }));
            return Left::Free;
        }
        Ok(Err(OpenError::Lost(error))) => {
            judge(Err(error));
            return Left::Lost;
        }
        Err(_) => {
            judge(late(Phase::OpenChannel, Reached::No));
            return tail::discarded(opening).await;
        }
    };
    match timeout_at(deadline, ask(&mut channel, command)).await {
        Ok(Answer::Closed(outcome)) => {
            judge(outcome);
            Left::Free
        }
        Ok(Answer::Lost(error)) => {
            judge(Err(error));
            Left::Lost
        }
        Ok(Answer::Refused(error)) => {
            judge(Err(error));
            tail::closed(channel).await
        }
        Err(_) => {
            judge(late(Phase::Run, Reached::Unknown));
            tail::ended(channel).await
        }
    }
}

enum Answer {
    /// The server has closed the channel.
    Closed(Result<(), Error>),
    /// The channel is still open.
    Refused(Error),
    Lost(Error),
}

async fn ask<C: Channel>(channel: &mut C, command: &str) -> Answer {
    let writer = channel.writer();
    let asked = async {
        writer.exec(command.into()).await?;
        writer.eof().await
    };
    if let Err(error) = asked.await {
        return Answer::Lost(error);
    }
    let mut healthy = false;
    while let Some(event) = channel.next().await {
        match event {
            ChannelEvent::Exited(status) => healthy = status == ExitStatus::Code(0),
            ChannelEvent::ExecRefused => return Answer::Refused(Error::ExecRefused),
            ChannelEvent::NotOpened(reason) => return Answer::Refused(Error::ChannelRefused { reason }),
            ChannelEvent::Closed => {
                return Answer::Closed(if healthy { Ok(()) } else { Err(Error::HealthCheckFailed) });
            }
            _ => {}
        }
    }
    Answer::Lost(Error::ConnectionLost { phase: Phase::Run, reached: Reached::Unknown, source: None })
}
