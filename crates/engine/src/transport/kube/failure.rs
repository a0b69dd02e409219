//! Why no answer came, in our words.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use super::target::{KubeTarget, address};
use crate::error::{Cause, Error, Kind, Phase, Reached};

/// What kube says, shared.
pub struct LineFailure(Cause);

impl LineFailure {
    pub fn of(error: impl StdError + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    pub fn lost(self, reached: Reached) -> Error {
        Error::ConnectionLost { phase: Phase::Run, reached, source: Some(self.0) }
    }
}

/// Of a request that got no answer.
pub fn line_failure(error: kube::Error, target: &KubeTarget) -> Error {
    if find::<kube::client::AuthError>(&error).is_some() {
        return credentials(error);
    }
    let connecting = find::<hyper_util::client::legacy::Error>(&error).is_some_and(|error| error.is_connect());
    if !connecting {
        // Cancelled: the line had ended before the request was sent.
        let unsent = find::<hyper::Error>(&error).is_some_and(hyper::Error::is_canceled);
        return LineFailure::of(error).lost(if unsent { Reached::No } else { Reached::Unknown });
    }
    let (host, _) = address(&target.config.cluster_url);
    let address = target.address();
    if find::<rustls::Error>(&error).is_some() {
        return Error::Tls { address, source: Arc::new(error) };
    }
    if chain(&error).any(|error| error.to_string() == "dns error") {
        return Error::Resolve { host, source: Arc::new(error) };
    }
    if target.config.proxy_url.is_some() && find::<io::Error>(&error).is_none() {
        return Error::Proxy {
            proxy: "The proxy of the cluster".into(),
            address,
            problem: "it refuses, or it is no such proxy".into(),
            kind: Kind::ConnectionRefused,
            source: Some(Arc::new(error)),
        };
    }
    let (code, kind, problem) = match find::<io::Error>(&error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => {
            ("ECONNREFUSED", Kind::ConnectionRefused, "nobody listens there; is the API server running?")
        }
        Some(io::ErrorKind::TimedOut) => ("ETIMEDOUT", Kind::Timeout, "no answer in time"),
        Some(io::ErrorKind::HostUnreachable) => ("EHOSTUNREACH", Kind::ConnectionRefused, "there is no way to it"),
        Some(io::ErrorKind::NetworkUnreachable) => ("ENETUNREACH", Kind::ConnectionRefused, "there is no way to it"),
        Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            ("ECONNRESET", Kind::ConnectionLost, "it hung up during the handshake")
        }
        _ => ("ECONNREFUSED", Kind::ConnectionRefused, "the connection could not be made"),
    };
    Error::Dial { address, problem, code, kind, source: Arc::new(error) }
}

/// Of making a client.
pub fn building(error: kube::Error) -> Error {
    match &error {
        kube::Error::Auth(_) => credentials(error),
        kube::Error::ProxyProtocolUnsupported { .. } => Error::Kubeconfig {
            problem: "its proxy-url must begin with http://, https:// or socks5://".into(),
            source: None,
        },
        _ => Error::Kubeconfig {
            problem: "its certificates or keys cannot be used".into(),
            source: Some(Arc::new(error)),
        },
    }
}

/// A plugin's output and arguments may be secrets, so its error is not handed on as it is.
fn credentials(error: kube::Error) -> Error {
    use kube::client::AuthError as Auth;
    let Some(auth) = find::<Auth>(&error) else {
        return Error::Credentials { problem: "they cannot be had".into(), source: None };
    };
    let problem = match auth {
        Auth::AuthExecStart(error) => format!("the credential plugin could not be started: {error}"),
        Auth::AuthExecRun { out, .. } => format!("the credential plugin failed ({})", out.status),
        Auth::AuthExecParse(_) => "the credential plugin said something that is no ExecCredential".into(),
        Auth::ExecPluginFailed => "the credential plugin gave no credentials".into(),
        Auth::MissingCommand => "the credential plugin has no command".into(),
        Auth::ReadTokenFile(error, path) => format!("the token file {} cannot be read: {error}", path.display()),
        Auth::InvalidBearerToken(_) => "the token holds characters that no token has".into(),
        Auth::MalformedTokenExpirationDate(_) => "the credential plugin's date of expiry is none".into(),
        Auth::AuthExec(problem) => problem.clone(),
        _ => "they cannot be had".into(),
    };
    Error::Credentials { problem, source: None }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        let error: &'a (dyn StdError + 'static) = *error;
        // An `io::Error` hides what it was made of from `source()`.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}
