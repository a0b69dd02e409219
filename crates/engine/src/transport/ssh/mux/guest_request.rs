use std::sync::Arc;

use bytes::{Buf, Bytes};
use russh::Pty;

use super::wire::Fields;
use crate::error::{Error, Phase, Reached};
use crate::transport::ssh::link::LinkWriter;
use crate::transport::{ChannelWriter, Signal};

/// Passes on what a visitor in proxy mode asks of its channel; the server's answer is an event of the channel. `false` for
/// what this master does not pass on.
pub async fn request(writer: &LinkWriter, kind: &str, want_reply: bool, rest: Bytes) -> Result<bool, Error> {
    let LinkWriter::Direct(direct) = writer else { return Ok(false) };
    let raw = direct.raw();
    let mut fields = Fields::new(rest);
    let Some(asked) = Asked::read(kind, &mut fields) else { return Ok(false) };
    let sent = match asked {
        Asked::Exec(command) => raw.exec(want_reply, command.to_vec()).await,
        Asked::Shell => raw.request_shell(want_reply).await,
        Asked::Subsystem(name) => raw.request_subsystem(want_reply, name).await,
        Asked::Env(name, value) => raw.set_env(want_reply, name, value).await,
        Asked::Terminal(term, [columns, rows, width, height], modes) => {
            raw.request_pty(want_reply, &term, columns, rows, width, height, &modes).await
        }
        Asked::Resize([columns, rows, width, height]) => raw.window_change(columns, rows, width, height).await,
        Asked::Signal(signal) => return writer.signal(signal).await.map(|()| true),
    };
    sent.map(|()| true).map_err(|error| Error::ConnectionLost {
        phase: Phase::Run,
        reached: Reached::Unknown,
        source: Some(Arc::new(error)),
    })
}

enum Asked {
    Exec(Bytes),
    Shell,
    Subsystem(String),
    Env(String, String),
    Terminal(String, [u32; 4], Vec<(Pty, u32)>),
    Resize([u32; 4]),
    Signal(Signal),
}

impl Asked {
    /// `None` for a request that is unknown or cut short.
    fn read(kind: &str, fields: &mut Fields) -> Option<Self> {
        Some(match kind {
            "exec" => Self::Exec(fields.bytes()?),
            "shell" => Self::Shell,
            "subsystem" => Self::Subsystem(fields.text()?),
            "env" => Self::Env(fields.text()?, fields.text()?),
            "pty-req" => Self::Terminal(fields.text()?, size(fields)?, modes(fields.bytes()?)),
            "window-change" => Self::Resize(size(fields)?),
            "signal" => Self::Signal(Signal::named(&fields.text()?)?),
            _ => return None,
        })
    }
}

fn size(fields: &mut Fields) -> Option<[u32; 4]> {
    Some([fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?])
}

/// Those we know, up to the first that we cannot read.
fn modes(mut encoded: Bytes) -> Vec<(Pty, u32)> {
    let mut modes = Vec::new();
    while let (Ok(code @ 1..=159), Ok(value)) = (encoded.try_get_u8(), encoded.try_get_u32()) {
        modes.extend(Pty::from_u8(code).map(|mode| (mode, value)));
    }
    modes
}
