use bytes::{BufMut, BytesMut};

use super::decode::{Fields, Malformed};

const SIZE: u32 = 0x1;
const OWNER: u32 = 0x2;
const PERMISSIONS: u32 = 0x4;
const TIMES: u32 = 0x8;
const EXTENDED: u32 = 0x8000_0000;

const TYPE_MASK: u32 = 0o170_000;

/// What is known of a remote file; a server may leave out anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    pub size: Option<u64>,
    /// User and group, as numbers.
    pub owner: Option<(u32, u32)>,
    /// Type and permission bits.
    pub mode: Option<u32>,
    /// Last access and last change, in seconds.
    pub times: Option<(u32, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    File,
    Directory,
    Symlink,
    /// A device, a socket, a pipe.
    Other,
    /// The server does not say.
    Unknown,
}

impl FileType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

impl Attributes {
    pub fn of_mode(mode: u32) -> Self {
        Self { mode: Some(mode), ..Self::default() }
    }

    pub fn file_type(&self) -> FileType {
        match self.mode.map(|mode| mode & TYPE_MASK) {
            Some(0o100_000) => FileType::File,
            Some(0o040_000) => FileType::Directory,
            Some(0o120_000) => FileType::Symlink,
            None | Some(0) => FileType::Unknown,
            Some(_) => FileType::Other,
        }
    }

    pub fn encode(&self, packet: &mut BytesMut) {
        let bit = |present: bool, flag: u32| if present { flag } else { 0 };
        packet.put_u32(
            bit(self.size.is_some(), SIZE)
                | bit(self.owner.is_some(), OWNER)
                | bit(self.mode.is_some(), PERMISSIONS)
                | bit(self.times.is_some(), TIMES),
        );
        if let Some(size) = self.size {
            packet.put_u64(size);
        }
        if let Some((user, group)) = self.owner {
            packet.put_u32(user);
            packet.put_u32(group);
        }
        if let Some(mode) = self.mode {
            packet.put_u32(mode);
        }
        if let Some((accessed, modified)) = self.times {
            packet.put_u32(accessed);
            packet.put_u32(modified);
        }
    }

    pub fn decode(fields: &mut Fields) -> Result<Self, Malformed> {
        let flags = fields.u32()?;
        let mut attributes = Self::default();
        if flags & SIZE != 0 {
            attributes.size = Some(fields.u64()?);
        }
        if flags & OWNER != 0 {
            attributes.owner = Some((fields.u32()?, fields.u32()?));
        }
        if flags & PERMISSIONS != 0 {
            attributes.mode = Some(fields.u32()?);
        }
        if flags & TIMES != 0 {
            attributes.times = Some((fields.u32()?, fields.u32()?));
        }
        if flags & EXTENDED != 0 {
            for _ in 0..fields.u32()? {
                fields.string()?;
                fields.string()?;
            }
        }
        Ok(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let all = Attributes { size: Some(1 << 40), owner: Some((1, 2)), mode: Some(0o100_644), times: Some((3, 4)) };
        for attributes in [all, Attributes::default(), Attributes::of_mode(0o755), Attributes { mode: None, ..all }] {
            let mut packet = BytesMut::new();
            attributes.encode(&mut packet);
            let mut fields = Fields::new(packet.freeze());
            assert_eq!(Attributes::decode(&mut fields), Ok(attributes));
            assert!(fields.is_empty());
        }
    }

    #[test]
    fn a_count_that_cannot_be_true_is_no_loop_for_ever() {
        let mut packet = BytesMut::new();
        packet.put_u32(EXTENDED);
        packet.put_u32(u32::MAX);
        assert!(Attributes::decode(&mut Fields::new(packet.freeze())).is_err());
    }

    #[test]
    fn knows_the_types() {
        let of = |mode| Attributes::of_mode(mode).file_type();
        assert_eq!(of(0o100_644), FileType::File);
        assert_eq!(of(0o040_755), FileType::Directory);
        assert_eq!(of(0o120_777), FileType::Symlink);
        assert_eq!(of(0o010_644), FileType::Other);
        assert_eq!(of(0o644), FileType::Unknown);
        assert_eq!(Attributes::default().file_type(), FileType::Unknown);
    }
}
