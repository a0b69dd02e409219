use std::sync::{Arc, Weak};

use super::config::HostConfig;
use super::driver::{Inner, Request};
use super::permit::Permit;
use super::stay::Stay;
use crate::error::{Error, Phase, Reached};
use crate::run::tail;
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

    /// For connections of another key.
    pub fn of(&self, request: Request<T>) -> Self {
        Self { pool: Weak::clone(&self.pool), request }
    }

    pub fn config(&self) -> &Arc<HostConfig> {
        &self.request.config
    }

    /// A place on a certain connection of this key; `None` when it is going.
    pub fn stay(&self, connection: &Arc<T::Connection>) -> Option<Stay<T>> {
        let inner = self.pool.upgrade()?;
        let key = &self.request.key;
        let id = inner.update(|core, now| core.stay(key, |other| Arc::ptr_eq(other, connection), now))?;
        Some(Stay::new(&inner, key.clone(), id))
    }

    /// Resolves when the pool begins to drain, or is gone. Cancel-safe.
    pub async fn drained(&self) {
        let Some(mut drains) = self.pool.upgrade().map(|inner| inner.drains()) else { return };
        // An error is the pool's end.
        let _ = drains.changed().await;
    }

    /// A channel, and the permit that goes with it; `None` when `gone` resolved first. NOT cancel-safe: like
    /// [`Connection::open`], it must be awaited.
    pub async fn open(&self, gone: impl Future<Output = ()>) -> Option<Result<(Permit<T>, ChannelOf<T>), Error>> {
        let closed = Error::PoolClosed { phase: Phase::OpenChannel, reached: Reached::No };
        let Some(inner) = self.pool.upgrade() else { return Some(Err(closed)) };
        tokio::pin!(gone);
        let mut permit = tokio::select! {
            biased;
            () = &mut gone => return None,
            permit = inner.acquire(&self.request) => match permit {
                Ok(permit) => permit,
                Err(error) => return Some(Err(error)),
            },
        };
        let mut dead = 0;
        loop {
            let connection = permit.connection_handle();
            let mut opening = Box::pin(connection.open());
            let opened = tokio::select! {
                biased;
                opened = &mut opening => opened,
                () = &mut gone => {
                    tail::discard(opening, permit).await;
                    return None;
                }
            };
            drop(opening);
            let next = match opened {
                Ok(channel) => return Some(Ok((permit, channel))),
                Err(OpenError::Refused(reason)) => tokio::select! {
                    biased;
                    () = &mut gone => return None,
                    next = inner.acquire_again(permit, &self.request) => match next {
                        Some(next) => next,
                        None => return Some(Err(Error::ChannelRefused { reason })),
                    },
                },
                Err(OpenError::Lost(error)) => {
                    dead += 1;
                    if dead >= MAX_DEAD_CONNECTIONS {
                        permit.suspect();
                        return Some(Err(error));
                    }
                    tokio::select! {
                        biased;
                        () = &mut gone => return None,
                        next = inner.acquire_instead(permit, &self.request) => next,
                    }
                }
            };
            permit = match next {
                Ok(permit) => permit,
                Err(error) => return Some(Err(error)),
            };
        }
    }
}
