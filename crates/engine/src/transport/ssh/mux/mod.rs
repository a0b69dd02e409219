//! Connections shared with other processes, by OpenSSH's ControlMaster protocol: as a client of a master that is there, and
//! as a master for others. See "Sharing connections with other processes" in docs/architecture.md.

mod client;
mod conductor;
mod congestion;
mod descriptor;
mod errand;
mod feed;
mod forwards;
mod guest;
mod guest_request;
mod join;
mod listener;
mod master;
pub mod packet;
mod passage;
mod passenger;
mod path;
mod proxied;
mod ride;
mod session;
mod shared;
mod shared_channel;
pub mod ssh_message;
mod stdio;
mod stdio_forward;
mod terminal;
mod through;
mod visitor;
mod wire;

pub use client::until_gone;
pub use join::join;
pub use listener::remove_all;
pub use master::offer;
pub use passage::{NoPassage, Passage};
pub use passenger::PassengerConnection;
pub use ride::{Ride, RideWriter};
pub use shared::SharedConnection;
pub use shared_channel::{SharedChannel, SharedWriter};
