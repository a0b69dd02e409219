use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::error::Stream;
use crate::shell::Nonce;
use crate::shell::framing::Scanner;

/// For a shell that has just been started to say it.
const WORD: Duration = Duration::from_secs(5);
pub const LOOK: Duration = Duration::from_millis(10);

/// What a command line says before anything else: the process id of its shell, in its container.
///
/// No API knows signals for execs, and where servers tell a process id it is the one on their own machine.
pub struct Preamble {
    /// Until it was heard.
    scanner: Option<Scanner>,
    on: Stream,
    pub pid: Option<u32>,
}

impl Preamble {
    /// `line`, made to say it, and who listens. Under a terminal there is one stream only.
    pub fn before(line: &str, terminal: bool) -> (String, Self) {
        let nonce = Nonce::fresh();
        // On the same line, so that the numbers of lines in the shell's own messages stay what they are.
        let text = format!("printf '\\001%s %s p\\n' {nonce} $$ >&2;{line}");
        let on = if terminal { Stream::Stdout } else { Stream::Stderr };
        (text, Self { scanner: Some(Scanner::new(&nonce)), on, pid: None })
    }

    /// For what has no shell that could say it.
    pub fn none() -> Self {
        Self { scanner: None, on: Stream::Stderr, pid: None }
    }

    /// May it still come?
    pub fn is_expected(&self) -> bool {
        self.scanner.is_some()
    }

    /// What of `data` is the command's own.
    pub fn pass(&mut self, stream: Stream, data: Bytes) -> Bytes {
        let Some(scanner) = self.scanner.as_mut().filter(|_| stream == self.on) else { return data };
        let mut own = Vec::new();
        let Ok(()) = scanner.push(&data, |bytes| {
            own.extend_from_slice(bytes);
            Ok::<(), std::convert::Infallible>(())
        });
        if let Some(end) = scanner.end() {
            self.pid = Some(end.number);
            self.scanner = None;
        }
        own.into()
    }

    /// What was held back, once nothing more comes.
    pub fn rest(&mut self) -> Option<(Stream, Bytes)> {
        let rest = self.scanner.take()?.finish();
        (!rest.is_empty()).then(|| (self.on, rest.into()))
    }
}

/// The process id that the shell has said, or says soon.
pub async fn said(preamble: &Mutex<Preamble>) -> Option<u32> {
    let deadline = Instant::now() + WORD;
    loop {
        {
            let preamble = preamble.lock();
            if preamble.pid.is_some() || !preamble.is_expected() {
                return preamble.pid;
            }
        }
        if Instant::now() >= deadline {
            return None;
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<u8> {
        let nonce = text.split(' ').nth(4).unwrap();
        format!("\u{1}{nonce} 42 p\r\n").into_bytes()
    }

    #[test]
    fn the_process_id_is_taken_out_of_its_stream() {
        let (text, mut preamble) = Preamble::before("true", true);
        let stream = [said(&text), b"out".to_vec()].concat();
        let (one, two) = stream.split_at(10);
        assert_eq!(preamble.pass(Stream::Stdout, Bytes::copy_from_slice(one)), "");
        assert_eq!(preamble.pass(Stream::Stdout, Bytes::copy_from_slice(two)), "out");
        assert_eq!(preamble.pid, Some(42));
        assert!(preamble.rest().is_none());
    }

    #[test]
    fn without_one_nothing_is_lost() {
        let (_, mut preamble) = Preamble::before("true", false);
        assert_eq!(preamble.pass(Stream::Stdout, Bytes::from_static(b"\x01x")), "\x01x");
        assert_eq!(preamble.pass(Stream::Stderr, Bytes::from_static(b"a\x01")), "a");
        assert_eq!(preamble.rest(), Some((Stream::Stderr, Bytes::from_static(b"\x01"))));
        assert_eq!(preamble.pid, None);
    }
}
