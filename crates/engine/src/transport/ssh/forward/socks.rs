//! The server's side of SOCKS5 (RFC 1928, without logins) and SOCKS4a, as far as CONNECT goes.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::address::Address;
use super::error::ForwardError;
use crate::error::Error;

/// The longest user name or host name of a SOCKS4 client.
const LONGEST: usize = 255;

/// How to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Four,
    Five,
}

/// What is wrong with a client's request.
#[derive(Debug)]
pub struct Refused(pub String);

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self(format!("its request could not be read ({error})"))
    }
}

/// Reads what a client wants.
pub async fn request<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S) -> Result<(Version, Address), Refused> {
    match socket.read_u8().await? {
        5 => Ok((Version::Five, request_5(socket).await?)),
        4 => Ok((Version::Four, request_4(socket).await?)),
        other => Err(Refused(format!("it does not speak SOCKS (first byte {other})"))),
    }
}

async fn request_5<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S) -> Result<Address, Refused> {
    let count = socket.read_u8().await?;
    let mut methods = vec![0; usize::from(count)];
    socket.read_exact(&mut methods).await?;
    if !methods.contains(&0) {
        socket.write_all(&[5, 0xff]).await?;
        return Err(Refused("it wants to log in, and there is no login".into()));
    }
    socket.write_all(&[5, 0]).await?;
    let mut head = [0; 4];
    socket.read_exact(&mut head).await?;
    let [version, command, _, kind] = head;
    if version != 5 {
        return Err(Refused("its request has another version than its greeting".into()));
    }
    if command != 1 {
        socket.write_all(&reply_5(7)).await?;
        return Err(Refused(format!("it asks for command {command}; only CONNECT is there")));
    }
    let host = match kind {
        1 => Ipv4Addr::from(socket.read_u32().await?).to_string(),
        4 => Ipv6Addr::from(socket.read_u128().await?).to_string(),
        3 => name(socket).await?,
        other => {
            socket.write_all(&reply_5(8)).await?;
            return Err(Refused(format!("it names an address of an unknown kind ({other})")));
        }
    };
    Ok(Address::Tcp { host, port: socket.read_u16().await? })
}

async fn name<S: AsyncRead + Unpin>(socket: &mut S) -> Result<String, Refused> {
    let length = socket.read_u8().await?;
    let mut bytes = vec![0; usize::from(length)];
    socket.read_exact(&mut bytes).await?;
    host_name(bytes)
}

fn host_name(bytes: Vec<u8>) -> Result<String, Refused> {
    let fits = !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_graphic());
    String::from_utf8(bytes).ok().filter(|_| fits).ok_or_else(|| Refused("it names a host that cannot be".into()))
}

async fn request_4<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S) -> Result<Address, Refused> {
    let command = socket.read_u8().await?;
    let port = socket.read_u16().await?;
    let address = socket.read_u32().await?;
    until_nul(socket).await?;
    if command != 1 {
        socket.write_all(&reply_4(false)).await?;
        return Err(Refused(format!("it asks for command {command}; only CONNECT is there")));
    }
    // 0.0.0.x with x not 0: a name follows.
    let host = match address {
        1..=255 => host_name(until_nul(socket).await?)?,
        _ => Ipv4Addr::from(address).to_string(),
    };
    Ok(Address::Tcp { host, port })
}

async fn until_nul<S: AsyncRead + Unpin>(socket: &mut S) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    loop {
        match socket.read_u8().await? {
            0 => return Ok(bytes),
            _ if bytes.len() >= LONGEST => return Err(Refused("a name in its request is too long".into())),
            byte => bytes.push(byte),
        }
    }
}

/// The answer to a request whose target was reached, or was not.
pub fn reply(version: Version, outcome: Result<(), &Error>) -> Vec<u8> {
    match version {
        Version::Four => reply_4(outcome.is_ok()).to_vec(),
        Version::Five => reply_5(outcome.map_or_else(code_5, |()| 0)).to_vec(),
    }
}

fn code_5(error: &Error) -> u8 {
    match error {
        Error::Forward(ForwardError::Denied { .. }) => 2,
        Error::Forward(ForwardError::Target { .. } | ForwardError::LocalTarget { .. }) => 5,
        Error::Timeout { .. } => 4,
        _ => 1,
    }
}

const fn reply_4(granted: bool) -> [u8; 8] {
    [0, if granted { 0x5a } else { 0x5b }, 0, 0, 0, 0, 0, 0]
}

/// The address we are bound to is the server's business, and nobody uses it.
const fn reply_5(code: u8) -> [u8; 10] {
    [5, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(bytes: &[u8]) -> (Result<(Version, Address), Refused>, Vec<u8>) {
        let (mut client, mut server) = tokio::io::duplex(1024);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let outcome = request(&mut server).await;
        drop(server);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        (outcome, answer)
    }

    #[tokio::test]
    async fn socks5_names_and_addresses() {
        let named = asked(b"\x05\x01\x00\x05\x01\x00\x03\x04db.x\x15\x38").await;
        assert_eq!(named.0.unwrap(), (Version::Five, Address::tcp("db.x", 5432)));
        assert_eq!(named.1, [5, 0]);
        let four = asked(b"\x05\x02\x02\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50").await;
        assert_eq!(four.0.unwrap().1, Address::tcp("127.0.0.1", 80));
        let six = asked(b"\x05\x01\x00\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50").await;
        assert_eq!(six.0.unwrap().1, Address::tcp("::1", 80));
    }

    #[tokio::test]
    async fn socks4_and_4a() {
        let four = asked(b"\x04\x01\x00\x50\x7f\x00\x00\x01me\0").await;
        assert_eq!(four.0.unwrap(), (Version::Four, Address::tcp("127.0.0.1", 80)));
        let named = asked(b"\x04\x01\x00\x50\x00\x00\x00\x01\0db.x\0").await;
        assert_eq!(named.0.unwrap().1, Address::tcp("db.x", 80));
    }

    #[tokio::test]
    async fn what_we_do_not_do_is_said_so() {
        assert_eq!(asked(b"\x05\x01\x02").await.1, [5, 0xff]);
        assert_eq!(asked(b"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50").await.1.get(3), Some(&7));
        assert_eq!(asked(b"\x05\x01\x00\x05\x01\x00\x09").await.1.get(3), Some(&8));
        assert!(asked(b"GET / HTTP/1.1\r\n\r\n").await.0.is_err());
        assert!(asked(b"\x05\x01\x00\x05\x01\x00\x03\x04a\nb \x00\x50").await.0.is_err());
        assert!(asked(b"\x04\x01\x00").await.0.is_err());
        let endless = [b"\x04\x01\x00\x50\x7f\x00\x00\x01".as_slice(), &[b'a'; 300]].concat();
        assert!(asked(&endless).await.0.is_err());
    }
}
