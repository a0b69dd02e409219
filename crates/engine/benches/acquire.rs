//! What a free permit costs, and whether that depends on how many keys the pool knows.
//!
//! `cargo bench -p xec-engine --profile fast --bench acquire` prints nanoseconds per acquire and release.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a program for developers")]

use std::future::{Future, pending};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::runtime::Handle;
use xec_engine::command::Pty;
use xec_engine::error::Error;
use xec_engine::events::EventBuffer;
use xec_engine::pool::{Hops, HostConfig, Key, Pool, PoolConfig, Request};
use xec_engine::transport::{Channel, ChannelEvent, ChannelWriter, Connection, OpenError, Signal, Transport};

/// Connections that exist and do nothing: only the pool is measured.
struct Idle;

impl Transport for Idle {
    type Target = ();
    type Connection = Self;

    async fn connect(&self, _: &Arc<()>, _: &Hops<Self>) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Connection for Idle {
    type Channel = Self;

    async fn open(&self) -> Result<Self, OpenError> {
        Ok(Self)
    }

    async fn closed(&self) -> Option<Error> {
        pending().await
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }

    fn is_closed(&self) -> bool {
        false
    }

    async fn close(&self) {}
}

impl Channel for Idle {
    type Writer = Self;

    fn writer(&self) -> Self {
        Self
    }

    async fn next(&mut self) -> Option<ChannelEvent> {
        pending().await
    }
}

impl Clone for Idle {
    fn clone(&self) -> Self {
        Self
    }
}

impl ChannelWriter for Idle {
    fn pty(&self, _: &Pty) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    fn resize(&self, _: u32, _: u32) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    fn exec(&self, _: Vec<u8>) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    fn write(&self, _: Bytes) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    fn eof(&self) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    fn signal(&self, _: Signal) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    fn close(&self) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }
}

fn request(config: &Arc<HostConfig>, host: usize) -> Request<Idle> {
    let key = Key::new(&format!("host-{host}"), 22, "user", [0; 32]);
    Request::new(key, Arc::new(()), Arc::clone(config))
}

/// Nanoseconds per acquire and release, with a warm connection for each of `keys` keys.
async fn measure(keys: usize, rounds: usize) -> f64 {
    let limits = PoolConfig { max_total_connections: keys, ..PoolConfig::default() };
    let pool = Pool::new(Idle, limits, Arc::new(EventBuffer::default()), Handle::current());
    let config = Arc::new(HostConfig::default());
    let requests: Vec<_> = (0..keys).map(|host| request(&config, host)).collect();
    for request in &requests {
        pool.acquire(request).await.unwrap().release();
    }
    let began = Instant::now();
    for round in 0..rounds {
        // A stride that visits the keys in no friendly order.
        let request = &requests[round.wrapping_mul(7919) % keys];
        black_box(pool.acquire(request).await.unwrap()).release();
    }
    began.elapsed().as_nanos() as f64 / rounds as f64
}

#[tokio::main]
async fn main() {
    println!("keys      ns per acquire and release");
    for keys in [10, 100, 1_000, 10_000] {
        println!("{keys:<9} {:.0}", measure(keys, 300_000).await);
    }
}
