use bytes::Bytes;

use super::assembler::Frame;
use super::attributes::Attributes;
use super::decode::{Fields, Malformed};
use super::wire::answer;

/// An answer, understood.
#[derive(Debug)]
pub enum Reply {
    Status { code: u32, message: String },
    Handle(Bytes),
    Data(Vec<Bytes>),
    Names(Vec<Name>),
    Attributes(Attributes),
    Extended(Bytes),
}

/// One entry of a directory, as the server names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub name: Bytes,
    /// As `ls -l` would print it; for people only.
    pub long: Bytes,
    pub attributes: Attributes,
}

/// Two strings and the flags of the attributes.
const SHORTEST_NAME: usize = 12;

/// The answer, and the request it is for; `None` for the server's greeting.
pub fn understand(frame: Frame) -> Result<(Option<u32>, Reply), Malformed> {
    match frame {
        Frame::Version(body) => Ok((None, Reply::Extended(body))),
        Frame::Data { id, pieces } => Ok((Some(id), Reply::Data(pieces))),
        Frame::Other { kind, id, body } => Ok((Some(id), decode(kind, Fields::new(body))?)),
    }
}

fn decode(kind: u8, mut fields: Fields) -> Result<Reply, Malformed> {
    Ok(match kind {
        answer::STATUS => {
            let code = fields.u32()?;
            // Old servers leave the text out.
            let message = fields.string().unwrap_or_default();
            Reply::Status { code, message: String::from_utf8_lossy(&message).into_owned() }
        }
        answer::HANDLE => Reply::Handle(handle(fields.string()?)?),
        answer::NAME => Reply::Names(names(&mut fields)?),
        answer::ATTRS => Reply::Attributes(Attributes::decode(&mut fields)?),
        answer::EXTENDED_REPLY => Reply::Extended(fields.rest()),
        _ => return Err(Malformed("an answer of a kind that there is not")),
    })
}

fn handle(handle: Bytes) -> Result<Bytes, Malformed> {
    // The protocol's own limit.
    if handle.len() > 256 { Err(Malformed("a handle is longer than any may be")) } else { Ok(handle) }
}

fn names(fields: &mut Fields) -> Result<Vec<Name>, Malformed> {
    let count = fields.u32()? as usize;
    let mut names = Vec::with_capacity(count.min(fields.remaining() / SHORTEST_NAME));
    for _ in 0..count {
        let (name, long) = (fields.string()?, fields.string()?);
        names.push(Name { name, long, attributes: Attributes::decode(fields)? });
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(kind: u8, body: &'static [u8]) -> Result<Reply, Malformed> {
        understand(Frame::Other { kind, id: 1, body: Bytes::from_static(body) }).map(|(_, reply)| reply)
    }

    #[test]
    fn a_status_without_text_is_one() {
        assert!(
            matches!(reply(answer::STATUS, b"\0\0\0\x02"), Ok(Reply::Status { code: 2, message }) if message.is_empty())
        );
    }

    #[test]
    fn counts_that_cannot_be_true_cost_nothing() {
        assert!(reply(answer::NAME, b"\xff\xff\xff\xff\0\0\0\x01a").is_err());
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        assert!(reply(answer::STATUS, b"\0\0").is_err());
        assert!(reply(answer::HANDLE, b"\0\0\0\x09abc").is_err());
        assert!(reply(77, b"").is_err());
    }
}
