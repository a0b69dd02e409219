//! `ssh_config(5)`: what the files say about one host, by the rules of OpenSSH.
//!
//! - [`mod@line`]: keyword and arguments of one line; [`parser`]: a file's lines
//! - [`files`]: reading files, once for as long as they do not change; [`glob`]: the names an `Include` stands for
//! - [`pattern`], [`condition`]: `Host` and `Match`
//! - [`settings`]: what was said first; [`value`]: numbers, times and words in it
//! - [`mod@resolve`]: one or two passes over the files; [`exec`]: commands of `Match exec`; [`canonical`]: full names
//! - [`answer`]: what comes of it; [`tokens`]: `%h` and the like
//! - [`local`]: this machine and who we are on it
//!
//! All of it blocks (files, `Match exec`): callers bring a thread that may wait.

mod answer;
mod canonical;
#[cfg(unix)]
mod cname;
mod condition;
mod exec;
mod files;
mod glob;
mod hop;
mod line;
mod local;
mod parser;
mod pattern;
mod problem;
mod resolve;
mod resolved;
mod settings;
#[cfg(test)]
mod tests;
mod tokens;
mod value;

pub use canonical::{Named, system_finds};
pub use files::ConfigFiles;
pub use hop::HopAddress;
pub use local::Local;
pub use resolve::{Query, Which, resolve};
pub use resolved::{AgentChoice, Resolved, Via};
pub use tokens::{Known, Tokens, shell_safe};
pub use value::Persist;
