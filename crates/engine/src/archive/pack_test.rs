use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use bytes::Bytes;

use super::{Extra, PackSpec, Packing};
use crate::archive::testing::Folder;
use crate::archive::{Patterns, TreeReport, UnpackSpec, Unpacking};
use crate::error::Error;

async fn pack(spec: PackSpec) -> Result<(Vec<u8>, TreeReport), Error> {
    let mut packing = Packing::start(spec);
    let mut bytes = Vec::new();
    while let Some(piece) = packing.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok((bytes, packing.report()))
}

fn spec(folder: &Folder, name: Option<&str>) -> PackSpec {
    PackSpec {
        root: folder.path().to_owned(),
        name: name.map(str::to_owned),
        ignore: Patterns::default(),
        extra: Vec::new(),
    }
}

fn names(bytes: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(bytes);
    archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
}

#[tokio::test]
async fn a_tree_goes_out_and_comes_back() {
    let folder = Folder::new();
    let long = "n".repeat(200);
    fs::create_dir_all(folder.path().join("sub").join(&long)).unwrap();
    fs::write(folder.path().join("sub").join(&long).join("file"), vec![3; 1_000_000]).unwrap();
    fs::write(folder.path().join("run.sh"), "#!/bin/sh").unwrap();
    fs::set_permissions(folder.path().join("run.sh"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::create_dir(folder.path().join("closed")).unwrap();
    fs::write(folder.path().join("closed/in"), "x").unwrap();
    fs::set_permissions(folder.path().join("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    symlink("run.sh", folder.path().join("link")).unwrap();
    let (bytes, sent) = pack(spec(&folder, Some("t"))).await.unwrap();
    let back = Folder::new();
    let mut unpacking = Unpacking::start(UnpackSpec { base: back.path().join("x"), keep_outside_links: false });
    unpacking.write(Bytes::from(bytes)).await.unwrap();
    let received = unpacking.finish().await.unwrap();
    assert_eq!(sent, received);
    assert_eq!((sent.files, sent.directories, sent.links), (3, 4, 1));
    assert_eq!(fs::read(back.path().join("x/sub").join(&long).join("file")).unwrap(), vec![3; 1_000_000]);
    let mode = |name: &str| fs::metadata(back.path().join("x").join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("run.sh"), mode("closed")), (0o751, 0o555));
    assert_eq!(fs::read_link(back.path().join("x/link")).unwrap().to_str(), Some("run.sh"));
    for place in [&folder, &back] {
        let closed =
            if place.path().join("x").exists() { place.path().join("x/closed") } else { place.path().join("closed") };
        fs::set_permissions(closed, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[tokio::test]
async fn what_is_left_out_is_not_sent_and_extras_are() {
    let folder = Folder::new();
    for name in ["a.txt", "b.log", "deep/c.log", "deep/keep.log", "out/x", "out/y/z"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    let ignore = Patterns::parse("**/*.log\n!deep/keep.log\nout").unwrap();
    let extra = vec![Extra { name: "Dockerfile".to_owned(), content: Bytes::from_static(b"FROM scratch") }];
    let (bytes, _) = pack(PackSpec { ignore, extra, ..spec(&folder, None) }).await.unwrap();
    assert_eq!(names(&bytes), ["a.txt", "deep", "deep/keep.log", "Dockerfile"]);
}

#[tokio::test]
async fn the_same_tree_gives_the_same_stream() {
    let folder = Folder::new();
    for name in ["z", "a", "m"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    assert_eq!(pack(spec(&folder, None)).await.unwrap(), pack(spec(&folder, None)).await.unwrap());
}

#[tokio::test]
async fn pipes_and_sockets_are_skipped_and_named() {
    let folder = Folder::new();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("s")).unwrap();
    let (bytes, report) = pack(spec(&folder, Some("t"))).await.unwrap();
    assert_eq!(names(&bytes), ["t"]);
    assert_eq!((report.skipped, report.skipped_count), (vec!["t/s".to_owned()], 1));
}

#[tokio::test]
async fn a_missing_root_is_an_error_about_the_file() {
    let folder = Folder::new();
    let error = pack(PackSpec { root: folder.path().join("none"), ..spec(&folder, Some("t")) }).await.unwrap_err();
    assert_eq!((error.code(), error.phase().as_str()), ("ENOENT", "transfer"));
}

#[tokio::test]
async fn a_reader_that_leaves_ends_the_work() {
    let folder = Folder::new();
    fs::write(folder.path().join("big"), vec![1; 20_000_000]).unwrap();
    let mut packing = Packing::start(spec(&folder, Some("t")));
    assert!(packing.next().await.unwrap().is_some());
    drop(packing);
}
