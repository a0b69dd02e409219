//! The messages of `v4.channel.k8s.io` and `v5.channel.k8s.io`: a byte that names the channel, and what is for it.
//!
//! Pure: bytes in, frames out. Nothing that a server sends decides how much is allocated: a message is as long as it is, and
//! what is parsed of it has a limit.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde_json::Value;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const RESIZE: u8 = 4;
/// v5: the channel that follows has ended.
const CLOSE: u8 = 255;

/// A status is a short JSON text.
const STATUS_LIMIT: usize = 64 * 1024;

/// One message of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Stdout(Bytes),
    Stderr(Bytes),
    Status(Status),
    /// Nothing for anybody: servers open channels with empty messages, and tell which have ended.
    Nothing,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// 0 is success.
    Code(u32),
    /// It did not run, or nobody knows how it ended; in the server's words.
    Failure(String),
}

/// What no server may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameProblem {
    #[error("a message without a channel")]
    Empty,
    #[error("a message for a channel that only we write")]
    Direction,
    #[error("a message for a channel that there is not")]
    UnknownChannel,
    #[error("a status that is too long")]
    StatusTooLong,
    #[error("a status that cannot be read")]
    BadStatus,
}

/// What a server's message means.
pub fn decode(mut message: Bytes) -> Result<Frame, FrameProblem> {
    if message.is_empty() {
        return Err(FrameProblem::Empty);
    }
    let channel = message.get_u8();
    match channel {
        _ if message.is_empty() && channel <= RESIZE => Ok(Frame::Nothing),
        STDOUT => Ok(Frame::Stdout(message)),
        STDERR => Ok(Frame::Stderr(message)),
        STATUS => status(&message).map(Frame::Status),
        CLOSE => Ok(Frame::Nothing),
        STDIN | RESIZE => Err(FrameProblem::Direction),
        _ => Err(FrameProblem::UnknownChannel),
    }
}

/// `metav1.Status`, as far as it says how a command ended.
fn status(text: &[u8]) -> Result<Status, FrameProblem> {
    if text.len() > STATUS_LIMIT {
        return Err(FrameProblem::StatusTooLong);
    }
    let json: Value = serde_json::from_slice(text).map_err(|_| FrameProblem::BadStatus)?;
    let word = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default();
    match word("status") {
        "Success" => Ok(Status::Code(0)),
        "Failure" => match exit_code(&json) {
            Some(0) => Err(FrameProblem::BadStatus),
            Some(code) => Ok(Status::Code(code)),
            None if word("reason") == "NonZeroExitCode" => Err(FrameProblem::BadStatus),
            None if word("message").is_empty() => Ok(Status::Failure(word("reason").to_owned())),
            None => Ok(Status::Failure(word("message").to_owned())),
        },
        _ => Err(FrameProblem::BadStatus),
    }
}

fn exit_code(json: &Value) -> Option<u32> {
    if json.get("reason").and_then(Value::as_str) != Some("NonZeroExitCode") {
        return None;
    }
    let causes = json.get("details")?.get("causes")?.as_array()?;
    let cause = causes.iter().find(|cause| cause.get("reason").and_then(Value::as_str) == Some("ExitCode"))?;
    // Some runtimes report a process they killed as -1.
    let code: i64 = cause.get("message")?.as_str()?.parse().ok()?;
    u32::try_from(code).ok().or(Some(255))
}

/// A piece of stdin.
pub fn stdin(data: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(data.len() + 1);
    message.put_u8(STDIN);
    message.put_slice(data);
    message.freeze()
}

/// The end of stdin. v5 only.
pub fn end_of_stdin() -> Bytes {
    Bytes::from_static(&[CLOSE, STDIN])
}

/// The terminal's size.
pub fn resize(columns: u32, rows: u32) -> Bytes {
    // A terminal's size has 16 bits.
    let (columns, rows) = (columns.min(0xffff), rows.min(0xffff));
    let mut message = BytesMut::with_capacity(40);
    message.put_u8(RESIZE);
    message.put_slice(format!("{{\"Width\":{columns},\"Height\":{rows}}}").as_bytes());
    message.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(channel: u8, text: &str) -> Result<Frame, FrameProblem> {
        let mut message = vec![channel];
        message.extend_from_slice(text.as_bytes());
        decode(message.into())
    }

    #[test]
    fn output_is_told_apart() {
        assert_eq!(decoded(1, "out"), Ok(Frame::Stdout(Bytes::from_static(b"out"))));
        assert_eq!(decoded(2, "err"), Ok(Frame::Stderr(Bytes::from_static(b"err"))));
        for opening in 0..=4 {
            assert_eq!(decoded(opening, ""), Ok(Frame::Nothing));
        }
        assert_eq!(decode(Bytes::from_static(&[255, 1])), Ok(Frame::Nothing));
    }

    #[test]
    fn a_status_is_a_code_or_words() {
        assert_eq!(decoded(3, r#"{"status":"Success"}"#), Ok(Frame::Status(Status::Code(0))));
        let failed = |code: &str| {
            format!(
                r#"{{"status":"Failure","reason":"NonZeroExitCode","message":"x","details":{{"causes":[{{"reason":"ExitCode","message":"{code}"}}]}}}}"#
            )
        };
        assert_eq!(decoded(3, &failed("137")), Ok(Frame::Status(Status::Code(137))));
        assert_eq!(decoded(3, &failed("-1")), Ok(Frame::Status(Status::Code(255))));
        let internal = r#"{"status":"Failure","reason":"InternalError","message":"no such container"}"#;
        assert_eq!(decoded(3, internal), Ok(Frame::Status(Status::Failure("no such container".into()))));
    }

    #[test]
    fn a_failure_is_never_taken_for_success() {
        for text in [
            "{}",
            "null",
            "Success",
            r#"{"status":"success"}"#,
            r#"{"status":"Failure","reason":"NonZeroExitCode"}"#,
            r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"0"}]}}"#,
            r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"x"}]}}"#,
        ] {
            assert_eq!(decoded(3, text), Err(FrameProblem::BadStatus), "{text}");
        }
        assert_eq!(decoded(3, &" ".repeat(STATUS_LIMIT + 1)), Err(FrameProblem::StatusTooLong));
    }

    #[test]
    fn what_no_server_may_send_is_refused() {
        assert_eq!(decode(Bytes::new()), Err(FrameProblem::Empty));
        assert_eq!(decoded(0, "x"), Err(FrameProblem::Direction));
        assert_eq!(decoded(7, "x"), Err(FrameProblem::UnknownChannel));
    }

    #[test]
    fn what_we_send() {
        assert_eq!(&stdin(b"ab")[..], b"\0ab");
        assert_eq!(&end_of_stdin()[..], [255, 0]);
        assert_eq!(&resize(80, 24)[..], b"\x04{\"Width\":80,\"Height\":24}");
    }
}
