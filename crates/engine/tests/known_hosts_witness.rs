//! known_hosts as `ssh-keygen` reads it, and hostile text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use russh::keys::PublicKey;
use xec_engine::transport::ssh::known_hosts::{Entry, HostNames, KnownHosts, Marker, Verdict};

const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
/// The names `a` and `[ab]:221`, hashed.
const HASHED: [&str; 2] = [
    "|1|PGNm8x/7evTp+rzZAxQe9VxxULQ=|FLUyk5qLePZIv/a6i751ari/Gf4=",
    "|1|vbU02I7p8vSTQoYGSLnR/ED3+Ec=|wyzAlt0yOUxjMjDkF6g2zZ1ADN4=",
];

fn key(text: &str) -> PublicKey {
    PublicKey::from_openssh(text).unwrap()
}

fn read(text: &[u8]) -> KnownHosts {
    let mut known = KnownHosts::default();
    known.read(text, Path::new("test"));
    known
}

/// Names from a small alphabet, so that they often match and often nearly do.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{1,3}", "[ab]\\.[ab]", Just("10.0.0.1".to_owned()), "\\[[ab]{1,2}\\]:22[0-2]"]
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![3 => name(), 3 => "!?[ab*?.]{1,4}", 1 => "!?\\[[ab*?]{1,2}\\]:22[0-2*]", 1 => Just("!*".to_owned()), 1 => "[AB]{1,2}"]
}

fn hosts() -> impl Strategy<Value = String> {
    prop_oneof![9 => prop::collection::vec(pattern(), 1..4).prop_map(|patterns| patterns.join(",")), 1 => prop::sample::select(HASHED.to_vec()).prop_map(str::to_owned)]
}

fn line() -> impl Strategy<Value = String> {
    let marker = prop_oneof![6 => Just(""), 1 => Just("@revoked "), 1 => Just("@cert-authority "), 1 => Just("  ")];
    let body =
        prop_oneof![8 => Just(A), 4 => Just(B), 1 => Just("ssh-ed25519 AAAA"), 1 => Just("ssh-ed25519"), 1 => Just("")];
    let end = prop_oneof![Just(""), Just(" a comment"), Just("\t#"), Just("\r")];
    let blank = prop_oneof![Just(" "), Just("\t"), Just("  ")];
    (marker, hosts(), blank, body, end)
        .prop_map(|(marker, hosts, blank, body, end)| format!("{marker}{hosts}{blank}{body}{end}"))
}

fn file() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop_oneof![8 => line(), 1 => Just(String::new()), 1 => Just("# comment".to_owned())], 0..8)
}

/// ssh-keygen looks at the hosts alone, and also finds lines whose keys are damaged.
fn readable_file() -> impl Strategy<Value = Vec<String>> {
    file().prop_map(|lines| lines.into_iter().filter(|line| Entry::parse(line).is_ok()).collect())
}

/// The lines, from 1, that `ssh-keygen -F` finds.
fn found_by_ssh(file: &Path, name: &str) -> Vec<usize> {
    let output =
        Command::new("ssh-keygen").arg("-F").arg(name).arg("-f").arg(file).output().expect("ssh-keygen is installed");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("# Host ")?.split(" found: line ").nth(1)?.split(' ').next()?.parse().ok())
        .collect()
}

fn found_by_us(lines: &[String], name: &str) -> Vec<usize> {
    let speaks = |line: &str| matches!(Entry::parse(line), Ok(Some(entry)) if entry.hosts.matches(name));
    (1..=lines.len()).filter(|number| speaks(&lines[number - 1])).collect()
}

proptest! {
    // Each case starts a process.
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn finds_the_lines_that_ssh_keygen_finds(lines in readable_file(), name in name()) {
        let path = std::env::temp_dir().join(format!("xec-witness-{}", std::process::id()));
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        let theirs = found_by_ssh(&path, &name);
        std::fs::remove_file(&path).unwrap();
        prop_assert_eq!(found_by_us(&lines, &name), theirs);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_revoked_key_is_never_known(mut lines in file(), at in any::<prop::sample::Index>(), name in name(), broken in any::<bool>()) {
        let revocation = if broken { format!("@revoked {name} {}", &A[..A.len() - 5]) } else { format!("@revoked {name} {A}") };
        lines.insert(at.index(lines.len() + 1), revocation);
        let verdict = read(lines.join("\n").as_bytes()).verdict(&HostNames::new(&name, 22, None), &key(A));
        prop_assert!(matches!(verdict, Verdict::Revoked(_) | Verdict::Unclear(_)), "{:?}", verdict);
    }

    #[test]
    fn who_is_excluded_everywhere_is_unknown(lines in file(), name in name()) {
        let excluding: Vec<String> = lines.iter().filter_map(|line| {
            let Ok(Some(entry)) = Entry::parse(line) else { return None };
            (entry.marker == Marker::Trusted && !line.contains("|1|")).then(|| format!("!{name},{}", line.trim_start()))
        }).collect();
        let verdict = read(excluding.join("\n").as_bytes()).verdict(&HostNames::new(&name, 22, None), &key(A));
        prop_assert_eq!(verdict, Verdict::Unknown);
    }

    #[test]
    fn hostile_bytes_trust_nobody(bytes in prop::collection::vec(any::<u8>(), 0..400), name in ".{0,20}") {
        let known = read(&bytes);
        for port in [22, 2222] {
            let names = HostNames::new(&name, port, None);
            prop_assert_ne!(known.verdict(&names, &key(A)), Verdict::Known);
            prop_assert!(known.offer(&names).known.is_empty());
        }
    }

    #[test]
    fn damage_never_opens(text in file(), name in name(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        // One byte of a file that revokes A for everybody is changed, outside the host field: A must not be known by it.
        let revocation = format!("@revoked * {A}");
        let rest = format!("\n{name} {A}\n{}", text.join("\n"));
        let mut bytes = revocation.clone().into_bytes();
        let position = "@revoked * ".len() + at.index(A.len());
        prop_assume!(byte != b'\n' && bytes[position] != byte);
        bytes[position] = byte;
        bytes.extend(rest.bytes());
        let verdict = read(&bytes).verdict(&HostNames::new(&name, 22, None), &key(A));
        // A changed key may be another good one: then the line revokes that one.
        let another = Entry::parse(&String::from_utf8_lossy(&bytes[..revocation.len()])).is_ok();
        prop_assert!(another || verdict != Verdict::Known, "{:?}", verdict);
    }
}
