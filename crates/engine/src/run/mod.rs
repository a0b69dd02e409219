//! Running one command on a pooled connection, from asking for a permit to the exit status.

mod capture;
mod exec;
mod line;
mod reply;
mod running;
mod stop;
pub(crate) mod tail;

pub use exec::exec;
pub use line::{compose, quote};
pub use reply::Failure;
pub use stop::Cancel;
