//! Archives that no honest tar would make, and what is left of a tree that was packed and unpacked.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use tar::{Builder, EntryType, Header};

use super::{UnpackSpec, Unpacking};
use crate::archive::TreeReport;
use crate::archive::testing::Folder;
use crate::error::Error;

struct Entry {
    name: &'static str,
    kind: EntryType,
    target: &'static str,
    content: &'static [u8],
}

fn file(name: &'static str, content: &'static [u8]) -> Entry {
    Entry { name, kind: EntryType::Regular, target: "", content }
}

fn link(name: &'static str, target: &'static str) -> Entry {
    Entry { name, kind: EntryType::Symlink, target, content: b"" }
}

fn other(name: &'static str, kind: EntryType, target: &'static str) -> Entry {
    Entry { name, kind, target, content: b"" }
}

/// Names are written past the checks of the library that we use ourselves.
fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for entry in entries {
        let mut header = Header::new_gnu();
        let old = header.as_old_mut();
        old.name[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        old.linkname[..entry.target.len()].copy_from_slice(entry.target.as_bytes());
        header.set_entry_type(entry.kind);
        header.set_mode(0o4755);
        header.set_mtime(1_000_000_000);
        header.set_size(entry.content.len() as u64);
        header.set_cksum();
        builder.append(&header, entry.content).unwrap();
    }
    builder.into_inner().unwrap()
}

async fn unpack_bytes(bytes: Vec<u8>, base: &Path, keep: bool) -> Result<TreeReport, Error> {
    let mut unpacking = Unpacking::start(UnpackSpec { base: base.to_owned(), keep_outside_links: keep });
    for piece in bytes.chunks(1000) {
        unpacking.write(Bytes::copy_from_slice(piece)).await?;
    }
    unpacking.finish().await
}

async fn unpack(entries: &[Entry], base: &Path) -> Result<TreeReport, Error> {
    unpack_bytes(archive(entries), base, false).await
}

#[tokio::test]
async fn an_honest_tree_comes_as_it_was() {
    let folder = Folder::new();
    let base = folder.path().join("tree");
    let entries = [
        other("t/", EntryType::Directory, ""),
        file("t/a", b"hello"),
        link("t/l", "a"),
        file("t/deep/er/b", b""),
        link("t/deep/up", "../a"),
        other("t/h", EntryType::Link, "t/a"),
        other("t/fifo", EntryType::Fifo, ""),
        other("t/null", EntryType::Char, ""),
    ];
    let report = unpack(&entries, &base).await.unwrap();
    assert_eq!(report.files, 3);
    assert_eq!((report.links, report.directories, report.bytes), (2, 1, 5));
    assert_eq!(report.skipped, ["t/fifo", "t/null"]);
    assert_eq!(fs::read(base.join("l")).unwrap(), b"hello");
    assert_eq!(fs::read(base.join("h")).unwrap(), b"hello");
    assert_eq!(fs::read(base.join("deep/up")).unwrap(), b"hello");
    let found = fs::metadata(base.join("a")).unwrap();
    assert_eq!(found.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 1_000_000_000);
    assert!(!base.join("fifo").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn setuid_is_not_kept_for_another_owner() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    unpack(&[file("tool", b"#!")], &folder.path().join("tool")).await.unwrap();
    let mode = fs::metadata(folder.path().join("tool")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[tokio::test]
async fn nothing_is_written_outside_of_the_base() {
    let cases: [(&str, Vec<Entry>); 12] = [
        ("up", vec![file("t/../../evil", b"x")]),
        ("up at once", vec![file("../evil", b"x")]),
        ("absolute", vec![file("/tmp/xec-evil", b"x")]),
        ("through an absolute link", vec![link("t/l", "/tmp"), file("t/l/xec-evil", b"x")]),
        ("through a relative link", vec![link("t/l", ".."), file("t/l/evil", b"x")]),
        (
            "through a link that stays inside",
            vec![other("t/d", EntryType::Directory, ""), link("t/l", "d"), file("t/l/evil", b"x")],
        ),
        (
            "folder through a link",
            vec![other("t/d", EntryType::Directory, ""), link("t/l", "d"), other("t/l", EntryType::Directory, "")],
        ),
        ("a link that goes down and up", vec![link("t/a/b", "../c/../.."), file("t/x", b"")]),
        ("the base as a link", vec![link("t", "/tmp"), file("t/xec-evil", b"x")]),
        ("a hard link out", vec![other("t/h", EntryType::Link, "/etc/passwd")]),
        ("a hard link up", vec![other("t/h", EntryType::Link, "t/../../secret")]),
        (
            "a hard link through a link",
            vec![
                other("t/d", EntryType::Directory, ""),
                link("t/l", "d"),
                file("t/d/x", b""),
                other("t/h", EntryType::Link, "t/l/x"),
            ],
        ),
    ];
    for (what, entries) in cases {
        let folder = Folder::new();
        fs::write(folder.path().join("secret"), "ours").unwrap();
        let error = unpack(&entries, &folder.path().join("in/tree")).await.err();
        let error = match error {
            Some(error) if error.code() == "ENOENT" => {
                fs::create_dir(folder.path().join("in")).unwrap();
                unpack(&entries, &folder.path().join("in/tree")).await.unwrap_err()
            }
            Some(error) => error,
            None => panic!("{what}: was unpacked"),
        };
        assert_eq!(error.code(), "EARCHIVE", "{what}: {error}");
        assert!(!folder.path().join("evil").exists() && !folder.path().join("in/evil").exists(), "{what}");
        assert!(!Path::new("/tmp/xec-evil").exists(), "{what}");
    }
}

#[tokio::test]
async fn links_that_lead_out_may_be_kept_but_are_never_followed() {
    let folder = Folder::new();
    let base = folder.path().join("tree");
    let report = unpack_bytes(archive(&[link("t/l", "/etc")]), &base, true).await.unwrap();
    assert_eq!(report.links, 1);
    assert_eq!(fs::read_link(base.join("l")).unwrap(), Path::new("/etc"));
    let error = unpack_bytes(archive(&[file("t/l/evil", b"x")]), &base, true).await.unwrap_err();
    assert_eq!(error.to_string(), "Cannot unpack t/l/evil: it leads through a symbolic link");
}

#[tokio::test]
async fn a_file_takes_the_place_of_a_file_and_of_a_link_but_not_of_a_folder() {
    let folder = Folder::new();
    let base = folder.path().join("tree");
    fs::create_dir_all(base.join("d")).unwrap();
    fs::write(folder.path().join("secret"), "ours").unwrap();
    fs::write(base.join("f"), "old and longer").unwrap();
    std::os::unix::fs::symlink("../secret", base.join("l")).unwrap();
    unpack(&[file("t/f", b"new"), file("t/l", b"new")], &base).await.unwrap();
    assert_eq!(fs::read(base.join("f")).unwrap(), b"new");
    assert_eq!(fs::read(base.join("l")).unwrap(), b"new");
    assert_eq!(fs::read(folder.path().join("secret")).unwrap(), b"ours");
    assert_eq!(unpack(&[file("t/d", b"new")], &base).await.unwrap_err().code(), "EARCHIVE");
}

#[tokio::test]
async fn sparse_files_are_refused() {
    let folder = Folder::new();
    let error = unpack(&[other("t", EntryType::GNUSparse, "")], &folder.path().join("t")).await.unwrap_err();
    assert_eq!(error.code(), "EARCHIVE");
}

#[tokio::test]
async fn what_ends_early_is_an_error_wherever_it_is_cut() {
    let whole = archive(&[file("t/a", &[7; 3000]), file("t/b", b"x")]);
    for length in [0, 100, 512, 2000, 3584, 4096, 5120, whole.len() - 1024] {
        let folder = Folder::new();
        let bytes = whole.get(..length).unwrap().to_vec();
        let error = unpack_bytes(bytes, &folder.path().join("t"), false).await.expect_err(&length.to_string());
        assert_eq!(error.code(), "EARCHIVE", "{length}: {error}");
    }
    let folder = Folder::new();
    unpack_bytes(whole, &folder.path().join("t"), false).await.unwrap();
}

#[tokio::test]
async fn what_is_no_archive_is_refused() {
    let folder = Folder::new();
    let error = unpack_bytes(vec![b'x'; 4096], &folder.path().join("t"), false).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("Cannot unpack {}: what came is no tar archive", folder.path().join("t").display())
    );
}

#[tokio::test]
async fn what_follows_the_end_is_read_and_forgotten() {
    let mut bytes = archive(&[file("t", b"x")]);
    bytes.extend(vec![0; 3_000_000]);
    let folder = Folder::new();
    assert_eq!(unpack_bytes(bytes, &folder.path().join("t"), false).await.unwrap().files, 1);
}

/// What a hostile tar would say, made of the parts that have a meaning.
fn parts() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let part =
        prop_oneof!["[ab]", Just("..".to_owned()), Just(".".to_owned()), Just("t".to_owned()), Just(String::new())];
    (any::<bool>(), proptest::collection::vec(part, 1..5))
        .prop_map(|(absolute, parts)| format!("{}{}", if absolute { "/" } else { "" }, parts.join("/")))
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]

    /// Whatever an archive holds, everything beside the base stays as it was.
    #[test]
    fn no_archive_reaches_beyond_its_base(
        entries in proptest::collection::vec((parts(), 0_u8..5, parts()), 1..8), keep in proptest::bool::ANY,
    ) {
        let entries: Vec<Entry> = entries.into_iter().map(|(name, kind, target)| {
            let kind = [EntryType::Regular, EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::Regular][usize::from(kind)];
            // Leaked: the test is short, and the other tests' names are literals.
            Entry { name: name.leak(), kind, target: target.leak(), content: if kind == EntryType::Regular { b"theirs" } else { b"" } }
        }).collect();
        let folder = Folder::new();
        let outside = folder.path().join("outside");
        let base = outside.join("in/tree");
        fs::create_dir_all(outside.join("in")).unwrap();
        for name in ["a", "b", "in/a", "in/b"] {
            fs::write(outside.join(name), "ours").unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // Whether it is refused is told by other tests.
        let _ = runtime.block_on(unpack_bytes(archive(&entries), &base, keep));
        for name in ["a", "b", "in/a", "in/b"] {
            proptest::prop_assert_eq!(fs::read_to_string(outside.join(name)).unwrap(), "ours");
            proptest::prop_assert!(!fs::symlink_metadata(outside.join(name)).unwrap().is_symlink());
        }
        let mut left: Vec<String> = fs::read_dir(&outside).unwrap().chain(fs::read_dir(outside.join("in")).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(|name| name != "tree").collect();
        left.sort();
        proptest::prop_assert_eq!(left, ["a", "a", "b", "b", "in"]);
    }
}
