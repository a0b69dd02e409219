//! The messages of the control protocol (OpenSSH's PROTOCOL.mux, version 4).

use bytes::Bytes;

use super::wire::{Fields, Packet};

pub const VERSION: u32 = 4;
/// An extension in our master's greeting, by which our clients know it. Others skip it.
const OURS: &str = "xec-native";
/// Variables a visitor may send, as OpenSSH limits them.
const MAX_ENV: usize = 4096;

const HELLO: u32 = 0x0000_0001;
const NEW_SESSION: u32 = 0x1000_0002;
const ALIVE_CHECK: u32 = 0x1000_0004;
const TERMINATE: u32 = 0x1000_0005;
const OPEN_FORWARD: u32 = 0x1000_0006;
const CLOSE_FORWARD: u32 = 0x1000_0007;
const NEW_STDIO_FORWARD: u32 = 0x1000_0008;
const STOP_LISTENING: u32 = 0x1000_0009;
const PROXY: u32 = 0x1000_000f;
/// In place of the number of a request that we do not know.
const UNKNOWN: u32 = 0x1000_ffff;
const OK: u32 = 0x8000_0001;
const PERMISSION_DENIED: u32 = 0x8000_0002;
const FAILURE: u32 = 0x8000_0003;
const EXIT_MESSAGE: u32 = 0x8000_0004;
const IS_ALIVE: u32 = 0x8000_0005;
const SESSION_OPENED: u32 = 0x8000_0006;
const REMOTE_PORT: u32 = 0x8000_0007;
const TTY_ALLOC_FAIL: u32 = 0x8000_0008;
const PROXIED: u32 = 0x8000_000f;

/// What a client asks of a master. All but the greeting carry a number that the answer repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    Hello {
        version: u32,
    },
    NewSession {
        id: u32,
        session: Session,
    },
    AliveCheck {
        id: u32,
    },
    Terminate {
        id: u32,
    },
    StopListening {
        id: u32,
    },
    Proxy {
        id: u32,
    },
    OpenForward {
        id: u32,
        forward: ForwardRequest,
    },
    CloseForward {
        id: u32,
        forward: ForwardRequest,
    },
    /// Two descriptors follow.
    StdioForward {
        id: u32,
        host: Bytes,
        port: u32,
    },
    /// Whatever newer clients invent.
    Other {
        id: u32,
    },
}

/// A command and its surroundings; three descriptors follow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session {
    pub tty: bool,
    pub x11: bool,
    pub agent: bool,
    pub subsystem: bool,
    /// The key that begins the client's escapes; all ones for none.
    pub escape: u32,
    pub term: String,
    /// Empty for a shell.
    pub command: Bytes,
    /// `NAME=value`
    pub env: Vec<String>,
}

/// A forward of the master's own. A path in place of a host goes with [`UNIX`] in place of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardRequest {
    /// [`LOCAL`], [`REMOTE`] or [`DYNAMIC`].
    pub kind: u32,
    pub listen: (Bytes, u32),
    pub connect: (Bytes, u32),
}

/// The master listens.
pub const LOCAL: u32 = 1;
/// The server listens.
pub const REMOTE: u32 = 2;
/// The master listens and speaks SOCKS.
pub const DYNAMIC: u32 = 3;
/// The port of a path.
pub const UNIX: u32 = 0xffff_fffe;

/// What a master answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Hello { version: u32, ours: bool },
    Ok { id: u32 },
    PermissionDenied { id: u32, reason: String },
    Failure { id: u32, reason: String },
    ExitMessage { session: u32, code: u32 },
    Alive { id: u32, pid: u32 },
    SessionOpened { id: u32, session: u32 },
    RemotePort { id: u32, port: u32 },
    TtyAllocFail { session: u32 },
    Proxied { id: u32 },
}

impl Request {
    /// `None` for a packet that is not of the protocol.
    pub fn decode(packet: Bytes) -> Option<Self> {
        let mut fields = Fields::new(packet);
        let kind = fields.u32()?;
        // A greeting has its version where the others have their number.
        let id = fields.u32()?;
        Some(match kind {
            HELLO => Self::Hello { version: id },
            NEW_SESSION => Self::NewSession { id, session: Session::decode(&mut fields)? },
            ALIVE_CHECK => Self::AliveCheck { id },
            TERMINATE => Self::Terminate { id },
            STOP_LISTENING => Self::StopListening { id },
            PROXY => Self::Proxy { id },
            NEW_STDIO_FORWARD => {
                // Reserved.
                fields.bytes()?;
                Self::StdioForward { id, host: fields.bytes()?, port: fields.u32()? }
            }
            OPEN_FORWARD => Self::OpenForward { id, forward: ForwardRequest::decode(&mut fields)? },
            CLOSE_FORWARD => Self::CloseForward { id, forward: ForwardRequest::decode(&mut fields)? },
            _ => Self::Other { id },
        })
    }

    pub fn encode(&self) -> Bytes {
        let head = |kind, id| Packet::new().u32(kind).u32(id);
        match self {
            Self::Hello { version } => head(HELLO, *version),
            Self::NewSession { id, session } => session.encode(head(NEW_SESSION, *id)),
            Self::AliveCheck { id } => head(ALIVE_CHECK, *id),
            Self::Terminate { id } => head(TERMINATE, *id),
            Self::StopListening { id } => head(STOP_LISTENING, *id),
            Self::Proxy { id } => head(PROXY, *id),
            Self::StdioForward { id, host, port } => head(NEW_STDIO_FORWARD, *id).bytes(b"").bytes(host).u32(*port),
            Self::OpenForward { id, forward } => forward.encode(head(OPEN_FORWARD, *id)),
            Self::CloseForward { id, forward } => forward.encode(head(CLOSE_FORWARD, *id)),
            Self::Other { id } => head(UNKNOWN, *id),
        }
        .finish()
    }
}

impl Session {
    fn decode(fields: &mut Fields) -> Option<Self> {
        // Reserved.
        fields.bytes()?;
        let mut session = Self {
            tty: fields.bool()?,
            x11: fields.bool()?,
            agent: fields.bool()?,
            subsystem: fields.bool()?,
            escape: fields.u32()?,
            term: fields.text()?,
            command: fields.bytes()?,
            env: Vec::new(),
        };
        while !fields.is_empty() {
            let variable = fields.text()?;
            if session.env.len() < MAX_ENV {
                session.env.push(variable);
            }
        }
        Some(session)
    }

    fn encode(&self, head: Packet) -> Packet {
        let flags = [self.tty, self.x11, self.agent, self.subsystem];
        let packet = flags.into_iter().fold(head.bytes(b""), |packet, flag| packet.u32(flag.into()));
        let packet = packet.u32(self.escape).bytes(self.term.as_bytes()).bytes(&self.command);
        self.env.iter().fold(packet, |packet, variable| packet.bytes(variable.as_bytes()))
    }
}

impl ForwardRequest {
    fn decode(fields: &mut Fields) -> Option<Self> {
        let kind = fields.u32()?;
        let mut end = || Some((fields.bytes()?, fields.u32()?));
        Some(Self { kind, listen: end()?, connect: end()? })
    }

    fn encode(&self, head: Packet) -> Packet {
        let ends = [&self.listen, &self.connect];
        ends.into_iter().fold(head.u32(self.kind), |packet, (host, port)| packet.bytes(host).u32(*port))
    }
}

impl Reply {
    /// `None` for a packet that is not of the protocol.
    pub fn decode(packet: Bytes) -> Option<Self> {
        let mut fields = Fields::new(packet);
        let kind = fields.u32()?;
        let id = fields.u32()?;
        Some(match kind {
            HELLO => Self::Hello { version: id, ours: is_ours(fields)? },
            OK => Self::Ok { id },
            PERMISSION_DENIED => Self::PermissionDenied { id, reason: fields.text()? },
            FAILURE => Self::Failure { id, reason: fields.text()? },
            EXIT_MESSAGE => Self::ExitMessage { session: id, code: fields.u32()? },
            IS_ALIVE => Self::Alive { id, pid: fields.u32()? },
            SESSION_OPENED => Self::SessionOpened { id, session: fields.u32()? },
            REMOTE_PORT => Self::RemotePort { id, port: fields.u32()? },
            TTY_ALLOC_FAIL => Self::TtyAllocFail { session: id },
            PROXIED => Self::Proxied { id },
            _ => return None,
        })
    }

    pub fn encode(&self) -> Bytes {
        let head = |kind, id| Packet::new().u32(kind).u32(id);
        match self {
            Self::Hello { version, ours: false } => head(HELLO, *version),
            Self::Hello { version, ours: true } => head(HELLO, *version).bytes(OURS.as_bytes()).bytes(b""),
            Self::Ok { id } => head(OK, *id),
            Self::PermissionDenied { id, reason } => head(PERMISSION_DENIED, *id).bytes(reason.as_bytes()),
            Self::Failure { id, reason } => head(FAILURE, *id).bytes(reason.as_bytes()),
            Self::ExitMessage { session, code } => head(EXIT_MESSAGE, *session).u32(*code),
            Self::Alive { id, pid } => head(IS_ALIVE, *id).u32(*pid),
            Self::SessionOpened { id, session } => head(SESSION_OPENED, *id).u32(*session),
            Self::RemotePort { id, port } => head(REMOTE_PORT, *id).u32(*port),
            Self::TtyAllocFail { session } => head(TTY_ALLOC_FAIL, *session),
            Self::Proxied { id } => head(PROXIED, *id),
        }
        .finish()
    }
}

/// Extensions are names with values.
fn is_ours(mut fields: Fields) -> Option<bool> {
    let mut ours = false;
    while !fields.is_empty() {
        ours |= fields.text()? == OURS;
        let _value = fields.bytes()?;
    }
    Some(ours)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn body(packet: &Bytes) -> Bytes {
        assert_eq!(packet[..4], u32::try_from(packet.len() - 4).unwrap().to_be_bytes());
        packet.slice(4..)
    }

    proptest! {
        #[test]
        fn any_session_survives_the_wire(
            id: u32, flags: [bool; 4], escape: u32, term in "[a-z0-9-]{0,20}", command: Vec<u8>,
            env in vec("[A-Z]{1,8}=[^\0]{0,20}", 0..5),
        ) {
            let [tty, x11, agent, subsystem] = flags;
            let session = Session { tty, x11, agent, subsystem, escape, term, command: command.into(), env };
            let request = Request::NewSession { id, session };
            prop_assert_eq!(Request::decode(body(&request.encode())), Some(request));
        }

        #[test]
        fn any_forward_survives_the_wire(id: u32, kind: u32, host: Vec<u8>, path: Vec<u8>, port: u32) {
            let (host, path) = (Bytes::from(host), Bytes::from(path));
            let forward = ForwardRequest { kind, listen: (host.clone(), port), connect: (path, UNIX) };
            for request in [
                Request::OpenForward { id, forward: forward.clone() },
                Request::CloseForward { id, forward },
                Request::StdioForward { id, host, port },
            ] {
                prop_assert_eq!(Request::decode(body(&request.encode())), Some(request));
            }
        }

        #[test]
        fn any_reply_survives_the_wire(id: u32, number: u32, reason in "[^\0]{0,60}") {
            for reply in [
                Reply::Hello { version: id, ours: false },
                Reply::Hello { version: id, ours: true },
                Reply::Ok { id },
                Reply::PermissionDenied { id, reason: reason.clone() },
                Reply::Failure { id, reason: reason.clone() },
                Reply::ExitMessage { session: id, code: number },
                Reply::Alive { id, pid: number },
                Reply::SessionOpened { id, session: number },
                Reply::RemotePort { id, port: number },
                Reply::TtyAllocFail { session: id },
                Reply::Proxied { id },
            ] {
                prop_assert_eq!(Reply::decode(body(&reply.encode())), Some(reply));
            }
        }

        #[test]
        fn garbage_is_refused_or_read_but_never_a_panic(garbage: Vec<u8>) {
            let _ = (Request::decode(garbage.clone().into()), Reply::decode(garbage.into()));
        }

        #[test]
        fn a_session_cut_short_is_no_session(cut in 0_usize..60) {
            let request = Request::NewSession { id: 1, session: Session { command: "true".into(), ..Session::default() } };
            let whole = body(&request.encode());
            if cut < whole.len() {
                prop_assert_eq!(Request::decode(whole.slice(..cut)), None);
            }
        }
    }

    #[test]
    fn a_flood_of_variables_is_cut_off() {
        let session = Session { env: vec!["A=b".into(); MAX_ENV + 10], ..Session::default() };
        let packet = Request::NewSession { id: 1, session }.encode();
        let Some(Request::NewSession { session, .. }) = Request::decode(body(&packet)) else { panic!("not a session") };
        assert_eq!(session.env.len(), MAX_ENV);
    }
}
