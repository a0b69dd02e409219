//! What an API server refuses, by its status, its reason and its words.

use std::sync::Arc;

use serde_json::Value;

use crate::error::{Error, Kind, Phase, Reached};

/// What an API server, or the node behind it, said instead of doing what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .said)]
pub struct KubeRefusal {
    pub why: KubeRefusalKind,
    /// The HTTP status; 0 where there was none.
    pub status: u16,
    /// The server's own words, and ours where those do not say enough.
    pub said: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KubeRefusalKind {
    NoPod,
    NoNamespace,
    NoContainer,
    /// Any other object.
    NoObject,
    NotRunning,
    /// The container has no such program: no shell, mostly.
    NoProgram,
    /// The pod has several containers, and none was named.
    WhichContainer,
    Forbidden,
    Unauthorized,
    Conflict,
    Invalid,
    TooMany,
    /// Whoever answered does not do WebSockets as Kubernetes does.
    Upgrade,
    /// It cannot be done with this server.
    NotSupported,
    /// It was about to do it, and could not.
    Failed,
    /// It, or a proxy before it, speaks something else.
    Protocol,
}

impl KubeRefusalKind {
    pub fn code(self) -> &'static str {
        match self {
            Self::NoPod => "ENOPOD",
            Self::NoNamespace => "ENONAMESPACE",
            Self::NoContainer | Self::WhichContainer => "ENOCONTAINER",
            Self::NoObject => "ENOENT",
            Self::NotRunning => "ENOTRUNNING",
            Self::NoProgram => "ENOPROGRAM",
            Self::Forbidden => "EFORBIDDEN",
            Self::Unauthorized => "EUNAUTHORIZED",
            Self::Conflict => "ECONFLICT",
            Self::Invalid => "EINVAL",
            Self::TooMany => "EBUSY",
            Self::Upgrade => "EUPGRADE",
            Self::NotSupported => "ENOTSUP",
            Self::Failed => "EKUBE",
            Self::Protocol => "EPROTO",
        }
    }

    pub fn kind(self) -> Kind {
        match self {
            Self::NoPod | Self::NoNamespace | Self::NoContainer | Self::NoObject | Self::NoProgram => Kind::NotFound,
            Self::Forbidden => Kind::PermissionDenied,
            Self::Unauthorized => Kind::Authentication,
            Self::NotRunning | Self::WhichContainer | Self::Conflict | Self::Invalid | Self::NotSupported => {
                Kind::InvalidUsage
            }
            Self::TooMany | Self::Upgrade => Kind::ConnectionRefused,
            Self::Failed | Self::Protocol => Kind::Unknown,
        }
    }

    /// By the status, and where one status has many meanings by the words that API servers, kubelets and runtimes use.
    fn of(status: u16, said: &str) -> Self {
        let said = said.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        match status {
            401 => return Self::Unauthorized,
            403 => return Self::Forbidden,
            404 if says(&["namespaces \""]) => return Self::NoNamespace,
            429 => return Self::TooMany,
            409 => return Self::Conflict,
            _ => {}
        }
        // A node that does not find what the API server still shows says so with 404, 500 or in a status frame.
        if says(&["executable file not found", "no such file or directory: unknown", "stat /bin/sh: no such file"]) {
            return Self::NoProgram;
        }
        if says(&["a container name must be specified"]) {
            return Self::WhichContainer;
        }
        if says(&["container not found", "is not valid for pod", "not found in pod", "container name is invalid"])
            || (status == 400 && says(&["container "]) && says(&["not found"]))
        {
            return Self::NoContainer;
        }
        if says(&[
            "does not have a host assigned",
            "completed pod",
            "is not running",
            "not in running state",
            "waiting to start",
            "pod is not running",
            "container is in",
            "unable to upgrade connection: pod does not exist",
            "cannot exec in a stopped",
            "procready not received",
        ]) {
            return Self::NotRunning;
        }
        match status {
            404 if says(&["pods \"", "pod not found", "pod does not exist"]) => Self::NoPod,
            404 => Self::NoObject,
            400..=499 => Self::Invalid,
            _ => Self::Failed,
        }
    }
}

impl KubeRefusal {
    pub fn new(status: u16, said: &str) -> Self {
        let said = said.trim();
        let why = KubeRefusalKind::of(status, said);
        let said = if said.is_empty() { format!("The API server answered with status {status}") } else { said.into() };
        Self { why, status, said: said.into() }
    }

    pub fn of_kind(why: KubeRefusalKind, status: u16, said: impl Into<Arc<str>>) -> Self {
        Self { why, status, said: said.into() }
    }

    /// The body of a refused request: a `Status`, or plain text from whatever stands before the server.
    pub fn of_body(status: u16, body: &[u8]) -> Self {
        match message(body) {
            Some(message) => Self::new(status, &message),
            // A page is no message; its beginning tells enough.
            None => Self::new(status, &String::from_utf8_lossy(body.get(..body.len().min(500)).unwrap_or_default())),
        }
    }

    /// An answer to a request for a WebSocket that is none. What an API server itself says wins.
    pub fn of_upgrade(status: u16, body: &[u8]) -> Self {
        match message(body) {
            Some(message) => Self::new(status, &message),
            // Runtimes answer in plain text, behind a server that hands it on.
            None if status == 401 => Self::new(status, "Unauthorized"),
            None => {
                let text = String::from_utf8_lossy(body.get(..body.len().min(500)).unwrap_or_default());
                let refusal = Self::new(status, &text);
                if matches!(
                    refusal.why,
                    KubeRefusalKind::Forbidden | KubeRefusalKind::Invalid | KubeRefusalKind::Failed
                ) || (refusal.why == KubeRefusalKind::NoObject)
                {
                    let text = text.trim();
                    let more = if text.is_empty() { String::new() } else { format!(": {text}") };
                    return Self::upgrade(status, &format!("it answered with status {status}{more}"));
                }
                refusal
            }
        }
    }

    pub fn upgrade(status: u16, problem: &str) -> Self {
        let said = format!("The API server, or a proxy before it, did not open a WebSocket: {problem}");
        Self { why: KubeRefusalKind::Upgrade, status, said: said.into() }
    }

    pub fn protocol(problem: &str) -> Self {
        let said = format!("The API server broke the protocol: {problem}");
        Self { why: KubeRefusalKind::Protocol, status: 0, said: said.into() }
    }

    pub fn error(self) -> Error {
        Error::Kube(self)
    }

    pub fn phase(&self) -> Phase {
        match self.why {
            KubeRefusalKind::Unauthorized => Phase::Authenticate,
            KubeRefusalKind::Protocol | KubeRefusalKind::Failed => Phase::Run,
            _ => Phase::OpenChannel,
        }
    }

    pub fn reached(&self) -> Reached {
        match self.why {
            KubeRefusalKind::Protocol | KubeRefusalKind::Failed => Reached::Unknown,
            _ => Reached::No,
        }
    }
}

/// The message of a `Status`.
fn message(body: &[u8]) -> Option<String> {
    let json: Value = serde_json::from_slice(body).ok()?;
    if json.get("kind").and_then(Value::as_str) != Some("Status") {
        return None;
    }
    let message = json.get("message").and_then(Value::as_str).unwrap_or_default();
    let reason = json.get("reason").and_then(Value::as_str).unwrap_or_default();
    Some(if message.is_empty() { reason.to_owned() } else { message.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_code() {
        for (status, said, expected) in [
            (404, "pods \"x\" not found", "ENOPOD"),
            (404, "namespaces \"x\" not found", "ENONAMESPACE"),
            (404, "services \"x\" not found", "ENOENT"),
            (400, "container x is not valid for pod y", "ENOCONTAINER"),
            (400, "a container name must be specified for pod y, choose one of: [a b]", "ENOCONTAINER"),
            (500, "container not found (\"x\")", "ENOCONTAINER"),
            (400, "pod y does not have a host assigned", "ENOTRUNNING"),
            (500, "cannot exec into a container in a completed pod; current phase is Succeeded", "ENOTRUNNING"),
            (400, "container \"a\" in pod \"y\" is waiting to start: ContainerCreating", "ENOTRUNNING"),
            (500, "OCI runtime exec failed: exec: \"sh\": executable file not found in $PATH", "ENOPROGRAM"),
            (403, "pods \"y\" is forbidden: User \"u\" cannot get resource \"pods/exec\"", "EFORBIDDEN"),
            (401, "Unauthorized", "EUNAUTHORIZED"),
            (409, "already exists", "ECONFLICT"),
            (429, "too many requests", "EBUSY"),
            (422, "is invalid", "EINVAL"),
            (500, "etcdserver: request timed out", "EKUBE"),
        ] {
            assert_eq!(KubeRefusal::new(status, said).why.code(), expected, "{status} {said}");
        }
    }

    #[test]
    fn an_upgrade_that_was_refused_says_by_whom() {
        let status = br#"{"kind":"Status","message":"pods \"x\" not found","reason":"NotFound","code":404}"#;
        assert_eq!(KubeRefusal::of_upgrade(404, status).why, KubeRefusalKind::NoPod);
        assert_eq!(KubeRefusal::of_upgrade(403, b"").why, KubeRefusalKind::Upgrade);
        assert_eq!(KubeRefusal::of_upgrade(200, b"<html>").why, KubeRefusalKind::Upgrade);
        assert_eq!(KubeRefusal::of_upgrade(404, b"404 page not found").why, KubeRefusalKind::Upgrade);
        assert_eq!(KubeRefusal::of_upgrade(502, b"Bad Gateway").why, KubeRefusalKind::Upgrade);
        assert_eq!(KubeRefusal::of_upgrade(500, b"container not found (\"x\")").why, KubeRefusalKind::NoContainer);
    }
}
