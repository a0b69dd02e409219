//! Pure decisions: state and time in, verdict out. No clock, no lock, no await.

mod backoff;
mod channel_limit;
mod lifetime;

pub use backoff::Backoff;
pub use channel_limit::{ChannelLimit, RefusalVerdict};
pub use lifetime::attenuated;
