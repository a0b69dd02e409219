//! Docker's multiplexed stream: `stream 0 0 0 length(4, big endian)`, then as many bytes of that stream, again and again.
//!
//! The length comes from outside, so it never decides how much is kept: a frame's bytes are handed on as they arrive.

use bytes::{Buf, Bytes, BytesMut};

use super::refusal::Refusal;
use crate::error::Stream;

const HEADER: usize = 8;

/// Takes the stream apart, however it is cut into pieces.
#[derive(Debug, Default)]
pub struct Frames {
    /// The beginning of a header.
    header: BytesMut,
    /// Of the frame under way.
    stream: Option<Stream>,
    left: usize,
}

impl Frames {
    /// Hands on what `data` holds, in order.
    pub fn push(&mut self, mut data: Bytes, mut out: impl FnMut(Stream, Bytes)) -> Result<(), Refusal> {
        while !data.is_empty() {
            if let (Some(stream), 1..) = (self.stream, self.left) {
                let piece = data.split_to(data.len().min(self.left));
                self.left -= piece.len();
                out(stream, piece);
                continue;
            }
            let wanted = HEADER.saturating_sub(self.header.len());
            self.header.extend_from_slice(&data.split_to(data.len().min(wanted)));
            if self.header.len() == HEADER {
                self.begin()?;
            }
        }
        Ok(())
    }

    /// Is the end of the stream here the end of a frame?
    pub fn is_whole(&self) -> bool {
        self.left == 0 && self.header.is_empty()
    }

    fn begin(&mut self) -> Result<(), Refusal> {
        let mut header = std::mem::take(&mut self.header);
        let (kind, reserved) = (header.get_u8(), [header.get_u8(), header.get_u8(), header.get_u8()]);
        self.left = usize::try_from(header.get_u32()).unwrap_or(usize::MAX);
        self.stream = match (kind, reserved) {
            (1, [0, 0, 0]) => Some(Stream::Stdout),
            // 3 is what the daemon itself has to say, at the end.
            (2 | 3, [0, 0, 0]) => Some(Stream::Stderr),
            // An echo of stdin is nobody's output; old daemons send empty ones.
            (0, [0, 0, 0]) if self.left == 0 => None,
            _ => return Err(Refusal::protocol("its stream is not made of frames")),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(kind: u8, data: &[u8]) -> Vec<u8> {
        let mut frame = vec![kind, 0, 0, 0];
        frame.extend_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(data);
        frame
    }

    proptest! {
        #[test]
        fn output_survives_any_cutting(
            pieces in proptest::collection::vec((1u8..=2, proptest::collection::vec(any::<u8>(), 0..50)), 0..20),
            cuts in proptest::collection::vec(any::<usize>(), 0..20),
        ) {
            let whole: Vec<u8> = pieces.iter().flat_map(|(kind, data)| frame(*kind, data)).collect();
            let mut points: Vec<usize> = cuts.iter().map(|cut| cut % (whole.len() + 1)).collect();
            points.extend([0, whole.len()]);
            points.sort_unstable();
            let mut frames = Frames::default();
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            for pair in points.windows(2) {
                frames.push(Bytes::copy_from_slice(&whole[pair[0]..pair[1]]), |stream, data| {
                    if stream == Stream::Stdout { stdout.extend_from_slice(&data) } else { stderr.extend_from_slice(&data) }
                }).unwrap();
            }
            prop_assert!(frames.is_whole());
            let of = |kind: u8| pieces.iter().filter(|piece| piece.0 == kind).flat_map(|piece| piece.1.clone()).collect::<Vec<u8>>();
            prop_assert_eq!(stdout, of(1));
            prop_assert_eq!(stderr, of(2));
        }

        #[test]
        fn nothing_from_outside_is_fatal(garbage in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut frames = Frames::default();
            let mut seen = 0;
            let _ = frames.push(Bytes::from(garbage.clone()), |_, data| seen += data.len());
            prop_assert!(seen <= garbage.len());
        }
    }

    #[test]
    fn a_huge_length_keeps_nothing() {
        let mut frames = Frames::default();
        let mut seen = 0;
        frames.push(Bytes::from_static(&[1, 0, 0, 0, 255, 255, 255, 255, b'x']), |_, data| seen += data.len()).unwrap();
        assert_eq!(seen, 1);
        assert!(!frames.is_whole());
    }
}
