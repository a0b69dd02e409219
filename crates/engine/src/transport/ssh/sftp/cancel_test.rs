//! A tree's last steps end with their caller's patience as all others do.

use super::attributes::Attributes;
use super::crew::{Symlinks, TreeOptions};
use super::hostile_test::{Folder, session, soon};
use super::progress::Watch;
use super::wire::{request, status};

fn options() -> TreeOptions {
    TreeOptions { concurrency: 1, symlinks: Symlinks::Recreate, filter: None, atomic: false, preserve: true }
}

#[tokio::test]
async fn setting_modes_after_an_upload_ends_when_it_is_cancelled() {
    let watch = Watch::default();
    let cancel = watch.cancel.clone();
    let sftp = session(move |asked| match asked.kind {
        request::STAT => asked.attributes(&Attributes::of_mode(0o040_755)),
        request::SETSTAT => {
            cancel.cancel();
            Vec::new()
        }
        _ => asked.status(status::OK),
    })
    .await;
    let folder = Folder::new();
    let outcome = soon(sftp.upload_tree(&folder.file(""), b"/x", &options(), &watch)).await;
    assert_eq!(outcome.unwrap_err().code(), "ABORT_ERR");
}

#[tokio::test]
async fn making_links_after_a_download_ends_when_it_is_cancelled() {
    let watch = Watch::default();
    let cancel = watch.cancel.clone();
    let mut listed = false;
    let sftp = session(move |asked| match asked.kind {
        request::OPENDIR => asked.handle(),
        request::READDIR if !std::mem::replace(&mut listed, true) => asked.names(&[(b"link", 0o120_777)]),
        request::READDIR => asked.status(status::EOF),
        request::READLINK => {
            cancel.cancel();
            Vec::new()
        }
        _ => asked.status(status::OK),
    })
    .await;
    let folder = Folder::new();
    let outcome = soon(sftp.download_tree(b"/x", &folder.file("to"), &options(), &watch)).await;
    assert_eq!(outcome.unwrap_err().code(), "ABORT_ERR");
}
