//! A known_hosts file, whatever it holds, is read to its end: nothing panics, every line is taken or reported, a key that
//! no line holds is never known, and a key that is revoked for everybody never is either.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use russh::keys::PublicKey;
use russh::keys::ssh_key::public::Ed25519PublicKey;
use sha2::{Digest, Sha256};
use xec_engine::transport::ssh::known_hosts::{HostNames, KnownHosts, Verdict};

/// The seeds' key.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";

/// A key made of the file's own hash. No file holds its own hash; a fixed key would be found, since libFuzzer sees what the
/// lines are compared with and puts it into the next file.
fn stranger(data: &[u8]) -> PublicKey {
    PublicKey::from(Ed25519PublicKey(Sha256::digest(data).into()))
}

fuzz_target!(|data: &[u8]| {
    let Ok(key) = PublicKey::from_openssh(KEY) else { return };
    let stranger = stranger(data);
    let mut known = KnownHosts::default();
    known.read(data, Path::new("fuzz"));
    for port in [22, 2222] {
        let names = HostNames::new("host.example", port, None);
        assert_ne!(known.verdict(&names, &stranger), Verdict::Known);
        let _ = known.offer(&names);
    }
    let lines = data.split(|byte| *byte == b'\n').count();
    assert!(known.unreadable().len() <= lines);

    known.read(format!("@revoked * {KEY}").as_bytes(), Path::new("revoked"));
    let verdict = known.verdict(&HostNames::new("host.example", 2222, None), &key);
    assert!(matches!(verdict, Verdict::Revoked(_) | Verdict::Unclear(_)));
});
