//! Whatever a command writes, and however it is cut: its output is all of it, and its end mark is found where it is.
#![no_main]

use std::convert::Infallible;

use libfuzzer_sys::fuzz_target;
use xec_engine::shell::Nonce;
use xec_engine::shell::framing::Scanner;

const WORD: &str = "0123456789abcdef0123456789abcdef";

fuzz_target!(|data: &[u8]| {
    let [size, status, output @ ..] = data else { return };
    let (size, status) = (*size, *status);
    let mark = format!("\x01{WORD} {status} c\n");
    // A command cannot know its nonce.
    if output.windows(WORD.len()).any(|window| window == WORD.as_bytes()) {
        return;
    }
    let stream = [output, mark.as_bytes(), output].concat();
    let mut scanner = Scanner::new(&Nonce::known(WORD));
    let mut seen = Vec::new();
    for piece in stream.chunks(usize::from(size).max(1)) {
        let Ok(()) = scanner.push(piece, |bytes| {
            seen.extend_from_slice(bytes);
            Ok::<(), Infallible>(())
        });
    }
    assert_eq!(scanner.end().map(|end| end.number), Some(u32::from(status)));
    assert_eq!(seen, [output, output].concat());
});
