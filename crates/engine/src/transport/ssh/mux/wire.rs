//! The primitives of both protocols on a control socket. What comes from outside is only ever sliced, never trusted with an
//! allocation.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc::UnboundedReceiver;

/// The largest packet either side accepts, as OpenSSH has it.
pub const MAX_PACKET: usize = 256 * 1024;

/// Writes what is queued, until nobody can queue anything more.
pub async fn write_queue(mut writer: OwnedWriteHalf, mut queue: UnboundedReceiver<Bytes>) -> io::Result<()> {
    while let Some(message) = queue.recv().await {
        writer.write_all(&message).await?;
    }
    Ok(())
}

/// Reads fields from the front of a packet. Every method is `None` when the packet is too short for it.
pub struct Fields(Bytes);

impl Fields {
    pub fn new(packet: Bytes) -> Self {
        Self(packet)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.0.try_get_u8().ok()
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.0.try_get_u32().ok()
    }

    pub fn bool(&mut self) -> Option<bool> {
        Some(self.u32()? != 0)
    }

    pub fn bytes(&mut self) -> Option<Bytes> {
        let length = self.u32()? as usize;
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    /// Text for people, or a name: what is not UTF-8 in it is replaced.
    pub fn text(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(&self.bytes()?).into_owned())
    }

    /// Whatever is left.
    pub fn rest(self) -> Bytes {
        self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A packet under construction, its length in front.
pub struct Packet(BytesMut);

impl Packet {
    pub fn new() -> Self {
        let mut packet = BytesMut::with_capacity(64);
        packet.put_u32(0);
        Self(packet)
    }

    pub fn u8(mut self, value: u8) -> Self {
        self.0.put_u8(value);
        self
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.0.put_u32(value);
        self
    }

    pub fn bytes(mut self, value: &[u8]) -> Self {
        put_bytes(&mut self.0, value);
        self
    }

    /// As it is, without a length.
    pub fn raw(mut self, value: &[u8]) -> Self {
        self.0.put_slice(value);
        self
    }

    pub fn finish(mut self) -> Bytes {
        let length = u32::try_from(self.0.len().saturating_sub(4)).unwrap_or(u32::MAX);
        if let Some(front) = self.0.get_mut(..4) {
            front.copy_from_slice(&length.to_be_bytes());
        }
        self.0.freeze()
    }
}

/// Fields on their own, inside of a packet.
#[derive(Default)]
pub struct Payload(BytesMut);

impl Payload {
    pub fn u8(mut self, value: u8) -> Self {
        self.0.put_u8(value);
        self
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.0.put_u32(value);
        self
    }

    pub fn bytes(mut self, value: &[u8]) -> Self {
        put_bytes(&mut self.0, value);
        self
    }

    pub fn text(self, value: &str) -> Self {
        self.bytes(value.as_bytes())
    }

    pub fn finish(self) -> Bytes {
        self.0.freeze()
    }
}

fn put_bytes(buffer: &mut BytesMut, value: &[u8]) {
    // Nothing we send is anywhere near 4 GiB; a wrong length would only make the other side refuse the packet.
    buffer.put_u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
    buffer.put_slice(value);
}

/// The next packet without its length; `None` at the end of the stream. Reads not one byte more than the packet, because
/// descriptors may be attached to the bytes behind it. Not cancel-safe.
pub async fn read_packet(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Bytes>> {
    let mut length = [0; 4];
    match stream.read(&mut length).await? {
        0 => return Ok(None),
        count => {
            if let Some(rest) = length.get_mut(count..) {
                stream.read_exact(rest).await?;
            }
        }
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_PACKET {
        return Err(malformed("a packet that is too long"));
    }
    let mut packet = vec![0; length];
    stream.read_exact(&mut packet).await?;
    Ok(Some(packet.into()))
}

/// The other side does not keep to the protocol.
pub fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the other end of the control socket sent {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_longer_than_its_packet_is_none() {
        let mut fields = Fields::new(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 1]));
        assert_eq!(fields.bytes(), None);
    }

    #[tokio::test]
    async fn a_length_of_four_gigabytes_allocates_nothing() {
        let error = read_packet(&mut &[0xff, 0xff, 0xff, 0xff, 0, 0][..]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn a_stream_that_ends_between_packets_has_ended_and_within_one_has_broken() {
        assert!(read_packet(&mut &[][..]).await.unwrap().is_none());
        for broken in [&[0, 0][..], &[0, 0, 0, 3, 1, 2][..]] {
            assert_eq!(read_packet(&mut &broken[..]).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[tokio::test]
    async fn reads_exactly_one_packet() {
        let mut stream = &[0, 0, 0, 2, 7, 8, 9][..];
        assert_eq!(read_packet(&mut stream).await.unwrap().as_deref(), Some(&[7, 8][..]));
        assert_eq!(stream, [9]);
    }
}
