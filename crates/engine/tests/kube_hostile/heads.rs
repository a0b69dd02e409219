//! Heads that are none, that do not end, or that agree to something else.

use super::{Answer, Case, case};

/// What a right answer looks like, to be cut; its key is wrong, which nobody gets to see.
const RIGHT: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n";
const MEBIBYTE: usize = 1024 * 1024;

pub fn cases() -> Vec<Case> {
    [garbage(), cut(), endless(), agreed_to_something_else()].into_iter().flatten().collect()
}

fn garbage() -> Vec<Case> {
    let texts: &[(&str, &[u8])] = &[
        ("nothing", b""),
        ("an empty line", b"\r\n"),
        ("a version alone", b"HTTP/1.1"),
        ("a status line alone", b"HTTP/1.1 101 Switching Protocols\r\n"),
        ("a version that there is not", b"HTTP/9.9 101 Switching Protocols\r\n\r\n"),
        ("a status of letters", b"HTTP/1.1 abc Switching Protocols\r\n\r\n"),
        ("a status of two digits", b"HTTP/1.1 10 Switching Protocols\r\n\r\n"),
        ("a status of four digits", b"HTTP/1.1 1010 Switching Protocols\r\n\r\n"),
        ("a status below all", b"HTTP/1.1 099 Low\r\n\r\n"),
        ("a header without a colon", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade websocket\r\n\r\n"),
        ("a header without a name", b"HTTP/1.1 101 Switching Protocols\r\n: websocket\r\n\r\n"),
        ("a space in a header's name", b"HTTP/1.1 101 Switching Protocols\r\nUp grade: websocket\r\n\r\n"),
        ("a NUL in a header", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: web\0socket\r\n\r\n"),
        ("a lone CR in a header", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: web\rsocket\r\n\r\n"),
        ("a folded header", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade:\r\n websocket\r\n\r\n"),
        ("a server of SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("a server of mail", b"220 mail.example.com ESMTP\r\n"),
        ("an alert of TLS", &[21, 3, 3, 0, 2, 2, 40]),
        ("HTTP/2", &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100]),
        ("a page without a head", b"<html><body>no</body></html>"),
        ("a status in JSON without a head", br#"{"kind":"Status","status":"Failure","code":404}"#),
        ("zeros", &[0; 512]),
        ("ones", &[255; 512]),
        ("a request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("a frame before the head", b"\x82\x06\x01hello"),
        ("HTTP/0.9", b"hello\n"),
        ("a continue and nothing else", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("hints and nothing else", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi"),
        ("a length of letters", b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nhi"),
        ("a negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi"),
    ];
    let mut cases: Vec<Case> =
        texts.iter().map(|(name, text)| case(*name, Answer::Raw(text.to_vec()), "ECONNLOST")).collect();
    let mut early = b"\x82\x06\x01hello".to_vec();
    early.extend_from_slice(RIGHT.as_bytes());
    cases.push(case("a frame before a right head", Answer::Raw(early), "ECONNLOST"));
    cases
}

/// Cut in every line, ended and held.
fn cut() -> Vec<Case> {
    let mut cases = Vec::new();
    for at in (1..RIGHT.len() - 1).step_by(9) {
        cases.push(case(format!("cut after {at} bytes"), Answer::Raw(RIGHT.as_bytes()[..at].to_vec()), "ECONNLOST"));
    }
    for at in [0, 5, 12, 33, 50, RIGHT.len() - 2] {
        cases.push(case(format!("held after {at} bytes"), Answer::Held(RIGHT.as_bytes()[..at].to_vec()), "ETIMEDOUT"));
    }
    cases
}

fn endless() -> Vec<Case> {
    let start = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
    let huge = [&start[..], b"X-Long: ", &vec![b'x'; MEBIBYTE], b"\r\n\r\n"].concat();
    vec![
        case("a header of a mebibyte", Answer::Raw(huge), "ECONNLOST"),
        case("headers without an end", Answer::Endless(start.clone(), b"X-More: and more\r\n".to_vec()), "ECONNLOST"),
        case(
            "a header without an end",
            Answer::Endless([&start[..], b"X-Long: "].concat(), vec![b'x'; 4096]),
            "ECONNLOST",
        ),
        case("a reason without an end", Answer::Endless(b"HTTP/1.1 101 ".to_vec(), vec![b'x'; 4096]), "ECONNLOST"),
        case("a name without an end", Answer::Endless(start, vec![b'x'; 4096]), "ECONNLOST"),
    ]
}

fn agreed_to_something_else() -> Vec<Case> {
    let wrong: &[(&str, &[Option<&str>])] = &[
        ("Upgrade", &[None, Some(""), Some("SPDY/3.1"), Some("h2c"), Some("websocket2"), Some("tcp"), Some("TLS/1.0")]),
        ("Connection", &[None, Some(""), Some("close"), Some("keep-alive"), Some("upgraded")]),
        (
            "Sec-WebSocket-Accept",
            &[
                None,
                Some(""),
                Some("x"),
                Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
                Some("AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
                Some("\u{fc}"),
            ],
        ),
        (
            "Sec-WebSocket-Protocol",
            &[
                None,
                Some(""),
                Some("channel.k8s.io"),
                Some("base64.channel.k8s.io"),
                Some("v3.channel.k8s.io"),
                Some("v6.channel.k8s.io"),
                Some("V5.CHANNEL.K8S.IO"),
                Some("v5.channel.k8s.io, v4.channel.k8s.io"),
                Some("v5.channel.k8s.io;q=1"),
                Some("SPDY/3.1+portforward.k8s.io"),
            ],
        ),
    ];
    let mut cases = Vec::new();
    for (name, values) in wrong {
        for value in *values {
            let answer = Answer::Switched {
                changes: vec![(*name, value.map(ToOwned::to_owned))],
                then: Vec::new(),
                held: false,
            };
            cases.push(case(format!("{name}: {value:?}"), answer, "EUPGRADE"));
        }
    }
    cases
}
