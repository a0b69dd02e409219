use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use russh::keys::PublicKey;

use super::file::{KnownHosts, Verdict};
use super::name::HostNames;

/// How long to wait for whoever else is writing: writing a line takes no time.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts at the lock, which the system offers only with waiting for ever.
const PAUSE: Duration = Duration::from_millis(10);

/// Appends within this process are one after the other, so that its threads need not poll for the file's lock.
static APPENDING: Mutex<()> = Mutex::new(());

/// Adds a host's key to the first file, unless it has been added meanwhile; what the files say at that moment is the answer.
/// Other processes that do the same are kept out by a lock on the file; `ssh`, which takes none, cannot end up inside our
/// line, nor we inside its own, because both are written at once.
pub fn record(files: &[PathBuf], names: &HostNames, key: &PublicKey) -> io::Result<Verdict> {
    let _one_at_a_time = APPENDING.lock();
    let mut file = open_locked(first(files)?)?;
    match load(files)?.verdict(names, key) {
        Verdict::Unknown => append(&mut file, names, &[key]).map(|()| Verdict::Known),
        verdict => Ok(verdict),
    }
}

/// Adds more keys of a host that has proven to hold them, unless they are on file or revoked, as long as the key it is
/// trusted by still is. Answers how many.
pub fn record_proven(
    files: &[PathBuf],
    names: &HostNames,
    trusted: &PublicKey,
    proven: &[PublicKey],
) -> io::Result<usize> {
    let _one_at_a_time = APPENDING.lock();
    let mut file = open_locked(first(files)?)?;
    let known = load(files)?;
    if !known.holds(names, trusted.key_data()) || known.verdict(names, trusted) != Verdict::Known {
        return Ok(0);
    }
    let new: Vec<&PublicKey> =
        proven.iter().filter(|key| matches!(known.verdict(names, key), Verdict::Changed(_))).collect();
    append(&mut file, names, &new)?;
    Ok(new.len())
}

fn first(files: &[PathBuf]) -> io::Result<&Path> {
    files.first().map(PathBuf::as_path).ok_or_else(|| io::Error::other("there is no known_hosts file to write to"))
}

fn load(files: &[PathBuf]) -> io::Result<KnownHosts> {
    KnownHosts::load(files).map_err(|(_, error)| error)
}

/// One write for all lines, so that another process's line cannot end up inside ours.
fn append(file: &mut File, names: &HostNames, keys: &[&PublicKey]) -> io::Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    if !names.is_recordable() {
        return Err(io::Error::other("the host's name would be read as a pattern"));
    }
    let mut text = String::from(missing_newline(file)?);
    for key in keys {
        let encoded = key.to_openssh().map_err(io::Error::other)?;
        // The key without its comment.
        let fields: Vec<&str> = encoded.split(' ').take(2).collect();
        text.push_str(&format!("{} {}\n", names.exact(), fields.join(" ")));
    }
    file.write_all(text.as_bytes())
}

/// The file that is there once we hold its lock: `ssh-keygen -R` puts another one in its place.
fn open_locked(path: &Path) -> io::Result<File> {
    let until = Instant::now() + PATIENCE;
    loop {
        let file = open_for_append(path)?;
        lock(&file, until)?;
        if is_still_at(&file, path) {
            return Ok(file);
        }
        if Instant::now() >= until {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the file is replaced all the time"));
        }
    }
}

fn lock(file: &File, until: Instant) -> io::Result<()> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another process keeps the file locked"));
            }
            // Some network file systems know no locks; a line is still written at once.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

#[cfg(unix)]
fn is_still_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(ours), Ok(theirs)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())
}

/// Elsewhere an open file cannot be replaced.
#[cfg(not(unix))]
fn is_still_at(_file: &File, _path: &Path) -> bool {
    true
}

fn open_for_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        if let Some(folder) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    options.open(path)
}

/// A newline when the last line has none.
fn missing_newline(file: &mut File) -> io::Result<&'static str> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok("");
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(if last == *b"\n" { "" } else { "\n" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).unwrap()
    }

    fn host() -> HostNames {
        HostNames::new("h", 22, None)
    }

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("xec-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str) -> Vec<PathBuf> {
            vec![self.0.join(name)]
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn text(files: &[PathBuf]) -> String {
        std::fs::read_to_string(&files[0]).unwrap()
    }

    #[test]
    fn records_once_and_keeps_an_unfinished_last_line_apart() {
        let folder = Folder::new("record");
        let files = folder.file("known_hosts");
        std::fs::write(&files[0], format!("first {B}")).unwrap();
        for _ in 0..2 {
            assert_eq!(record(&files, &host(), &key(A)).unwrap(), Verdict::Known);
        }
        assert!(matches!(record(&files, &host(), &key(B)).unwrap(), Verdict::Changed(_)));
        assert_eq!(text(&files), format!("first {B}\nh {A}\n"));
    }

    #[test]
    fn the_first_file_is_written_and_all_are_asked() {
        let folder = Folder::new("record-several");
        let files = [folder.file("one"), folder.file("two")].concat();
        std::fs::write(&files[1], format!("other {A}\n")).unwrap();
        assert_eq!(record(&files, &HostNames::new("other", 22, None), &key(A)).unwrap(), Verdict::Known);
        assert_eq!(record(&files, &host(), &key(A)).unwrap(), Verdict::Known);
        assert_eq!(text(&files), format!("h {A}\n"));
        assert_eq!(text(&files[1..]), format!("other {A}\n"));
    }

    #[test]
    fn proven_keys_join_a_trusted_one_and_no_other() {
        let folder = Folder::new("record-proven");
        let files = folder.file("known_hosts");
        assert_eq!(record_proven(&files, &host(), &key(A), &[key(B)]).unwrap(), 0, "nothing vouches for the host");
        record(&files, &host(), &key(A)).unwrap();
        for added in [1, 0] {
            assert_eq!(record_proven(&files, &host(), &key(A), &[key(A), key(B)]).unwrap(), added);
        }
        assert_eq!(text(&files), format!("h {A}\nh {B}\n"));
    }

    #[test]
    fn a_revoked_key_is_not_recorded_though_it_is_proven() {
        let folder = Folder::new("record-revoked");
        let files = folder.file("known_hosts");
        let before = format!("@revoked * {B}\nh {A}\n");
        std::fs::write(&files[0], &before).unwrap();
        assert_eq!(record_proven(&files, &host(), &key(A), &[key(B)]).unwrap(), 0);
        assert_eq!(record_proven(&files, &host(), &key(B), &[key(A)]).unwrap(), 0);
        assert_eq!(text(&files), before);
    }

    #[test]
    fn a_name_that_would_be_a_pattern_is_not_recorded() {
        let folder = Folder::new("record-pattern");
        let files = folder.file("known_hosts");
        assert!(record(&files, &HostNames::new("h", 22, Some("*")), &key(A)).is_err());
        assert_eq!(text(&files), "");
    }

    #[cfg(unix)]
    #[test]
    fn new_files_are_private_and_links_stay_links() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new("record-modes");
        let files = folder.file("ssh/known_hosts");
        record(&files, &host(), &key(A)).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&files[0]), mode(files[0].parent().unwrap())), (0o600, 0o700));

        let link = folder.file("link");
        std::os::unix::fs::symlink(&files[0], &link[0]).unwrap();
        record(&link, &HostNames::new("other", 22, None), &key(B)).unwrap();
        assert!(std::fs::symlink_metadata(&link[0]).unwrap().is_symlink());
        assert_eq!(text(&files), format!("h {A}\nother {B}\n"));
    }

    #[test]
    fn waits_for_whoever_holds_the_lock() {
        let folder = Folder::new("record-lock");
        let files = folder.file("known_hosts");
        let holder = open_locked(&files[0]).unwrap();
        let (sender, recorded) = std::sync::mpsc::channel();
        let copy = files.clone();
        let writer =
            std::thread::spawn(move || sender.send(record(&copy, &host(), &key(A)).map_err(|error| error.kind())));
        assert!(recorded.recv_timeout(Duration::from_millis(100)).is_err(), "the lock is held");
        // What `ssh-keygen -R` does: another file in its place. It must not be the old one that is written.
        std::fs::write(folder.0.join("new"), format!("first {B}\n")).unwrap();
        std::fs::rename(folder.0.join("new"), &files[0]).unwrap();
        drop(holder);
        assert_eq!(recorded.recv().unwrap(), Ok(Verdict::Known));
        writer.join().unwrap().unwrap();
        assert_eq!(text(&files), format!("first {B}\nh {A}\n"));
    }
}
