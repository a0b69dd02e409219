use super::wire::status;
use crate::error::{Error, Kind};

/// The error for an operation that the server did not do. `message` is the server's own text.
pub fn refusal(operation: &'static str, path: &[u8], code: u32, message: &str) -> Error {
    let (code, kind, meaning) = meaning(code);
    let said = message.trim();
    let problem = if said.is_empty() || said.eq_ignore_ascii_case(meaning) {
        meaning.to_owned()
    } else {
        format!("{meaning} (the server says: {said})")
    };
    Error::RemoteFile { operation, path: display(path), code, kind, problem }
}

/// As [`refusal`], where we know better than the server's status what is wrong.
pub fn problem(operation: &'static str, path: &[u8], code: &'static str, problem: &str) -> Error {
    let kind = if code == "ENOENT" { Kind::NotFound } else { Kind::Unknown };
    Error::RemoteFile { operation, path: display(path), code, kind, problem: problem.to_owned() }
}

pub fn display(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

fn meaning(code: u32) -> (&'static str, Kind, &'static str) {
    match code {
        status::EOF => ("EOF", Kind::Unknown, "end of file"),
        status::NO_SUCH_FILE => ("ENOENT", Kind::NotFound, "no such file"),
        status::PERMISSION_DENIED => ("EACCES", Kind::PermissionDenied, "permission denied"),
        status::BAD_MESSAGE => ("EBADMSG", Kind::Unknown, "bad message"),
        status::NO_CONNECTION => ("ENOTCONN", Kind::ConnectionLost, "no connection"),
        status::CONNECTION_LOST => ("ECONNLOST", Kind::ConnectionLost, "connection lost"),
        status::OP_UNSUPPORTED => ("ENOTSUP", Kind::Unknown, "operation unsupported"),
        // Version 3 has no word for a full disk, a directory that is not empty and much else.
        _ => ("EFAILURE", Kind::Unknown, "failure"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_and_where_and_repeats_nothing() {
        let error = refusal("open", b"/x", status::NO_SUCH_FILE, "No such file");
        assert_eq!((error.code(), error.to_string().as_str()), ("ENOENT", "Cannot open /x: no such file"));
        let error = refusal("write", b"/x", 4, "disk quota exceeded");
        assert_eq!(error.to_string(), "Cannot write /x: failure (the server says: disk quota exceeded)");
        assert_eq!(refusal("open", b"/x", 4711, "").code(), "EFAILURE");
    }
}
