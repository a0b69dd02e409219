//! What the pool's tests share: a transport whose every step waits for the test, and a pool built on it.
//!
//! - [`fake`]: the transport, its script (what the server does by itself) and its tally (what it has seen)
//! - [`session`]: the server's end of one channel
//! - [`world`]: a pool, its requests, commands and the checks that nothing leaked
//!
//! Time is paused in these tests: a sleep costs nothing, and happens only when nothing else can.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]
#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(unused_imports, reason = "every test file uses a part of it")]

mod fake;
mod mailbox;
mod session;
mod world;

pub use fake::{Answer, Fake, FakeChannel, FakeConnection, PendingDial, PendingOpen, Script, Tally, Unhealthy};
pub use session::{Sent, Session};
pub use world::{Acquiring, Executing, Limits, World, bounded, command, ms, settle};
