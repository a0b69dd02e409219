//! OpenSSH's known_hosts: who the servers are that we have met.
//!
//! Our own reader, because trust is decided here: hashed names, wildcards, negation, ports and markers mean what they mean
//! to `ssh`. A line that cannot be read is skipped and reported; it can make a host unknown, never trusted. One that
//! revokes a key and cannot be read stops its hosts until it is repaired.
//!
//! - `name`, `pattern`: what a server may be called, and what a line's first field says about that
//! - `entry`: one line; `file`: all lines of all files, and what they say of a key
//! - `certificate`: what they say of a host certificate
//! - `record`: how a new key is written down

mod certificate;
mod entry;
mod file;
mod name;
mod pattern;
mod record;

pub use certificate::CertificateVerdict;
pub use entry::{BrokenLine, Entry, EntryKey, Marker, Reach};
pub use file::{KnownHosts, Offer, Verdict};
pub use name::HostNames;
pub use pattern::HostField;
pub use record::{record, record_proven};
