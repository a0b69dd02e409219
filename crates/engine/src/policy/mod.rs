//! Pure decisions: state and time in, verdict out. No clock, no lock, no await.

mod backoff;
mod breaker;
mod channel_limit;
mod depth;
mod health;
mod lifetime;
mod quirks;
mod random;

pub use backoff::{Backoff, Growth};
pub use breaker::{Blame, Breaker};
pub use channel_limit::{ChannelLimit, RefusalVerdict};
pub use depth::Depth;
pub use health::Health;
pub use lifetime::attenuated;
pub use quirks::most_channels;
pub use random::Random;
