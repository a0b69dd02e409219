//! Replacing a file on a server that cannot do it in one step: no failure in between may cost both files.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::attributes::Attributes;
use super::hostile_test::{Asked, Folder, session, soon};
use super::progress::Watch;
use super::session::Sftp;
use super::upload::UploadOptions;
use super::wire::{request, status};
use crate::error::{Error, Kind};

type Files = Arc<Mutex<BTreeMap<Vec<u8>, &'static str>>>;

fn text<'a>(fields: &mut &'a [u8]) -> &'a [u8] {
    let (length, rest) = fields.split_at(4);
    let (text, rest) = rest.split_at(u32::from_be_bytes(length.try_into().unwrap()) as usize);
    *fields = rest;
    text
}

/// A server whose `rename` replaces nothing. Of those that could be done, the ones that `refused` names by number are not.
async fn server(files: &Files, refused: &'static [usize]) -> Sftp {
    let files = Arc::clone(files);
    let mut renames = 0;
    session(move |asked| serve(&asked, &mut files.lock(), &mut renames, refused)).await
}

fn serve(
    asked: &Asked,
    files: &mut BTreeMap<Vec<u8>, &'static str>,
    renames: &mut usize,
    refused: &[usize],
) -> Vec<u8> {
    let mut fields = &asked.body[..];
    let path = text(&mut fields).to_vec();
    match asked.kind {
        request::OPEN => {
            files.insert(path, "new");
            asked.handle()
        }
        request::STAT | request::LSTAT => match files.get(&path) {
            Some(&"directory") => asked.attributes(&Attributes::of_mode(0o040_755)),
            Some(_) => asked.attributes(&Attributes::of_mode(0o100_644)),
            None => asked.status(status::NO_SUCH_FILE),
        },
        request::REMOVE => {
            let removed = files.remove(&path);
            asked.status(if removed.is_some() { status::OK } else { status::NO_SUCH_FILE })
        }
        request::RENAME => {
            let to = text(&mut fields).to_vec();
            if files.contains_key(&to) {
                return asked.status(4);
            }
            *renames += 1;
            if refused.contains(renames) {
                return asked.status(status::PERMISSION_DENIED);
            }
            let file = files.remove(&path).unwrap();
            files.insert(to, file);
            asked.status(status::OK)
        }
        _ => asked.status(status::OK),
    }
}

/// An atomic upload to `/x`, where there is `there`; how it ended, and what is there now.
async fn uploaded(there: &'static str, refused: &'static [usize]) -> (Result<u64, Error>, Vec<(String, &'static str)>) {
    let files: Files = Arc::new(Mutex::new(BTreeMap::from([(b"/x".to_vec(), there)])));
    let sftp = server(&files, refused).await;
    let folder = Folder::new();
    std::fs::write(folder.file("x"), "new").unwrap();
    let options = UploadOptions { atomic: true, ..UploadOptions::default() };
    let outcome = soon(sftp.upload(&folder.file("x"), b"/x", &options, &Watch::default())).await;
    // Everything that was asked is answered after this.
    soon(sftp.close()).await;
    let left = files.lock().iter().map(|(path, file)| (String::from_utf8(path.clone()).unwrap(), *file)).collect();
    (outcome, left)
}

#[tokio::test]
async fn the_old_file_goes_when_the_new_one_is_in_its_place() {
    let (outcome, left) = uploaded("old", &[]).await;
    assert_eq!(outcome.unwrap(), 3);
    assert_eq!(left, [("/x".to_owned(), "new")]);
}

#[tokio::test]
async fn a_directory_is_not_replaced() {
    let (outcome, left) = uploaded("directory", &[]).await;
    assert_eq!(outcome.unwrap_err().code(), "EEXIST");
    assert_eq!(left, [("/x".to_owned(), "directory")]);
}

#[tokio::test]
async fn whichever_step_fails_the_old_file_stays_or_comes_back() {
    for refused in [&[1][..], &[2]] {
        let (outcome, left) = uploaded("old", refused).await;
        assert_eq!(outcome.unwrap_err().code(), "EACCES", "{refused:?}");
        assert_eq!(left, [("/x".to_owned(), "old")], "{refused:?}");
    }
}

#[tokio::test]
async fn when_it_cannot_come_back_both_stay_and_the_error_says_where() {
    let (outcome, left) = uploaded("old", &[2, 3]).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.code(), error.path(), error.kind()), ("EMISPLACED", Some("/x"), Kind::PermissionDenied));
    let Error::Misplaced { old, new, source, .. } = error else { panic!("{error}") };
    assert_eq!(source.code(), "EACCES");
    let mut expected = [(old, "old"), (new, "new")];
    expected.sort();
    assert_eq!(left, expected);
}
