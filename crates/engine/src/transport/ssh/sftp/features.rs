use std::collections::HashMap;

use bytes::Bytes;

use super::decode::{Fields, Malformed};
use super::wire::VERSION;

/// What a server without `limits@openssh.com` takes for certain: with the head of its packet, 32 KiB, which is what a
/// channel of OpenSSH carries in one piece.
const SAFE: u32 = 32 * 1024 - 256;
/// Larger ones gain nothing, and OpenSSH takes no larger ones.
const LARGEST: u32 = 255 * 1024;
/// For the head of a write.
const HEAD: u64 = 1024;

/// What this server can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    pub limits: bool,
    /// asyncssh, which has OpenSSH's extensions but not its habits.
    pub asyncssh: bool,
    pub posix_rename: bool,
    pub fsync: bool,
    /// Bytes in one read and one write.
    pub read_size: u32,
    pub write_size: u32,
}

impl Default for Features {
    fn default() -> Self {
        Self { limits: false, asyncssh: false, posix_rename: false, fsync: false, read_size: SAFE, write_size: SAFE }
    }
}

impl Features {
    pub fn of_greeting(body: Bytes) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        if fields.u32()? < VERSION {
            return Err(Malformed("it speaks only a version before 3"));
        }
        let mut extensions = HashMap::new();
        while !fields.is_empty() {
            extensions.insert(fields.string()?, fields.string()?);
        }
        let has = |name: &'static str, version: &[u8]| {
            extensions.get(name.as_bytes()).is_some_and(|present| present.as_ref() == version)
        };
        Ok(Self {
            limits: has("limits@openssh.com", b"1"),
            asyncssh: has("ranges@asyncssh.com", b"1"),
            posix_rename: has("posix-rename@openssh.com", b"1"),
            fsync: has("fsync@openssh.com", b"1"),
            ..Self::default()
        })
    }

    /// Does it answer one request after the other, as OpenSSH does?
    pub fn one_by_one(&self) -> bool {
        self.limits && !self.asyncssh
    }

    /// The server's own limits. One that it does not name stays as it was.
    pub fn with_limits(self, body: Bytes) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        let (packet, read, write) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let within = |limit: u64, default: u32| {
            if limit == 0 {
                return default;
            }
            let room = if packet == 0 { u64::MAX } else { packet.saturating_sub(HEAD).max(1) };
            u32::try_from(limit.min(room)).unwrap_or(LARGEST).clamp(1, LARGEST)
        };
        Ok(Self { read_size: within(read, self.read_size), write_size: within(write, self.write_size), ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(extensions: &[(&str, &str)]) -> Bytes {
        let mut body = 3u32.to_be_bytes().to_vec();
        for text in extensions.iter().flat_map(|(name, version)| [name, version]) {
            body.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
            body.extend(text.as_bytes());
        }
        body.into()
    }

    fn limits(numbers: [u64; 4]) -> Features {
        let plain = Features::of_greeting(greeting(&[])).unwrap();
        plain.with_limits(numbers.into_iter().flat_map(u64::to_be_bytes).collect::<Vec<_>>().into()).unwrap()
    }

    #[test]
    fn only_extensions_in_a_version_that_we_know_count() {
        let known = greeting(&[("posix-rename@openssh.com", "1"), ("limits@openssh.com", "2"), ("x@y", "")]);
        let features = Features::of_greeting(known).unwrap();
        assert!(features.posix_rename && !features.limits && !features.fsync);
    }

    #[test]
    fn the_servers_limits_are_kept_whatever_they_are() {
        let of = |numbers| (limits(numbers).read_size, limits(numbers).write_size);
        assert_eq!(of([262_144, 261_120, 261_120, 1000]), (261_120, 261_120));
        assert_eq!(of([34_000, 100_000, 100_000, 0]), (32_976, 32_976));
        assert_eq!(of([0, 0, 0, 0]), (SAFE, SAFE));
        assert_eq!(of([u64::MAX, u64::MAX, 500, 0]), (LARGEST, 500));
        assert_eq!(of([1, 1, 1, 1]), (1, 1));
    }

    #[test]
    fn an_old_version_and_a_broken_greeting_are_refused() {
        assert!(Features::of_greeting(Bytes::from_static(&[0, 0, 0, 2])).is_err());
        assert!(Features::of_greeting(Bytes::from_static(&[0, 0, 0, 3, 0, 0, 0, 9, 1])).is_err());
        assert!(Features::of_greeting(Bytes::new()).is_err());
    }
}
