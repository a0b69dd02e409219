use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use nix::unistd::Uid;
use parking_lot::Mutex;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

/// The control sockets of this process. Its own connections do not go through them.
static SERVED: LazyLock<Served> = LazyLock::new(Served::default);

#[derive(Default)]
struct Served {
    /// With the file that is ours, once it is there.
    paths: Mutex<HashMap<PathBuf, Option<File>>>,
    changed: Notify,
}

/// Device and inode: somebody may have put another file in the place of ours.
type File = (u64, u64);

/// A control socket that we listen on. Its file goes with it.
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    file: File,
}

/// Does this process listen there?
pub fn is_served(path: &Path) -> bool {
    SERVED.paths.lock().contains_key(path)
}

/// Resolves when this process does not listen there. Cancel-safe.
pub async fn until_free(path: &Path) {
    loop {
        let changed = SERVED.changed.notified();
        tokio::pin!(changed);
        // Before looking, or a change in between would be missed.
        changed.as_mut().enable();
        if !is_served(path) {
            return;
        }
        changed.await;
    }
}

/// Removes the files of all control sockets: for a process that ends without closing its connections.
pub fn remove_all() {
    for (path, file) in SERVED.paths.lock().drain() {
        // Left for whoever comes next to find dead.
        let _ = file.map(|file| remove(&path, file));
    }
}

/// If it is still ours.
fn remove(path: &Path, file: File) -> io::Result<()> {
    let ours = path.symlink_metadata().is_ok_and(|found| (found.dev(), found.ino()) == file);
    if ours { std::fs::remove_file(path) } else { Ok(()) }
}

impl Listener {
    /// Listens at `path`, which must be free, in a directory that only we can write to.
    pub fn bind(path: &Path) -> io::Result<Self> {
        check_directory(path)?;
        match SERVED.paths.lock().entry(path.to_owned()) {
            Entry::Occupied(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Entry::Vacant(place) => place.insert(None),
        };
        Self::bind_registered(path).inspect_err(|_| forget(path))
    }

    /// Under another name first: whoever sees the socket at its place can connect to it, and only who may.
    fn bind_registered(path: &Path) -> io::Result<Self> {
        let temporary = temporary_name(path);
        let socket = UnixListener::bind(&temporary)?;
        let linked = std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(0o600))
            .and_then(|()| std::fs::hard_link(&temporary, path));
        std::fs::remove_file(&temporary)?;
        linked?;
        let found = path.symlink_metadata()?;
        let file = (found.dev(), found.ino());
        SERVED.paths.lock().insert(path.to_owned(), Some(file));
        Ok(Self { socket, path: path.to_owned(), file })
    }

    /// Cancel-safe.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.socket.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path, self.file) {
            tracing::warn!(path = %self.path.display(), %error, "a control socket stays behind");
        }
        forget(&self.path);
    }
}

fn forget(path: &Path) {
    SERVED.paths.lock().remove(path);
    SERVED.changed.notify_waiters();
}

/// Whoever may write to the directory could put a socket of their own in the place of ours.
fn check_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let found = directory.metadata()?;
    let problem = if found.uid() != Uid::effective().as_raw() {
        "belongs to another user"
    } else if found.mode() & 0o022 != 0 {
        "can be written to by others"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {problem}", directory.display())))
}

/// In the same directory, and not longer than it has to be.
fn temporary_name(path: &Path) -> PathBuf {
    path.with_file_name(format!(".xec{:08x}", RandomState::new().hash_one(path) & 0xffff_ffff))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(mode: u32) -> PathBuf {
        let path = std::env::temp_dir().join(format!("xec-listen-{:x}", RandomState::new().hash_one(mode)));
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[tokio::test]
    async fn only_we_can_connect_and_nothing_stays_behind() {
        let directory = directory(0o700);
        let path = directory.join("control");
        let listener = Listener::bind(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1, "the temporary name is gone");
        assert!(is_served(&path));
        drop(listener);
        until_free(&path).await;
        std::fs::remove_dir(directory).expect("it is empty again");
    }

    #[tokio::test]
    async fn what_is_there_stays_there() {
        let directory = directory(0o700);
        let path = directory.join("control");
        std::fs::write(&path, "precious").unwrap();
        assert_eq!(Listener::bind(&path).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        assert!(!is_served(&path));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[tokio::test]
    async fn another_file_in_its_place_is_not_removed() {
        let directory = directory(0o700);
        let path = directory.join("control");
        let listener = Listener::bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "somebody else's").unwrap();
        drop(listener);
        assert!(path.exists());
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[tokio::test]
    async fn a_directory_that_others_can_write_to_is_refused() {
        let directory = directory(0o777);
        let error = Listener::bind(&directory.join("control")).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        std::fs::remove_dir(directory).unwrap();
    }
}
