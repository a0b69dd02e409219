use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::Refusal;
use crate::error::Kind;
use crate::transport::ssh::route::Proxy;

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NOTHING_SUITS: u8 = 0xff;

/// SOCKS5 (RFC 1928), with user name and password (RFC 1929) where the proxy wants them.
pub async fn connect(stream: &mut TcpStream, proxy: &Proxy, host: &str, port: u16) -> Result<(), Refusal> {
    let methods: &[u8] =
        if proxy.username.is_some() { &[VERSION, 2, NO_LOGIN, PASSWORD] } else { &[VERSION, 1, NO_LOGIN] };
    stream.write_all(methods).await?;
    match read(stream).await? {
        [VERSION, NO_LOGIN] => {}
        [VERSION, PASSWORD] => log_in(stream, proxy).await?,
        [VERSION, NOTHING_SUITS] => return Err(wants_login(proxy)),
        _ => return Err(Refusal::garbage()),
    }
    stream.write_all(&request(host, port)?).await?;
    let [version, reply, _, kind] = read(stream).await?;
    if version != VERSION {
        return Err(Refusal::garbage());
    }
    if reply != 0 {
        return Err(refused(reply));
    }
    // Where the proxy connects from: of no interest, but in the way.
    let length = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(stream.read_u8().await?),
        _ => return Err(Refusal::garbage()),
    };
    let mut bound = vec![0; length + 2];
    stream.read_exact(&mut bound).await?;
    Ok(())
}

async fn read<const N: usize>(stream: &mut TcpStream) -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn wants_login(proxy: &Proxy) -> Refusal {
    let problem = match proxy.username {
        Some(_) => "it takes neither our user name and password nor a connection without them",
        None => "it wants a user name and password; put them into the proxy's address",
    };
    Refusal::new(Kind::Authentication, problem)
}

async fn log_in(stream: &mut TcpStream, proxy: &Proxy) -> Result<(), Refusal> {
    let username = proxy.username.as_deref().ok_or_else(|| wants_login(proxy))?;
    let password = proxy.password.as_ref().map(|secret| secret.as_str()).unwrap_or_default();
    let mut message = Zeroizing::new(vec![1]);
    for text in [username, password] {
        let length = u8::try_from(text.len())
            .map_err(|_| Refusal::new(Kind::InvalidUsage, "user name and password may have 255 bytes each"))?;
        message.push(length);
        message.extend_from_slice(text.as_bytes());
    }
    stream.write_all(&message).await?;
    match read(stream).await? {
        [_, 0] => Ok(()),
        [1, _] => Err(Refusal::new(Kind::Authentication, "it refuses our user name and password")),
        _ => Err(Refusal::garbage()),
    }
}

fn request(host: &str, port: u16) -> Result<Vec<u8>, Refusal> {
    let mut request = vec![VERSION, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len())
                .map_err(|_| Refusal::new(Kind::InvalidUsage, "a host name may have 255 bytes"))?;
            request.extend([3, length]);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    Ok(request)
}

fn refused(reply: u8) -> Refusal {
    let (kind, problem) = match reply {
        2 => (Kind::PermissionDenied, "its rules do not allow this connection"),
        3 => (Kind::ConnectionRefused, "the network is unreachable from there"),
        4 => (Kind::ConnectionRefused, "the host is unreachable from there; check its name and address"),
        5 => (Kind::ConnectionRefused, "nothing accepts connections there; check host and port"),
        6 => (Kind::ConnectionRefused, "no answer from there"),
        7 | 8 => (Kind::ConnectionRefused, "it does not support this kind of connection or address"),
        _ => (Kind::ConnectionRefused, "it failed without saying why"),
    };
    Refusal::new(kind, problem)
}
