//! An archive out of a container, whoever made it, is unpacked below its base or refused: nothing beside the base is made, changed
//! or linked to, and nothing in it leads out.
#![no_main]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};
use xec_engine::archive::{TreeReport, UnpackSpec, Unpacking};

const BLOCK: usize = 512;
const NEIGHBOUR: &[u8] = b"not part of any copy";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());

/// A folder with a file of somebody else's, beside which the archive is unpacked. Emptied for each archive.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    // In memory, where there is such a place: tens of thousands of small trees are no work for a disk.
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    place.join(format!("xec-fuzz-unpack-{}", std::process::id()))
});

/// Makes headers valid: no chance finds a checksum. What they say stays as it is.
fn with_checksums(data: &[u8]) -> Vec<u8> {
    let mut archive = data.to_vec();
    let mut at = 0;
    while let Some(header) = archive.get_mut(at..at + BLOCK) {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = std::str::from_utf8(&header[124..135])
            .ok()
            .and_then(|text| usize::from_str_radix(text.trim_matches([' ', '\0']), 8).ok());
        at = at.saturating_add(BLOCK).saturating_add(size.unwrap_or(0).min(1 << 20).div_ceil(BLOCK) * BLOCK);
    }
    archive.extend_from_slice(&[0; 2 * BLOCK]);
    archive
}

async fn unpack(archive: Vec<u8>, base: PathBuf, keep_outside_links: bool) -> Option<TreeReport> {
    let mut unpacking = Unpacking::start(UnpackSpec { base, keep_outside_links });
    for piece in Bytes::from(archive).chunks(1000) {
        unpacking.write(Bytes::copy_from_slice(piece)).await.ok()?;
    }
    unpacking.finish().await.ok()
}

/// Everything below `folder` is a folder, a file without special rights, or a link that stays below `base`.
fn look(base: &Path, folder: &Path, keeps_links: bool) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let found = fs::symlink_metadata(&path).unwrap();
        if found.is_symlink() {
            assert!(keeps_links || stays(base, &path), "{} leads out", path.display());
            continue;
        }
        assert_eq!(found.permissions().mode() & 0o7000, 0, "{} has special rights", path.display());
        if found.is_dir() {
            look(base, &path, keeps_links);
        } else {
            assert!(found.is_file());
        }
    }
}

fn stays(base: &Path, link: &Path) -> bool {
    let target = fs::read_link(link).unwrap();
    let depth = link.strip_prefix(base).unwrap().components().count() - 1;
    let ups = target.components().filter(|part| *part == Component::ParentDir).count();
    let resolved = fs::canonicalize(link).ok();
    target.is_relative() && ups <= depth && resolved.is_none_or(|path| path.starts_with(base))
}

fuzz_target!(|data: &[u8]| {
    let [how, data @ ..] = data else { return };
    let keeps_links = how & 1 == 1;
    let archive = if how & 2 == 2 { data.to_vec() } else { with_checksums(data) };
    let folder = &*FOLDER;
    let _ = fs::remove_dir_all(folder);
    fs::create_dir(folder).unwrap();
    let (base, neighbour) = (folder.join("base"), folder.join("neighbour"));
    fs::write(&neighbour, NEIGHBOUR).unwrap();
    RUNTIME.block_on(unpack(archive, base.clone(), keeps_links));

    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert!(names == ["neighbour"] || names == ["base", "neighbour"], "made beside the base: {names:?}");
    assert_eq!(fs::read(&neighbour).unwrap(), NEIGHBOUR);
    assert_eq!(fs::metadata(&neighbour).unwrap().nlink(), 1);
    if fs::symlink_metadata(&base).is_ok_and(|found| found.is_dir()) {
        look(&base, &base, keeps_links);
    }
    fs::remove_dir_all(folder).unwrap();
});
