//! A right upgrade, and then frames, messages and statuses that are none.

use super::{Answer, Case, case};

const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;

pub fn cases() -> Vec<Case> {
    [ends(), closes(), frames(), channels(), statuses(), failures(), floods()].into_iter().flatten().collect()
}

/// One frame of a server.
fn frame(first: u8, data: &[u8]) -> Vec<u8> {
    let length = data.len();
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(u8::try_from(length).unwrap()),
        126..=0xffff => {
            bytes.push(126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(data);
    bytes
}

/// One message for a channel.
pub fn message(channel: u8, data: &[u8]) -> Vec<u8> {
    frame(BINARY, &[&[channel], data].concat())
}

fn then(name: impl Into<String>, bytes: Vec<u8>, code: &'static str) -> Case {
    case(name, Answer::Switched { changes: Vec::new(), then: bytes, held: false }, code)
}

fn ends() -> Vec<Case> {
    let mut cases = vec![
        then("an end at once", Vec::new(), "ECONNLOST"),
        then("output and an end", message(1, b"out"), "ECONNLOST"),
        then(
            "v5's closing of every channel, and an end",
            [frame(BINARY, &[255, 1]), frame(BINARY, &[255, 3])].concat(),
            "ECONNLOST",
        ),
        case("silence", Answer::Switched { changes: Vec::new(), then: Vec::new(), held: true }, "ETIMEDOUT"),
        case(
            "silence after output",
            Answer::Switched { changes: Vec::new(), then: message(1, b"out"), held: true },
            "ETIMEDOUT",
        ),
        case(
            "silence within a frame",
            Answer::Switched { changes: Vec::new(), then: vec![BINARY, 50, 1], held: true },
            "ETIMEDOUT",
        ),
    ];
    let whole = frame(BINARY, &[[1].as_slice(), &[b'x'; 300]].concat());
    for at in [1, 2, 3, 4, 5, 100] {
        cases.push(then(format!("a frame cut after {at} bytes"), whole[..at].to_vec(), "ECONNLOST"));
    }
    cases
}

fn closes() -> Vec<Case> {
    let close = |code: u16, reason: &[u8]| frame(CLOSE, &[&code.to_be_bytes(), reason].concat());
    let mut cases = vec![
        then("a close without a code", frame(CLOSE, &[]), "ECONNLOST"),
        then("a close of one byte", frame(CLOSE, &[3]), "EPROTO"),
        then("a close with a reason that is no text", close(1000, &[0xff, 0xfe]), "EPROTO"),
        then("a close that is too long", close(1000, &[b'x'; 124]), "EPROTO"),
    ];
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 4999] {
        cases.push(then(format!("closed with {code}"), close(code, b"going away"), "ECONNLOST"));
    }
    cases
}

fn frames() -> Vec<Case> {
    let huge = |length: u64| [vec![BINARY, 127], length.to_be_bytes().to_vec()].concat();
    let masked = [vec![BINARY, 0x80 | 6, 1, 2, 3, 4], b"\0gqhmn".to_vec()].concat();
    let mut cases = vec![
        then("a masked frame", masked, "EPROTO"),
        then("a text", frame(0x81, b"\x01out"), "EPROTO"),
        then("a text that is none", frame(0x81, &[0xff]), "EPROTO"),
        then("a continuation of nothing", frame(0x80, b"\x01out"), "EPROTO"),
        then("a message within a message", [frame(0x02, b"\x01out"), frame(BINARY, b"\x01out")].concat(), "EPROTO"),
        then("a ping in pieces", frame(0x09, b"ping"), "EPROTO"),
        then("a pong in pieces", frame(0x0a, b"pong"), "EPROTO"),
        then("a close in pieces", frame(0x08, &[]), "EPROTO"),
        then("a ping that is too long", frame(0x89, &[0; 126]), "EPROTO"),
        then("a frame longer than we take", huge(17 * 1024 * 1024), "EPROTO"),
        then("a frame longer than there is memory", huge(1 << 62), "EPROTO"),
        then("a frame with a negative length", huge(1 << 63), "EPROTO"),
        then("a message in pieces that is cut", frame(0x02, b"\x01out"), "ECONNLOST"),
    ];
    for bits in [0x40, 0x20, 0x10, 0x70] {
        cases.push(then(format!("reserved bits {bits:#x}"), frame(BINARY | bits, b"\x01out"), "EPROTO"));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        cases.push(then(format!("reserved opcode {opcode}"), frame(0x80 | opcode, b"\x01out"), "EPROTO"));
    }
    cases
}

fn channels() -> Vec<Case> {
    let mut cases = vec![
        then("a message without a channel", frame(BINARY, &[]), "EPROTO"),
        then("something for stdin", message(0, b"in"), "EPROTO"),
        then("a size for us", message(4, br#"{"Width":80,"Height":24}"#), "EPROTO"),
        then("an unknown channel after output", [message(1, b"out"), message(7, b"x")].concat(), "EPROTO"),
    ];
    for channel in [5, 6, 7, 8, 16, 32, 48, 49, 50, 64, 100, 127, 128, 200, 254] {
        cases.push(then(format!("channel {channel}"), message(channel, b"x"), "EPROTO"));
    }
    cases
}

/// Statuses that cannot be read: none of them is success.
fn statuses() -> Vec<Case> {
    let code = |text: &str| {
        format!(
            r#"{{"status":"Failure","reason":"NonZeroExitCode","details":{{"causes":[{{"reason":"ExitCode","message":{text}}}]}}}}"#
        )
    };
    let texts = [
        "{".to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "0".to_owned(),
        "true".to_owned(),
        "Success".to_owned(),
        r#""Success""#.to_owned(),
        r#"{"status":}"#.to_owned(),
        r#"{"status":"Success""#.to_owned(),
        r#"{"status":"Success"} and more"#.to_owned(),
        r#"{"status":"success"}"#.to_owned(),
        r#"{"status":"SUCCESS"}"#.to_owned(),
        r#"{"status":" Success"}"#.to_owned(),
        r#"{"status":""}"#.to_owned(),
        r#"{"status":0}"#.to_owned(),
        r#"{"status":true}"#.to_owned(),
        r#"{"status":["Success"]}"#.to_owned(),
        r#"{"status":null}"#.to_owned(),
        r#"{"Status":"Success"}"#.to_owned(),
        r#"{"state":"Success"}"#.to_owned(),
        r#"{'status':'Success'}"#.to_owned(),
        r#"{"status":"Failure","reason":"NonZeroExitCode"}"#.to_owned(),
        r#"{"status":"Failure","reason":"NonZeroExitCode","details":null}"#.to_owned(),
        r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":{}}}"#.to_owned(),
        r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[]}}"#.to_owned(),
        r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"Other","message":"3"}]}}"#
            .to_owned(),
        code(r#""0""#),
        code(r#""""#),
        code(r#""x""#),
        code(r#""3.5""#),
        code(r#""99999999999999999999""#),
        code("3"),
        code("null"),
        "[".repeat(60_000),
        format!(r#"{{"status":"Success","message":"{}"}}"#, "x".repeat(65 * 1024)),
    ];
    let mut cases: Vec<Case> = texts
        .iter()
        .map(|text| {
            let shown: String = text.chars().take(100).collect();
            then(format!("status {shown}"), message(3, text.as_bytes()), "EPROTO")
        })
        .collect();
    cases.push(then("a status that is no text", message(3, &[0xff, 0xfe, 0xfd]), "EPROTO"));
    cases.push(then("a status with a byte order mark", message(3, b"\xef\xbb\xbf{\"status\":\"Success\"}"), "EPROTO"));
    cases
}

/// Statuses that say what failed.
fn failures() -> Vec<Case> {
    [
        (r#"{"status":"Failure"}"#, "EKUBE"),
        (r#"{"status":"Failure","reason":"InternalError","message":"something went wrong"}"#, "EKUBE"),
        (r#"{"status":"Failure","message":"container not found (\"x\")"}"#, "ENOCONTAINER"),
        (r#"{"status":"Failure","message":"exec failed: cannot exec in a stopped container"}"#, "ENOTRUNNING"),
        (r#"{"status":"Failure","message":"error reading from server: connection reset by peer"}"#, "ECONNLOST"),
        (r#"{"status":"Failure","message":"rpc error: transport is closing"}"#, "ECONNLOST"),
    ]
    .into_iter()
    .map(|(text, code)| then(format!("status {text}"), message(3, text.as_bytes()), code))
    .collect()
}

fn floods() -> Vec<Case> {
    vec![
        case("output without an end", Answer::Flood(Vec::new(), message(1, &[b'x'; 4096])), "EMAXBUFFER"),
        case("errors without an end", Answer::Flood(Vec::new(), message(2, &[b'x'; 4096])), "EMAXBUFFER"),
        case(
            "a message in pieces without an end",
            Answer::Flood(frame(0x02, &[1; 4096]), frame(0x00, &[1; 4096])),
            "EPROTO",
        ),
        case("pings without an end", Answer::Flood(Vec::new(), frame(0x89, b"ping")), "ETIMEDOUT"),
        case("empty messages without an end", Answer::Flood(Vec::new(), message(1, &[])), "ETIMEDOUT"),
    ]
}
