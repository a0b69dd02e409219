//! Errors of this machine's files, in the engine's words.

use super::Kind;

pub(super) fn local_code(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound => "ENOENT",
        Io::PermissionDenied => "EACCES",
        Io::AlreadyExists => "EEXIST",
        Io::IsADirectory => "EISDIR",
        Io::NotADirectory => "ENOTDIR",
        Io::StorageFull => "ENOSPC",
        Io::QuotaExceeded => "EDQUOT",
        Io::ReadOnlyFilesystem => "EROFS",
        Io::FileTooLarge => "EFBIG",
        Io::InvalidInput | Io::InvalidFilename => "EINVAL",
        _ => "EIO",
    }
}

pub(super) fn local_kind(error: &std::io::Error) -> Kind {
    match error.kind() {
        std::io::ErrorKind::NotFound => Kind::NotFound,
        std::io::ErrorKind::PermissionDenied => Kind::PermissionDenied,
        _ => Kind::Unknown,
    }
}

/// The system's words without its number.
pub(super) fn local_problem(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
