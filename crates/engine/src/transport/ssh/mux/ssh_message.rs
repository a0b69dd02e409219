//! SSH's channel messages (RFC 4254), as they travel on a control socket in proxy mode: neither encrypted nor padded.

use bytes::Bytes;

use super::wire::{Fields, Packet};

const GLOBAL_REQUEST: u8 = 80;
const REQUEST_FAILURE: u8 = 82;
const OPEN: u8 = 90;
const OPEN_CONFIRMATION: u8 = 91;
const OPEN_FAILURE: u8 = 92;
const WINDOW_ADJUST: u8 = 93;
const DATA: u8 = 94;
const EXTENDED_DATA: u8 = 95;
const EOF: u8 = 96;
const CLOSE: u8 = 97;
const REQUEST: u8 = 98;
const SUCCESS: u8 = 99;
const FAILURE: u8 = 100;

/// A channel for a command.
pub const SESSION: &str = "session";
/// One of our own between our master and our client: the same for a command, or a subsystem, that is read at a caller's pace.
pub const BULK_SESSION: &str = "bulk-session@xec-native";
/// What this protocol calls stderr.
pub const STDERR: u32 = 1;
/// A request of our own between our master and our client: the connection that carried the channel is lost. SSH has no word
/// for that, and a CLOSE alone would say that the server ended the command. Others ignore it.
pub const LOST: &str = "connection-lost@xec-native";

/// `channel` is always the number that the receiver of the message has given its channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshMessage {
    Open {
        kind: String,
        sender: u32,
        window: u32,
        max_packet: u32,
        rest: Bytes,
    },
    OpenConfirmation {
        channel: u32,
        sender: u32,
        window: u32,
        max_packet: u32,
    },
    OpenFailure {
        channel: u32,
        reason: String,
    },
    WindowAdjust {
        channel: u32,
        more: u32,
    },
    Data {
        channel: u32,
        data: Bytes,
    },
    ExtendedData {
        channel: u32,
        code: u32,
        data: Bytes,
    },
    Eof {
        channel: u32,
    },
    Close {
        channel: u32,
    },
    Request {
        channel: u32,
        kind: String,
        want_reply: bool,
        rest: Bytes,
    },
    Success {
        channel: u32,
    },
    Failure {
        channel: u32,
    },
    /// About the whole connection.
    GlobalRequest {
        kind: String,
        want_reply: bool,
        rest: Bytes,
    },
    RequestFailure,
    /// What is none of our business.
    Other,
}

impl SshMessage {
    /// Whose it is; `None` for one that belongs to no open channel.
    pub fn channel(&self) -> Option<u32> {
        match self {
            Self::OpenConfirmation { channel, .. }
            | Self::OpenFailure { channel, .. }
            | Self::WindowAdjust { channel, .. }
            | Self::Data { channel, .. }
            | Self::ExtendedData { channel, .. }
            | Self::Eof { channel }
            | Self::Close { channel }
            | Self::Request { channel, .. }
            | Self::Success { channel }
            | Self::Failure { channel } => Some(*channel),
            Self::Open { .. } | Self::GlobalRequest { .. } | Self::RequestFailure | Self::Other => None,
        }
    }

    /// `None` for a packet that is not of the protocol.
    pub fn decode(packet: Bytes) -> Option<Self> {
        let mut fields = Fields::new(packet);
        let _padding = fields.u8()?;
        Some(match fields.u8()? {
            OPEN => {
                let kind = fields.text()?;
                let (sender, window, max_packet) = (fields.u32()?, fields.u32()?, fields.u32()?);
                Self::Open { kind, sender, window, max_packet, rest: fields.rest() }
            }
            GLOBAL_REQUEST => {
                let kind = fields.text()?;
                Self::GlobalRequest { kind, want_reply: fields.u8()? != 0, rest: fields.rest() }
            }
            REQUEST_FAILURE => Self::RequestFailure,
            OPEN_CONFIRMATION => Self::OpenConfirmation {
                channel: fields.u32()?,
                sender: fields.u32()?,
                window: fields.u32()?,
                max_packet: fields.u32()?,
            },
            OPEN_FAILURE => {
                let channel = fields.u32()?;
                let _code = fields.u32()?;
                Self::OpenFailure { channel, reason: fields.text()? }
            }
            WINDOW_ADJUST => Self::WindowAdjust { channel: fields.u32()?, more: fields.u32()? },
            DATA => Self::Data { channel: fields.u32()?, data: fields.bytes()? },
            EXTENDED_DATA => Self::ExtendedData { channel: fields.u32()?, code: fields.u32()?, data: fields.bytes()? },
            EOF => Self::Eof { channel: fields.u32()? },
            CLOSE => Self::Close { channel: fields.u32()? },
            REQUEST => {
                let channel = fields.u32()?;
                let kind = fields.text()?;
                Self::Request { channel, kind, want_reply: fields.u8()? != 0, rest: fields.rest() }
            }
            SUCCESS => Self::Success { channel: fields.u32()? },
            FAILURE => Self::Failure { channel: fields.u32()? },
            _ => Self::Other,
        })
    }

    pub fn encode(&self) -> Bytes {
        let head = |kind: u8| Packet::new().u8(0).u8(kind);
        match self {
            Self::Open { kind, sender, window, max_packet, rest } => {
                head(OPEN).bytes(kind.as_bytes()).u32(*sender).u32(*window).u32(*max_packet).raw(rest)
            }
            Self::GlobalRequest { kind, want_reply, rest } => {
                head(GLOBAL_REQUEST).bytes(kind.as_bytes()).u8((*want_reply).into()).raw(rest)
            }
            Self::RequestFailure => head(REQUEST_FAILURE),
            Self::OpenConfirmation { channel, sender, window, max_packet } => {
                head(OPEN_CONFIRMATION).u32(*channel).u32(*sender).u32(*window).u32(*max_packet)
            }
            // 2: connect failed, the one that fits every reason.
            Self::OpenFailure { channel, reason } => {
                head(OPEN_FAILURE).u32(*channel).u32(2).bytes(reason.as_bytes()).bytes(b"")
            }
            Self::WindowAdjust { channel, more } => head(WINDOW_ADJUST).u32(*channel).u32(*more),
            Self::Data { channel, data } => head(DATA).u32(*channel).bytes(data),
            Self::ExtendedData { channel, code, data } => head(EXTENDED_DATA).u32(*channel).u32(*code).bytes(data),
            Self::Eof { channel } => head(EOF).u32(*channel),
            Self::Close { channel } => head(CLOSE).u32(*channel),
            Self::Request { channel, kind, want_reply, rest } => {
                head(REQUEST).u32(*channel).bytes(kind.as_bytes()).u8((*want_reply).into()).raw(rest)
            }
            Self::Success { channel } => head(SUCCESS).u32(*channel),
            Self::Failure { channel } => head(FAILURE).u32(*channel),
            Self::Other => head(0),
        }
        .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_message_survives_the_wire(
            channel: u32, sender: u32, window: u32, max_packet: u32, want_reply: bool, data: Vec<u8>, text in "[a-z@.-]{0,30}",
        ) {
            let data = Bytes::from(data);
            for message in [
                SshMessage::Open { kind: text.clone(), sender, window, max_packet, rest: data.clone() },
                SshMessage::GlobalRequest { kind: text.clone(), want_reply, rest: data.clone() },
                SshMessage::RequestFailure,
                SshMessage::OpenConfirmation { channel, sender, window, max_packet },
                SshMessage::OpenFailure { channel, reason: text.clone() },
                SshMessage::WindowAdjust { channel, more: window },
                SshMessage::Data { channel, data: data.clone() },
                SshMessage::ExtendedData { channel, code: STDERR, data: data.clone() },
                SshMessage::Eof { channel },
                SshMessage::Close { channel },
                SshMessage::Request { channel, kind: text.clone(), want_reply, rest: data.clone() },
                SshMessage::Success { channel },
                SshMessage::Failure { channel },
                SshMessage::Other,
            ] {
                prop_assert_eq!(SshMessage::decode(message.encode().slice(4..)), Some(message));
            }
        }

        #[test]
        fn garbage_is_refused_or_read_but_never_a_panic(kind in 78_u8..102, garbage: Vec<u8>) {
            let _ = SshMessage::decode([vec![0, kind], garbage].concat().into());
        }
    }
}
