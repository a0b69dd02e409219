use bytes::Bytes;

use crate::command::Captured;
use crate::error::{Error, Stream};

/// Collects output up to a limit per stream.
pub(crate) struct Capture {
    captured: Captured,
    limit: usize,
}

impl Capture {
    pub fn new(limit: usize, collect_all: bool) -> Self {
        let all = collect_all.then(Vec::new);
        Self { captured: Captured { all, ..Captured::default() }, limit }
    }

    /// Keeps `data`, as far as the limit allows; an error when it does not.
    pub fn push(&mut self, stream: Stream, data: &Bytes) -> Result<(), Error> {
        let Self { captured, limit } = self;
        let buffer = match stream {
            Stream::Stdout => &mut captured.stdout,
            Stream::Stderr => &mut captured.stderr,
        };
        let kept = data.slice(..data.len().min(limit.saturating_sub(buffer.len())));
        buffer.extend_from_slice(&kept);
        if let Some(all) = &mut captured.all {
            all.extend_from_slice(&kept);
        }
        if kept.len() < data.len() { Err(Error::MaxBuffer { stream, limit: *limit }) } else { Ok(()) }
    }

    pub fn take(&mut self) -> Captured {
        let all = self.captured.all.as_ref().map(|_| Vec::new());
        std::mem::replace(&mut self.captured, Captured { all, ..Captured::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_both_streams_and_their_order() {
        let mut capture = Capture::new(100, true);
        capture.push(Stream::Stdout, &Bytes::from_static(b"a")).unwrap();
        capture.push(Stream::Stderr, &Bytes::from_static(b"b")).unwrap();
        capture.push(Stream::Stdout, &Bytes::from_static(b"c")).unwrap();
        let captured = capture.take();
        assert_eq!((&captured.stdout[..], &captured.stderr[..]), (&b"ac"[..], &b"b"[..]));
        assert_eq!(captured.all.as_deref(), Some(&b"abc"[..]));
    }

    #[test]
    fn exactly_the_limit_is_fine_and_one_more_keeps_the_head() {
        let mut capture = Capture::new(3, false);
        capture.push(Stream::Stdout, &Bytes::from_static(b"abc")).unwrap();
        let error = capture.push(Stream::Stdout, &Bytes::from_static(b"d")).unwrap_err();
        assert!(matches!(error, Error::MaxBuffer { stream: Stream::Stdout, limit: 3 }));
        assert_eq!(capture.take().stdout, b"abc");
    }
}
