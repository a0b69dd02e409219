use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::frames::message;
use super::{Answer, Case};

/// The pod in which everything ends well.
pub const WELL: &str = "well";

/// An API server whose answer to an exec is the case that the pod's name tells.
pub struct Server {
    pub port: u16,
}

impl Server {
    pub async fn start(cases: Arc<Vec<Case>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let cases = Arc::clone(&cases);
                tokio::spawn(async move {
                    // A client that hangs up on what it is told does right.
                    let _ = serve(stream, &cases).await;
                });
            }
        });
        Self { port }
    }
}

async fn serve(mut stream: TcpStream, cases: &[Case]) -> std::io::Result<()> {
    loop {
        let head = read_head(&mut stream).await?;
        if let Some(case) = head.split("/pods/case-").nth(1) {
            let index: usize = case.split('/').next().unwrap().parse().unwrap();
            return answer(stream, &head, &cases[index].answer).await;
        }
        if head.contains("/pods/well/exec") {
            stream.write_all(&switch(&head, &[])).await?;
            stream.write_all(&message(3, br#"{"status":"Success"}"#)).await?;
            stream.write_all(&[0x88, 0]).await?;
            return stream.shutdown().await;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await?;
    }
}

async fn answer(mut stream: TcpStream, head: &str, answer: &Answer) -> std::io::Result<()> {
    let held = match answer {
        Answer::Raw(bytes) | Answer::Held(bytes) => {
            stream.write_all(bytes).await?;
            matches!(answer, Answer::Held(_))
        }
        Answer::Endless(first, again) => {
            stream.write_all(first).await?;
            loop {
                stream.write_all(again).await?;
            }
        }
        Answer::Switched { changes, then, held } => {
            stream.write_all(&switch(head, changes)).await?;
            stream.write_all(then).await?;
            *held
        }
        Answer::Flood(first, again) => {
            stream.write_all(&switch(head, &[])).await?;
            stream.write_all(first).await?;
            loop {
                stream.write_all(again).await?;
            }
        }
    };
    if !held {
        stream.shutdown().await?;
    }
    // Until the client has gone: a line that ends with unread bytes would be a reset, which is another case.
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// A right answer to the request, but for the changes.
pub fn switch(head: &str, changes: &[(&'static str, Option<String>)]) -> Vec<u8> {
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
    let mut headers = vec![
        ("Upgrade", Some("websocket".to_owned())),
        ("Connection", Some("Upgrade".to_owned())),
        ("Sec-WebSocket-Accept", Some(derive_accept_key(key.as_bytes()))),
        ("Sec-WebSocket-Protocol", Some("v5.channel.k8s.io".to_owned())),
    ];
    for (name, value) in changes {
        match headers.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1.clone_from(value),
            None => headers.push((name, value.clone())),
        }
    }
    let lines: String =
        headers.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}: {value}\r\n"))).collect();
    format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n").into_bytes()
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&seen).into_owned();
    // Names of headers are the same in any case; a key is not.
    let lines = head.split("\r\n").map(|line| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
        None => line.to_owned(),
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}
