//! What a daemon refuses, by its status and its words.

use std::sync::Arc;

use crate::error::{Error, Kind, Phase, Reached};

/// What a daemon said instead of doing what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .said)]
pub struct Refusal {
    pub why: RefusalKind,
    /// The HTTP status; 0 where there was none.
    pub status: u16,
    /// The daemon's own words.
    pub said: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalKind {
    NoContainer,
    NotRunning,
    Paused,
    NoImage,
    NoNetwork,
    NoVolume,
    /// A file in a container, an exec, a plugin and the like.
    NoObject,
    Conflict,
    Unauthorized,
    /// Daemon and we have no version of the API in common.
    Version,
    Invalid,
    /// It was about to do it, and could not.
    Failed,
    /// It, or a proxy before it, speaks something else.
    Protocol,
    /// The same, before anything was asked of it.
    NoDaemon,
}

impl RefusalKind {
    pub fn code(self) -> &'static str {
        match self {
            Self::NoContainer => "ENOCONTAINER",
            Self::NotRunning => "ENOTRUNNING",
            Self::Paused => "EPAUSED",
            Self::NoImage => "ENOIMAGE",
            Self::NoNetwork => "ENONETWORK",
            Self::NoVolume => "ENOVOLUME",
            Self::NoObject => "ENOENT",
            Self::Conflict => "ECONFLICT",
            Self::Unauthorized => "EUNAUTHORIZED",
            Self::Version => "EAPIVERSION",
            Self::Invalid => "EINVAL",
            Self::Failed => "EDOCKER",
            Self::Protocol | Self::NoDaemon => "EPROTO",
        }
    }

    pub fn kind(self) -> Kind {
        match self {
            Self::NoContainer | Self::NoImage | Self::NoNetwork | Self::NoVolume | Self::NoObject => Kind::NotFound,
            Self::Unauthorized => Kind::Authentication,
            Self::NotRunning | Self::Paused | Self::Conflict | Self::Version | Self::Invalid => Kind::InvalidUsage,
            Self::Failed | Self::Protocol | Self::NoDaemon => Kind::Unknown,
        }
    }

    /// By the status, and where one status has many meanings by the words that Docker and podman use.
    fn of(status: u16, said: &str) -> Self {
        let said = said.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if says(&["client version", "maximum supported api version", "minimum supported api version"]) {
            return Self::Version;
        }
        if says(&["unauthorized", "authentication required", "access to the resource is denied", "access denied"]) {
            return Self::Unauthorized;
        }
        match status {
            401 | 403 => Self::Unauthorized,
            // A daemon that looks for an image it was asked to pull or run says so with 404 and 500 alike.
            404 | 500 if says(&["no such image", "manifest unknown", "image not known", "not found: manifest"]) => {
                Self::NoImage
            }
            // Of a path inside a container: `Could not find the file /x in container y`.
            404 if says(&["could not find the file"]) => Self::NoObject,
            404 | 500 if says(&["no such container", "no container with name or id"]) => Self::NoContainer,
            404 if says(&["network"]) => Self::NoNetwork,
            404 if says(&["volume"]) => Self::NoVolume,
            404 => Self::NoObject,
            409 | 500 if says(&["is paused", "unpause"]) => Self::Paused,
            409 | 500
                if says(&[
                    "is not running",
                    "can only create exec sessions on running",
                    "container state improper",
                ]) =>
            {
                Self::NotRunning
            }
            409 => Self::Conflict,
            400..=499 => Self::Invalid,
            _ => Self::Failed,
        }
    }
}

impl Refusal {
    pub fn new(status: u16, said: &str) -> Self {
        let said = said.trim();
        let why = RefusalKind::of(status, said);
        let said = if said.is_empty() { format!("The daemon answered with status {status}") } else { said.to_owned() };
        Self { why, status, said: said.into() }
    }

    /// The body of a refused request: JSON with a message, or plain text from whatever stands before the daemon.
    pub fn of_body(status: u16, body: &[u8]) -> Self {
        let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let message = json.as_ref().and_then(|json| json.get("message")).and_then(serde_json::Value::as_str);
        match message {
            Some(message) => Self::new(status, message),
            // A page is no message; its beginning tells enough.
            None => Self::new(status, &String::from_utf8_lossy(body.get(..body.len().min(500)).unwrap_or_default())),
        }
    }

    pub fn no_daemon() -> Self {
        let said = "Whoever answers there is no Docker daemon";
        Self { why: RefusalKind::NoDaemon, status: 0, said: said.into() }
    }

    pub fn protocol(problem: &str) -> Self {
        Self { why: RefusalKind::Protocol, status: 0, said: format!("The daemon broke the protocol: {problem}").into() }
    }

    pub fn error(self) -> Error {
        Error::Docker(self)
    }

    pub fn phase(&self) -> Phase {
        match self.why {
            RefusalKind::Version | RefusalKind::NoDaemon => Phase::Handshake,
            RefusalKind::Protocol | RefusalKind::Failed => Phase::Run,
            _ => Phase::OpenChannel,
        }
    }

    pub fn reached(&self) -> Reached {
        match self.why {
            RefusalKind::Protocol | RefusalKind::Failed => Reached::Unknown,
            _ => Reached::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(status: u16, said: &str) -> &'static str {
        Refusal::new(status, said).why.code()
    }

    #[test]
    fn each_refusal_has_its_code() {
        for (status, said, expected) in [
            (404, "No such container: x", "ENOCONTAINER"),
            (404, "no container with name or ID \"x\" found: no such container", "ENOCONTAINER"),
            (409, "Container abc is not running", "ENOTRUNNING"),
            (500, "can only create exec sessions on running containers: container state improper", "ENOTRUNNING"),
            (409, "Container abc is paused, unpause the container before exec", "EPAUSED"),
            (404, "No such image: y:latest", "ENOIMAGE"),
            (404, "manifest for y:z not found: manifest unknown: manifest unknown", "ENOIMAGE"),
            (404, "network x not found", "ENONETWORK"),
            (404, "get x: no such volume", "ENOVOLUME"),
            (404, "Could not find the file /x in container y", "ENOENT"),
            (409, "Conflict. The container name \"/x\" is already in use", "ECONFLICT"),
            (500, "unauthorized: authentication required", "EUNAUTHORIZED"),
            (400, "client version 1.99 is too new. Maximum supported API version is 1.41", "EAPIVERSION"),
            (400, "invalid reference format", "EINVAL"),
            (500, "driver failed", "EDOCKER"),
        ] {
            assert_eq!(code(status, said), expected, "{status} {said}");
        }
    }

    #[test]
    fn a_body_may_be_json_text_or_nothing() {
        assert_eq!(&*Refusal::of_body(404, br#"{"message":"No such container: x"}"#).said, "No such container: x");
        assert_eq!(&*Refusal::of_body(502, b"Bad Gateway\n").said, "Bad Gateway");
        assert_eq!(&*Refusal::of_body(500, b"").said, "The daemon answered with status 500");
    }
}
