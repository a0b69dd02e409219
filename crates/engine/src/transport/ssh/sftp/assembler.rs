use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::decode::Malformed;
use super::wire::answer;

/// Longer packets are refused before they are collected. OpenSSH stops at 256 KiB.
const LONGEST: usize = 1024 * 1024;

/// One packet from the server.
#[derive(Debug)]
pub enum Frame {
    /// The answer to our greeting.
    Version(Bytes),
    /// Bytes of a file, in the pieces in which they came: putting them together is left to the disk.
    Data {
        id: u32,
        pieces: Vec<Bytes>,
    },
    Other {
        kind: u8,
        id: u32,
        body: Bytes,
    },
}

/// Makes packets of the pieces in which a channel delivers them.
#[derive(Default)]
pub struct Assembler {
    pieces: VecDeque<Bytes>,
    available: usize,
    /// Length of the packet that is being collected.
    awaited: Option<usize>,
}

impl Assembler {
    pub fn push(&mut self, piece: Bytes) {
        self.available += piece.len();
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
    }

    /// The next complete packet, if there is one.
    pub fn next(&mut self) -> Result<Option<Frame>, Malformed> {
        let Some(length) = self.length()? else { return Ok(None) };
        if self.available < length {
            return Ok(None);
        }
        self.awaited = None;
        self.frame(length).map(Some)
    }

    fn length(&mut self) -> Result<Option<usize>, Malformed> {
        if self.awaited.is_none() && self.available >= 4 {
            let length = self.u32()? as usize;
            match length {
                0..5 => return Err(Malformed("a packet is too short to be one")),
                5..=LONGEST => self.awaited = Some(length),
                _ => return Err(Malformed("a packet is longer than any may be")),
            }
        }
        Ok(self.awaited)
    }

    fn frame(&mut self, length: usize) -> Result<Frame, Malformed> {
        let [kind] = self.array()?;
        if kind == answer::VERSION {
            return Ok(Frame::Version(self.whole(length - 1)));
        }
        let id = self.u32()?;
        let rest = length - 5;
        if kind != answer::DATA {
            return Ok(Frame::Other { kind, id, body: self.whole(rest) });
        }
        if rest < 4 || self.u32()? as usize != rest - 4 {
            return Err(Malformed("the length of the data is not what the packet holds"));
        }
        Ok(Frame::Data { id, pieces: self.take(rest - 4) })
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte().ok_or(Malformed("a packet ends in the middle of its head"))?;
        }
        Ok(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        let front = self.pieces.front_mut()?;
        let byte = front.try_get_u8().ok()?;
        if front.is_empty() {
            self.pieces.pop_front();
        }
        self.available -= 1;
        Some(byte)
    }

    /// `length` bytes that are there, in one piece.
    fn whole(&mut self, length: usize) -> Bytes {
        let mut pieces = self.take(length);
        if pieces.len() <= 1 {
            return pieces.pop().unwrap_or_default();
        }
        let mut all = BytesMut::with_capacity(length);
        for piece in pieces {
            all.extend_from_slice(&piece);
        }
        all.freeze()
    }

    fn take(&mut self, mut length: usize) -> Vec<Bytes> {
        let mut taken = Vec::new();
        while length > 0
            && let Some(mut front) = self.pieces.pop_front()
        {
            let part = front.split_to(front.len().min(length));
            length -= part.len();
            self.available -= part.len();
            if !front.is_empty() {
                self.pieces.push_front(front);
            }
            taken.push(part);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(kind: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(1 + rest.len()).unwrap().to_be_bytes().to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(rest);
        bytes
    }

    fn all(pieces: impl IntoIterator<Item = Bytes>) -> Result<Vec<Frame>, Malformed> {
        let mut assembler = Assembler::default();
        let mut frames = Vec::new();
        for piece in pieces {
            assembler.push(piece);
            while let Some(frame) = assembler.next()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    #[test]
    fn any_division_into_pieces_gives_the_same_packets() {
        let mut stream = packet(answer::VERSION, &[0, 0, 0, 3]);
        stream.extend(packet(answer::DATA, b"\0\0\0\x07\0\0\0\x05hello"));
        stream.extend(packet(answer::STATUS, b"\0\0\0\x08\0\0\0\0rest"));
        stream.extend(packet(answer::DATA, b"\0\0\0\x09\0\0\0\0"));
        for size in 1..stream.len() {
            let frames = all(stream.chunks(size).map(Bytes::copy_from_slice)).unwrap();
            let [Frame::Version(version), Frame::Data { id: 7, pieces }, Frame::Other { id: 8, body, .. }, last] =
                &frames[..]
            else {
                panic!("{frames:?}")
            };
            assert_eq!((&version[..], &pieces.concat()[..]), (&[0, 0, 0, 3][..], &b"hello"[..]));
            assert_eq!(&body[..], b"\0\0\0\0rest");
            assert!(matches!(last, Frame::Data { id: 9, pieces } if pieces.is_empty()));
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused_before_anything_is_collected() {
        for head in [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x04", b"Last"] {
            assert!(all([Bytes::copy_from_slice(head)]).is_err());
        }
    }

    #[test]
    fn data_shorter_or_longer_than_said_is_refused() {
        for length in [0u8, 4, 6, 255] {
            let rest = [&[0, 0, 0, 7, 0, 0, 0, length][..], b"hello"].concat();
            assert!(all([packet(answer::DATA, &rest).into()]).is_err());
        }
        assert!(all([packet(answer::DATA, &[0, 0, 0, 7, 0]).into()]).is_err());
    }
}
