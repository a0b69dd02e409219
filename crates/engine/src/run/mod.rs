//! Running one command on a pooled connection, from asking for a permit to the exit status.

mod capture;
mod exec;
mod line;
mod stop;
mod tail;

pub use exec::{Failure, exec};
pub use line::{compose, quote};
pub use stop::Cancel;
