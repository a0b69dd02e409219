//! A message of a Kubernetes API server, whoever made it, is read or refused, nothing of its output is lost, and no failure is taken
//! for success.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use xec_engine::transport::kube::frames::{Frame, Status, decode, resize};

fuzz_target!(|data: &[u8]| {
    let message = Bytes::copy_from_slice(data);
    match decode(message) {
        Ok(Frame::Stdout(output) | Frame::Stderr(output)) => assert_eq!(Some(&output[..]), data.get(1..)),
        Ok(Frame::Status(Status::Code(0))) => {
            let text = String::from_utf8_lossy(data);
            assert!(text.contains("Success") || text.contains("\\u"));
        }
        Ok(Frame::Status(_) | Frame::Nothing) | Err(_) => {}
    }
    if let [a, b, c, d, e, f, g, h, ..] = *data {
        let sent = resize(u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        // What only we write is refused from the other side.
        assert!(decode(sent).is_err());
    }
});
