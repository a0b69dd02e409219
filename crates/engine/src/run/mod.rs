//! Running one command on a pooled connection, from asking for a permit to the exit status. [`exec()`] collects its output,
//! [`spawn()`] hands it on as it comes; [`borrow()`] is for who runs several on one connection.

mod borrow;
mod capture;
mod control;
mod exec;
mod feed;
mod line;
mod pipe;
mod probe;
mod reply;
mod running;
mod sink;
mod spawn;
mod stop;
mod sudo;
pub(crate) mod tail;
mod warm_up;

pub use borrow::borrow;
pub(crate) use capture::Capture;
pub use exec::exec;
pub(crate) use exec::{Acquiring, Run};
pub use line::{compose, quote};
pub use pipe::Pipe;
pub(crate) use probe::probe;
pub(crate) use reply::Reply;
pub use reply::{Failure, Outcome};
pub(crate) use running::{ChannelOf, lost};
pub use sink::Pipes;
pub use spawn::{Process, spawn};
pub use stop::{Cancel, unless_stopped};
pub(crate) use stop::{CancelOnDrop, Why, stopped};
pub(crate) use tail::Left;
pub use warm_up::warm_up;
