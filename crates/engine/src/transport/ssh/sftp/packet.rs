use bytes::{BufMut, Bytes, BytesMut};

use super::attributes::Attributes;
use super::wire::request;

/// A request being written; its length is filled in last.
pub struct Packet(BytesMut);

const LENGTH: usize = 4;

impl Packet {
    pub fn new(kind: u8, id: u32) -> Self {
        let mut buffer = BytesMut::with_capacity(128);
        buffer.put_u32(0);
        buffer.put_u8(kind);
        buffer.put_u32(id);
        Self(buffer)
    }

    pub fn extended(name: &str, id: u32) -> Self {
        Self::new(request::EXTENDED, id).string(name.as_bytes())
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.0.put_u32(value);
        self
    }

    pub fn u64(mut self, value: u64) -> Self {
        self.0.put_u64(value);
        self
    }

    pub fn string(mut self, value: &[u8]) -> Self {
        self.0.put_u32(wire_length(value.len()));
        self.0.put_slice(value);
        self
    }

    pub fn attributes(mut self, attributes: &Attributes) -> Self {
        attributes.encode(&mut self.0);
        self
    }

    pub fn finish(mut self) -> Bytes {
        self.set_length(self.0.len().saturating_sub(LENGTH));
        self.0.freeze()
    }

    fn set_length(&mut self, length: usize) {
        if let Some(field) = self.0.get_mut(..LENGTH) {
            field.copy_from_slice(&wire_length(length).to_be_bytes());
        }
    }
}

/// The first words of every session; they have no id.
pub fn hello(version: u32) -> Bytes {
    let mut buffer = BytesMut::with_capacity(9);
    buffer.put_u32(5);
    buffer.put_u8(request::INIT);
    buffer.put_u32(version);
    buffer.freeze()
}

/// Bytes of a file on their way to the server. They are read to where they will stand in the packet, so that they are
/// never copied again.
pub struct Chunk(Vec<u8>);

/// Length, kind, id, handle, offset, length of the data.
const fn head_length(handle: usize) -> usize {
    LENGTH + 1 + 4 + 4 + handle + 8 + 4
}

/// The head with the longest handle there may be; a shorter one stands at its end.
const HEAD: usize = head_length(256);

impl Chunk {
    pub fn new(length: usize) -> Self {
        Self(vec![0; HEAD + length])
    }

    pub fn copied(data: &[u8]) -> Self {
        let mut chunk = Self(Vec::with_capacity(HEAD + data.len()));
        chunk.0.resize(HEAD, 0);
        chunk.0.extend_from_slice(data);
        chunk
    }

    pub fn body(&mut self) -> &mut [u8] {
        self.0.get_mut(HEAD..).unwrap_or_default()
    }

    pub fn truncate(&mut self, length: usize) {
        self.0.truncate(HEAD + length);
    }

    pub fn len(&self) -> usize {
        self.0.len().saturating_sub(HEAD)
    }

    /// The finished request.
    pub fn into_write(mut self, id: u32, handle: &[u8], offset: u64) -> Bytes {
        let start = HEAD.saturating_sub(head_length(handle.len()));
        let mut head = Packet::new(request::WRITE, id).string(handle).u64(offset).u32(wire_length(self.len()));
        head.set_length(self.0.len() - start - LENGTH);
        if let Some(room) = self.0.get_mut(start..HEAD) {
            room.copy_from_slice(&head.0);
        }
        Bytes::from(self.0).slice(start..)
    }
}

/// Paths and packets are far smaller than 4 GiB; the facade and the limits see to that.
fn wire_length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_becomes_the_same_packet_as_one_written_field_by_field() {
        let mut chunk = Chunk::new(8);
        chunk.body()[..4].copy_from_slice(b"data");
        chunk.truncate(4);
        let expected = Packet::new(request::WRITE, 7).string(b"handle").u64(1 << 33).string(b"data").finish();
        assert_eq!(chunk.into_write(7, b"handle", 1 << 33), expected);
        assert_eq!(Chunk::copied(b"data").into_write(7, b"handle", 1 << 33), expected);
        let longest = [b'h'; 256];
        let expected = Packet::new(request::WRITE, 7).string(&longest).u64(0).string(b"data").finish();
        assert_eq!(Chunk::copied(b"data").into_write(7, &longest, 0), expected);
    }

    #[test]
    fn the_length_counts_what_follows_it() {
        assert_eq!(&Packet::new(request::STAT, 1).string(b"/x").finish()[..], b"\0\0\0\x0b\x11\0\0\0\x01\0\0\0\x02/x");
        assert_eq!(&hello(3)[..], b"\0\0\0\x05\x01\0\0\0\x03");
    }
}
