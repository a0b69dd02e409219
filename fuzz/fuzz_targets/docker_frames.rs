//! Docker's stream of stdout and stderr, whoever made it and however it is cut, comes apart the same way, and no byte is made up.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use xec_engine::error::Stream;
use xec_engine::transport::docker::Frames;

#[derive(Debug, Default, PartialEq)]
struct Seen {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    refused: bool,
    whole: bool,
}

fn seen(stream: &[u8], size: usize) -> Seen {
    let mut seen = Seen::default();
    let mut frames = Frames::default();
    for piece in stream.chunks(size) {
        let taken = frames.push(Bytes::copy_from_slice(piece), |stream, data| match stream {
            Stream::Stdout => seen.stdout.extend_from_slice(&data),
            Stream::Stderr => seen.stderr.extend_from_slice(&data),
        });
        if taken.is_err() {
            seen.refused = true;
            return seen;
        }
    }
    seen.whole = frames.is_whole();
    seen
}

fuzz_target!(|data: &[u8]| {
    let [size, stream @ ..] = data else { return };
    let whole = seen(stream, stream.len().max(1));
    assert_eq!(seen(stream, usize::from(*size).max(1)), whole);
    assert!(whole.stdout.len() + whole.stderr.len() <= stream.len());
    // Frames that are whole are made of headers and what they announce, and nothing else.
    if whole.whole && !stream.is_empty() {
        assert!(whole.stdout.len() + whole.stderr.len() + 8 <= stream.len());
    }
});
