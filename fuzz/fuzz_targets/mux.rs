//! A packet on a control socket, whoever sent it, is read or refused; what was read means the same when it is sent on.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use xec_engine::transport::ssh::mux::packet::{Reply, Request};
use xec_engine::transport::ssh::mux::ssh_message::SshMessage;

/// What `encode` makes, without its length.
fn body(packet: Bytes) -> Bytes {
    packet.slice(4..)
}

fuzz_target!(|data: &[u8]| {
    let packet = Bytes::copy_from_slice(data);
    if let Some(request) = Request::decode(packet.clone()) {
        assert_eq!(Request::decode(body(request.encode())), Some(request));
    }
    if let Some(reply) = Reply::decode(packet.clone()) {
        assert_eq!(Reply::decode(body(reply.encode())), Some(reply));
    }
    if let Some(message) = SshMessage::decode(packet) {
        assert_eq!(SshMessage::decode(body(message.encode())), Some(message));
    }
});
