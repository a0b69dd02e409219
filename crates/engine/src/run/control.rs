use std::pin::Pin;

use tokio::sync::mpsc;

use crate::error::Error;
use crate::transport::{ChannelWriter, Signal};

/// What can be said to a command that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    Signal(Signal),
    /// The terminal's new size.
    Resize {
        columns: u32,
        rows: u32,
    },
}

impl Control {
    pub(super) async fn send<W: ChannelWriter>(self, writer: W) -> Result<(), Error> {
        match self {
            Self::Signal(signal) => writer.signal(signal).await,
            Self::Resize { columns, rows } => writer.resize(columns, rows).await,
        }
    }
}

/// Where a command hears what is said to it. What is said before it runs is said as soon as it does.
#[derive(Default)]
pub(super) struct Controls(Option<mpsc::UnboundedReceiver<Control>>);

impl Controls {
    pub fn new() -> (mpsc::UnboundedSender<Control>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self(Some(receiver)))
    }

    /// The next one; never, when nobody can say anything. Cancel-safe.
    pub async fn next(&mut self) -> Control {
        if let Some(receiver) = &mut self.0
            && let Some(control) = receiver.recv().await
        {
            return control;
        }
        self.0 = None;
        std::future::pending().await
    }
}

/// Something that is being said. Writing may have to wait, while the command must still be listened to.
#[derive(Default)]
pub(super) struct Saying(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Saying {
    pub fn is_under_way(&self) -> bool {
        self.0.is_some()
    }

    pub fn begin<W: ChannelWriter>(&mut self, control: Control, writer: W) {
        self.0 = Some(Box::pin(async move {
            if let Err(error) = control.send(writer).await {
                // The connection is gone, which the reading side reports with its cause.
                tracing::debug!(%error, ?control, "a running command could not be told");
            }
        }));
    }

    /// Resolves when it is said. Cancel-safe.
    pub async fn done(&mut self) {
        if let Some(saying) = &mut self.0 {
            saying.await;
            self.0 = None;
        }
    }
}
