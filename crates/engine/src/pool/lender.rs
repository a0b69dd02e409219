use std::sync::{Arc, Weak};

use super::driver::{Inner, Request};
use super::permit::Permit;
use crate::error::{Error, Phase, Reached};
use crate::transport::{Connection, OpenError, Transport};

/// Connections found dead before a channel was open, after which it is given up.
const MAX_DEAD_CONNECTIONS: u32 = 3;

type ChannelOf<T> = <<T as Transport>::Connection as Connection>::Channel;

/// Opens channels of one key for a transport that serves others. They take their turn like everybody's. Keeps no pool
/// alive.
pub struct Lender<T: Transport> {
    pool: Weak<Inner<T>>,
    request: Request<T>,
}

impl<T: Transport> Lender<T> {
    pub(super) fn new(pool: &Arc<Inner<T>>, request: Request<T>) -> Self {
        Self { pool: Arc::downgrade(pool), request }
    }

    pub fn target(&self) -> &T::Target {
        &self.request.target
    }

    /// A channel, and the permit that goes with it. NOT cancel-safe: like [`Connection::open`], it must be awaited.
    pub async fn open(&self) -> Result<(Permit<T>, ChannelOf<T>), Error> {
        let closed = Error::PoolClosed { phase: Phase::OpenChannel, reached: Reached::No };
        let inner = self.pool.upgrade().ok_or(closed)?;
        let mut permit = inner.acquire(&self.request).await?;
        let mut dead = 0;
        loop {
            permit = match permit.connection().open().await {
                Ok(channel) => return Ok((permit, channel)),
                Err(OpenError::Refused(reason)) => match inner.acquire_again(permit, &self.request).await {
                    Some(next) => next?,
                    None => return Err(Error::ChannelRefused { reason }),
                },
                Err(OpenError::Lost(error)) => {
                    dead += 1;
                    if dead >= MAX_DEAD_CONNECTIONS {
                        permit.suspect();
                        return Err(error);
                    }
                    inner.acquire_instead(permit, &self.request).await?
                }
            };
        }
    }
}
