//! Trees of files as tar streams, for copying into and out of containers and for what images are built from.
//!
//! - [`Packing`]: a local tree becomes a stream; [`Patterns`] say what stays out of it
//! - [`Unpacking`]: a stream becomes a local tree; nothing in it can reach beyond the place that was named
//!
//! The format is the `tar` crate's. It blocks, so each transfer has a thread that may, and a [`pipe`] of a bounded size
//! between that thread and the rest. Nothing here knows where a stream comes from or goes to.

mod glob;
mod ignore;
mod pack;
mod pipe;
mod place;
mod report;
mod unpack;

pub use ignore::{BadPattern, Patterns};
pub use pack::{Extra, PackSpec, Packing};
pub use report::TreeReport;
pub use unpack::{UnpackSpec, Unpacking};

/// Modes that are kept: who may do what. With the owner a file loses setuid and the like, as `chown` would have it.
const PERMISSIONS: u32 = 0o777;

#[cfg(test)]
#[cfg(unix)]
mod testing;
