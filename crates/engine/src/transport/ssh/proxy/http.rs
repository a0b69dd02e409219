use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::Refusal;
use crate::error::Kind;
use crate::transport::ssh::route::{Proxy, address};

/// The longest answer we read. It is a status and a few headers.
const LONGEST: usize = 16 * 1024;
const END: &[u8] = b"\r\n\r\n";

/// HTTP's CONNECT, with Basic authentication where we have a user name.
pub async fn connect(stream: &mut TcpStream, proxy: &Proxy, host: &str, port: u16) -> Result<(), Refusal> {
    let address = address(host, port);
    let mut request = Zeroizing::new(format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n"));
    if let Some(username) = &proxy.username {
        let password = proxy.password.as_ref().map(|secret| secret.as_str()).unwrap_or_default();
        let login = Zeroizing::new(format!("{username}:{password}"));
        let encoded = Zeroizing::new(STANDARD.encode(login.as_bytes()));
        // Growing with the password in it would leave a copy behind.
        request.reserve(encoded.len() + 64);
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&encoded);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    judge(&header(stream).await?, proxy)
}

/// The answer up to its empty line and not a byte further: what follows is the server's.
async fn header(stream: &mut TcpStream) -> Result<Vec<u8>, Refusal> {
    let mut header = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let seen = stream.peek(&mut chunk).await?;
        if seen == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        let before = header.len();
        header.extend(chunk.iter().take(seen));
        // The end may have begun in the last chunk.
        let from = before.saturating_sub(END.len() - 1);
        let end = header.windows(END.len()).skip(from).position(|window| window == END).map(|at| from + at + END.len());
        header.truncate(end.unwrap_or(header.len()));
        let mut taken = vec![0; header.len() - before];
        stream.read_exact(&mut taken).await?;
        if end.is_some() {
            return Ok(header);
        }
        if header.len() > LONGEST || (header.len() >= 5 && !header.starts_with(b"HTTP/")) {
            return Err(Refusal::garbage());
        }
    }
}

fn judge(header: &[u8], proxy: &Proxy) -> Result<(), Refusal> {
    let text = String::from_utf8_lossy(header);
    let status_line = text.lines().next().unwrap_or_default();
    let mut words = status_line.split(' ');
    let http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
    let status: u16 =
        words.next().filter(|_| http).and_then(|status| status.parse().ok()).ok_or_else(Refusal::garbage)?;
    match status {
        200..=299 => Ok(()),
        407 if proxy.username.is_some() => {
            Err(Refusal::new(Kind::Authentication, "it refuses our user name and password (407)"))
        }
        407 => Err(Refusal::new(
            Kind::Authentication,
            "it wants a user name and password (407); put them into the proxy's address",
        )),
        403 | 405 => {
            Err(Refusal::new(Kind::PermissionDenied, format!("its rules do not allow this connection ({status})")))
        }
        _ => Err(Refusal::new(Kind::ConnectionRefused, format!("it answered with status {status}"))),
    }
}
