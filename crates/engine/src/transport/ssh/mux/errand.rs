use bytes::Bytes;

use super::packet::{DYNAMIC, ForwardRequest, LOCAL, REMOTE, UNIX};
use crate::transport::ssh::forward::{Address, Errand};

/// What a visitor asks for, in our words; or why it is not to be had.
pub fn errand(asked: &ForwardRequest) -> Result<Errand, String> {
    match asked.kind {
        LOCAL => Ok(Errand::Here { listen: here(&asked.listen)?, to: Some(target(&asked.connect)?) }),
        DYNAMIC => Ok(Errand::Here { listen: here(&asked.listen)?, to: None }),
        // `-R` with a port alone: those that come in at the server say by SOCKS where they want to go from here.
        REMOTE if asked.connect.1 == 0 => Ok(Errand::There { listen: there(&asked.listen)?, to: None }),
        REMOTE => Ok(Errand::There { listen: there(&asked.listen)?, to: Some(target(&asked.connect)?) }),
        other => Err(format!("this master knows no forwards of kind {other}")),
    }
}

/// Where to connect to.
pub fn target(end: &(Bytes, u32)) -> Result<Address, String> {
    match end {
        (path, UNIX) => path_of(path),
        (_, 0) => Err("a target needs a port".to_owned()),
        (host, port) => Ok(Address::Tcp { host: text(host)?, port: number(*port)? }),
    }
}

/// Where we listen: for this machine alone, unless somebody names another address.
fn here((host, port): &(Bytes, u32)) -> Result<Vec<Address>, String> {
    if *port == UNIX {
        return Ok(vec![path_of(host)?]);
    }
    let port = number(*port)?;
    if port == 0 {
        return Err("whoever has this machine listen must name a port".to_owned());
    }
    let host = text_or_nothing(host)?;
    Ok(match host.as_str() {
        "" | "localhost" => vec![Address::tcp("127.0.0.1", port), Address::tcp("::1", port)],
        // Of both kinds, where there are both.
        "*" => vec![Address::tcp(if has_ipv6() { "::" } else { "0.0.0.0" }, port)],
        _ => vec![Address::Tcp { host, port }],
    })
}

/// Where the server listens, in the words of its protocol.
fn there((host, port): &(Bytes, u32)) -> Result<Address, String> {
    if *port == UNIX {
        return path_of(host);
    }
    let host = text_or_nothing(host)?;
    let host = match host.as_str() {
        "" => "localhost",
        "*" => "",
        named => named,
    };
    Ok(Address::tcp(host, number(*port)?))
}

fn number(port: u32) -> Result<u16, String> {
    u16::try_from(port).map_err(|_| format!("there is no port {port}"))
}

fn path_of(path: &Bytes) -> Result<Address, String> {
    let path = text(path)?;
    if path.starts_with('/') { Ok(Address::Unix(path)) } else { Err(format!("{path} is no absolute path")) }
}

fn text(bytes: &Bytes) -> Result<String, String> {
    let text = text_or_nothing(bytes)?;
    if text.is_empty() { Err("a name is missing".to_owned()) } else { Ok(text) }
}

fn text_or_nothing(bytes: &Bytes) -> Result<String, String> {
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| "a name is no text".to_owned())?;
    if text.contains('\0') { Err("a name has a NUL in it".to_owned()) } else { Ok(text) }
}

fn has_ipv6() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(kind: u32, listen: (&'static str, u32), connect: (&'static str, u32)) -> Result<Errand, String> {
        let end = |(host, port): (&'static str, u32)| (Bytes::from_static(host.as_bytes()), port);
        errand(&ForwardRequest { kind, listen: end(listen), connect: end(connect) })
    }

    #[test]
    fn who_names_no_address_means_this_machine_alone() {
        let both = vec![Address::tcp("127.0.0.1", 80), Address::tcp("::1", 80)];
        assert_eq!(asked(DYNAMIC, ("", 80), ("", 0)), Ok(Errand::Here { listen: both.clone(), to: None }));
        let to = Address::tcp("db", 5432);
        let local = asked(LOCAL, ("localhost", 80), ("db", 5432));
        assert_eq!(local, Ok(Errand::Here { listen: both, to: Some(to.clone()) }));
        let remote = |host| asked(REMOTE, (host, 0), ("db", 5432));
        assert_eq!(remote(""), Ok(Errand::There { listen: Address::tcp("localhost", 0), to: Some(to.clone()) }));
        assert_eq!(remote("*"), Ok(Errand::There { listen: Address::tcp("", 0), to: Some(to) }));
    }

    #[test]
    fn a_listener_at_the_server_without_a_target_is_one_of_socks() {
        let socks = Errand::There { listen: Address::tcp("localhost", 1080), to: None };
        assert_eq!(asked(REMOTE, ("", 1080), ("socks", 0)), Ok(socks));
    }

    #[test]
    fn paths_at_either_end() {
        let (listen, to) = (Address::Unix("/a".into()), Address::Unix("/b".into()));
        let there = Errand::There { listen: listen.clone(), to: Some(to.clone()) };
        assert_eq!(asked(REMOTE, ("/a", UNIX), ("/b", UNIX)), Ok(there));
        assert_eq!(asked(LOCAL, ("/a", UNIX), ("/b", UNIX)), Ok(Errand::Here { listen: vec![listen], to: Some(to) }));
    }

    #[test]
    fn what_cannot_be_is_said_so() {
        for (kind, listen, connect, words) in [
            (LOCAL, ("", 0), ("db", 1), "must name a port"),
            (LOCAL, ("", 65_536), ("db", 1), "there is no port 65536"),
            (LOCAL, ("", 1), ("db", 0), "a target needs a port"),
            (LOCAL, ("", 1), ("", 1), "a name is missing"),
            (LOCAL, ("a", UNIX), ("db", 1), "no absolute path"),
            (LOCAL, ("a\0b", 1), ("db", 1), "NUL"),
            (7, ("", 1), ("db", 1), "kind 7"),
        ] {
            let problem = asked(kind, listen, connect).unwrap_err();
            assert!(problem.contains(words), "{problem}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_is_understood_or_refused(kind in 0_u32..5, a: Vec<u8>, b: Vec<u8>, ports: (u32, u32)) {
            let _ = errand(&ForwardRequest { kind, listen: (a.into(), ports.0), connect: (b.into(), ports.1) });
        }
    }
}
