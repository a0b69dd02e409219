//! Answers that are whole and no upgrade: every status, and what servers and those before them say with it.

use super::{Answer, Case, case};

pub fn cases() -> Vec<Case> {
    [statuses(), told(), bodies()].into_iter().flatten().collect()
}

fn plain(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Status\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn statuses() -> Vec<Case> {
    let all = [
        200, 201, 202, 203, 206, 207, 226, 300, 301, 302, 303, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407,
        408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 500,
        501, 502, 503, 504, 505, 506, 507, 508, 510, 511, 520, 521, 525, 530, 599, 600, 777, 999,
    ];
    let code = |status| match status {
        401 => "EUNAUTHORIZED",
        409 => "ECONFLICT",
        429 => "EBUSY",
        _ => "EUPGRADE",
    };
    let mut cases: Vec<Case> = all
        .iter()
        .map(|status| case(format!("status {status}"), Answer::Raw(plain(*status, "<h1>no</h1>")), code(*status)))
        .collect();
    // These have no body.
    for status in [204, 304] {
        cases.push(case(
            format!("status {status}"),
            Answer::Raw(format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n\r\n").into_bytes()),
            "EUPGRADE",
        ));
    }
    cases
}

/// What API servers themselves say.
fn told() -> Vec<Case> {
    [
        (404, r#"pods \"x\" not found"#, "ENOPOD"),
        (404, r#"namespaces \"x\" not found"#, "ENONAMESPACE"),
        (404, "the server could not find the requested resource", "ENOENT"),
        (400, "container x is not valid for pod y", "ENOCONTAINER"),
        (400, "a container name must be specified for pod y, choose one of: [a b]", "ENOCONTAINER"),
        (400, "pod y does not have a host assigned", "ENOTRUNNING"),
        (400, r#"Upgrade request required"#, "EINVAL"),
        (500, r#"container not found (\"x\")"#, "ENOCONTAINER"),
        (500, "cannot exec into a container in a completed pod; current phase is Succeeded", "ENOTRUNNING"),
        (500, "etcdserver: request timed out", "EKUBE"),
        (503, "the server is currently unable to handle the request", "EKUBE"),
        (504, "Timeout: request did not complete within requested timeout", "EKUBE"),
        (403, r#"pods \"x\" is forbidden: User \"u\" cannot create resource \"pods/exec\""#, "EFORBIDDEN"),
        (401, "Unauthorized", "EUNAUTHORIZED"),
        (409, "the object has been modified", "ECONFLICT"),
        (422, "is invalid", "EINVAL"),
        (429, "too many requests", "EBUSY"),
    ]
    .into_iter()
    .map(|(status, said, code)| {
        let body =
            format!(r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{said}","code":{status}}}"#);
        case(format!("{status} {said}"), Answer::Raw(plain(status, &body)), code)
    })
    .collect()
}

/// Bodies that are no status, not whole, or without an end.
fn bodies() -> Vec<Case> {
    let long = format!(r#"{{"kind":"Status","message":"{}"}}"#, "x".repeat(1024 * 1024));
    let deep = "[".repeat(100_000);
    let texts: &[(&str, u16, &str, &'static str)] = &[
        ("JSON that is cut", 404, r#"{"kind":"Status","message":"pods"#, "EUPGRADE"),
        ("JSON of another kind", 404, r#"{"kind":"Pod","message":"pods"}"#, "EUPGRADE"),
        ("a message that is a number", 404, r#"{"kind":"Status","message":5}"#, "ENOENT"),
        ("a kind that is a list", 500, r#"{"kind":["Status"]}"#, "EUPGRADE"),
        ("null", 500, "null", "EUPGRADE"),
        ("a list", 500, "[]", "EUPGRADE"),
        ("no body", 500, "", "EUPGRADE"),
        ("a status that says nothing", 500, r#"{"kind":"Status"}"#, "EKUBE"),
        ("a status that lies about its code", 404, r#"{"kind":"Status","status":"Success","code":200}"#, "ENOENT"),
        ("a status of a mebibyte", 500, &long, "EUPGRADE"),
        ("JSON that is too deep", 500, &deep, "EUPGRADE"),
    ];
    let mut cases: Vec<Case> =
        texts.iter().map(|(name, status, body, code)| case(*name, Answer::Raw(plain(*status, body)), code)).collect();
    let heads = |length: &str| format!("HTTP/1.1 500 Status\r\n{length}\r\n\r\n").into_bytes();
    let chunked = heads("Transfer-Encoding: chunked");
    cases.extend([
        case("a body that is cut", Answer::Raw([heads("Content-Length: 100"), b"half".to_vec()].concat()), "EUPGRADE"),
        case("a body that stays away", Answer::Held(heads("Content-Length: 100")), "EUPGRADE"),
        case("a body without an end", Answer::Endless(heads("Connection: close"), vec![b'x'; 4096]), "EUPGRADE"),
        case("a chunk of letters", Answer::Raw([chunked.clone(), b"zz\r\nhello\r\n".to_vec()].concat()), "EUPGRADE"),
        case(
            "a chunk too long for a number",
            Answer::Raw([chunked.clone(), b"ffffffffffffffffff\r\n".to_vec()].concat()),
            "EUPGRADE",
        ),
        case("a chunk that is cut", Answer::Raw([chunked.clone(), b"5\r\nhel".to_vec()].concat()), "EUPGRADE"),
        case("chunks without an end", Answer::Endless(chunked, b"5\r\nhello\r\n".to_vec()), "EUPGRADE"),
    ]);
    cases
}
