//! The embedded SSH server as a program, for whoever is not written in Rust.
//!
//! Prints one line of JSON that says how to log in, serves until its stdin closes (so that it ends with its parent,
//! however that ends), removes the key it wrote, and exits 0.

use std::error::Error;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use xec_engine::testing::{ClientKey, EmbeddedServer, User};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const USER: &str = "demo";

/// A folder only we can read, removed when this is dropped.
struct PrivateFolder(PathBuf);

impl PrivateFolder {
    fn create() -> Outcome<Self> {
        let path = std::env::temp_dir().join(format!("embedded-sshd-{}", ClientKey::random_word()?));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }
}

impl Drop for PrivateFolder {
    #[expect(clippy::print_stderr, reason = "a program's last word to whoever started it; nobody else can hear it")]
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let (key, password) = (ClientKey::generate()?, ClientKey::random_word()?);
    let folder = PrivateFolder::create()?;
    let key_path = folder.write("id_ed25519", &key.private_text()?)?;
    let user = User::new(USER).password(&password).authorized_key(key.public_line()?);
    let server = EmbeddedServer::builder().user(user).start().await?;
    announce(&server, &password, &key_path)?;
    wait_for_parent().await?;
    server.stop().await;
    Ok(())
}

fn announce(server: &EmbeddedServer, password: &str, key_path: &Path) -> io::Result<()> {
    let address = server.addr();
    let mut stdout = io::stdout().lock();
    writeln!(
        stdout,
        r#"{{"host":{},"port":{},"username":{},"password":{},"privateKeyPath":{},"hostKeyFingerprint":{}}}"#,
        json(&address.ip().to_string()),
        address.port(),
        json(USER),
        json(password),
        json(&key_path.to_string_lossy()),
        json(server.host_key_fingerprint()),
    )?;
    stdout.flush()
}

/// A JSON string; everything above ASCII may stand in one as it is.
fn json(text: &str) -> String {
    let escape = |character: char| match character {
        '"' | '\\' => format!("\\{character}"),
        control if control.is_control() => format!("\\u{:04x}", u32::from(control)),
        other => other.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

/// Returns when stdin closes. On a thread of its own: tokio cannot read a terminal or a pipe without one either.
async fn wait_for_parent() -> Outcome<()> {
    let read_to_end = || io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
    tokio::task::spawn_blocking(read_to_end).await??;
    Ok(())
}
