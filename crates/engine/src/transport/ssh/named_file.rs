use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// More than any key, certificate or list of hosts has.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The contents of a file that a target or a configuration names. To open a FIFO would be to wait for somebody who writes
/// into it, on a thread that nobody gets back: what is no file is refused. `/dev/null` is an empty one.
pub fn contents(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let facts = fs::metadata(path)?;
    if is_null(&facts) {
        return Ok(Zeroizing::default());
    }
    if !facts.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    // As large as it will be, so that growing leaves no copy of a key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(facts.len().min(LARGEST)).unwrap_or(0) + 1));
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large"));
    }
    Ok(bytes)
}

#[cfg(unix)]
fn is_null(facts: &Metadata) -> bool {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    facts.file_type().is_char_device() && fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == facts.rdev())
}

#[cfg(not(unix))]
fn is_null(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_is_refused_and_nothing_is_nothing() {
        let folder = std::env::temp_dir().join(format!("xec-named-file-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let fifo = folder.join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        assert_eq!(contents(&fifo).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(contents(&folder).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(contents(Path::new("/dev/null")).unwrap().is_empty());
        fs::write(folder.join("file"), "text").unwrap();
        assert_eq!(contents(&folder.join("file")).unwrap().as_slice(), b"text");
        fs::remove_dir_all(&folder).unwrap();
    }
}
