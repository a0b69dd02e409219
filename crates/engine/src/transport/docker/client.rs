use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bollard::{BollardRequest, ClientVersion, Docker};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, UPGRADE};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::{Client, Error as HttpError};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::timeout;

use super::endpoint::Endpoint;
use super::refusal::{Refusal, RefusalKind};
use super::wire::{BoxedIo, Dialer};
use crate::error::{Cause, Error, Phase, Reached};
use crate::transport::container::answer::Uncollected;
use crate::transport::container::{self, ApiRequest, ApiResponse, Body, Head, full_body, no_body};

/// Lines that wait for the next call; after a burst the rest is closed.
const KEPT_LINES: usize = 8;
/// The newest version of the API that we were written for. Daemons keep old ones for years.
const NEWEST: (usize, usize) = (1, 53);
/// Older daemons lack what an exec needs (variables, a working directory).
const OLDEST: (usize, usize) = (1, 35);
/// What a refusal may say, and an answer that is collected hold.
const REFUSAL_LIMIT: usize = 64 * 1024;
const ANSWER_LIMIT: usize = 512 * 1024 * 1024;

/// Speaks with one daemon, over lines that are kept. Dropping it closes those that nobody uses.
pub struct DockerClient {
    http: Client<Dialer, Body>,
    dialer: Dialer,
    /// bollard's typed calls, over the same lines.
    api: Docker,
    /// `/v1.41`.
    prefix: Arc<str>,
    timeout: Duration,
}

impl DockerClient {
    /// Asks the daemon which version it speaks. `limit`: for each line, and for the head of each answer.
    pub async fn connect(endpoint: Arc<Endpoint>, limit: Duration) -> Result<Self, Error> {
        let dialer = Dialer { endpoint, limit };
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(KEPT_LINES)
            .build(dialer.clone());
        let version = negotiate(&http, limit).await?;
        let prefix: Arc<str> = format!("/v{}.{}", version.0, version.1).into();
        let api = typed(http.clone(), Arc::clone(&prefix), version, limit)?;
        Ok(Self { http, dialer, api, prefix, timeout: limit })
    }

    /// bollard, for calls that it has types for. Its errors are ours after [`typed_error`].
    pub fn api(&self) -> &Docker {
        &self.api
    }

    /// The version of the API agreed on, `1.41`.
    pub fn api_version(&self) -> &str {
        self.prefix.trim_start_matches("/v")
    }

    /// Is the daemon behind a socket of this machine? It may still run elsewhere.
    pub fn is_local(&self) -> bool {
        matches!(*self.dialer.endpoint, Endpoint::Unix(_))
    }

    /// A line of its own.
    pub async fn dial(&self) -> Result<BoxedIo, Error> {
        self.dialer.dial().await
    }

    pub async fn ping(&self) -> Result<(), Error> {
        ping(&self.http, self.timeout).await.map(drop)
    }

    /// One call, its answer collected.
    pub async fn send(&self, request: &ApiRequest, body: Bytes) -> Result<ApiResponse, Error> {
        let body = if body.is_empty() { no_body() } else { full_body(body) };
        let (head, body) = self.open(request, body).await?.into_parts();
        Ok(ApiResponse::new(Head::of(&head), collect(body, ANSWER_LIMIT).await?))
    }

    /// One call, up to the head of its answer. What the daemon refuses is an error.
    pub async fn open(&self, request: &ApiRequest, body: Body) -> Result<Response<Incoming>, Error> {
        let request_timeout = request.timeout.unwrap_or(self.timeout);
        answered(&self.http, request.build(&self.prefix, body)?, request_timeout).await
    }

    /// A call that takes over its line.
    pub async fn hijack(&self, request: &ApiRequest, body: Bytes) -> Result<BoxedIo, Error> {
        let mut built = request.build(&self.prefix, full_body(body))?;
        built.headers_mut().insert(CONNECTION, hyper::header::HeaderValue::from_static("Upgrade"));
        // A session of BuildKit asks for another protocol.
        built.headers_mut().entry(UPGRADE).or_insert(hyper::header::HeaderValue::from_static("tcp"));
        let response = answered(&self.http, built, request.timeout.unwrap_or(self.timeout)).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Refusal::protocol("it does not hand over the line").error());
        }
        match hyper::upgrade::on(response).await {
            Ok(line) => Ok(Box::new(TokioIo::new(line))),
            Err(error) => Err(lost(Reached::Unknown, Arc::new(error))),
        }
    }
}

/// The body of an answer, up to a limit.
pub async fn collect(body: Incoming, limit: usize) -> Result<Bytes, Error> {
    container::collect(body, limit).await.map_err(|problem| match problem {
        Uncollected::TooLong => Refusal::protocol("its answer is too long").error(),
        Uncollected::Broken(error) => lost(Reached::Yes, Arc::new(error)),
    })
}

/// The head of the answer; an error when it is no success.
async fn answered(
    http: &Client<Dialer, Body>,
    request: Request<Body>,
    limit: Duration,
) -> Result<Response<Incoming>, Error> {
    let response = match timeout(limit, http.request(request)).await {
        Ok(response) => response.map_err(http_error)?,
        Err(_) => {
            return Err(Error::Timeout { phase: Phase::Run, limit, reached: Reached::Unknown, source: None });
        }
    };
    let status = response.status();
    // 304: it is so already.
    if status.is_success() || matches!(status, StatusCode::SWITCHING_PROTOCOLS | StatusCode::NOT_MODIFIED) {
        return Ok(response);
    }
    let said = timeout(limit, collect(response.into_body(), REFUSAL_LIMIT)).await;
    let said = said.ok().and_then(Result::ok).unwrap_or_default();
    Err(Refusal::of_body(status.as_u16(), &said).error())
}

fn lost(reached: Reached, source: Cause) -> Error {
    Error::ConnectionLost { phase: Phase::Run, reached, source: Some(source) }
}

/// Why no answer came. hyper sends again by itself what met a dead line before it was sent.
fn http_error(error: HttpError) -> Error {
    let connecting = error.is_connect();
    if let Some(ours) = find(&error) {
        return ours;
    }
    lost(if connecting { Reached::No } else { Reached::Unknown }, Arc::new(error))
}

/// Our own error inside of another one.
fn find(error: &(dyn StdError + 'static)) -> Option<Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return Some(ours.clone());
        }
        // An `io::Error` hides what it was made of from `source()`.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// What bollard says, in our words.
pub fn typed_error(error: bollard::errors::Error) -> Error {
    use bollard::errors::Error as Typed;
    match &error {
        Typed::DockerResponseServerError { status_code, message } => Refusal::new(*status_code, message).error(),
        Typed::RequestTimeoutError => {
            Error::Timeout { phase: Phase::Run, limit: Duration::ZERO, reached: Reached::Unknown, source: None }
        }
        Typed::JsonDataError { .. } | Typed::JsonSerdeError { .. } => {
            Refusal::protocol("its answer is not what the API says").error()
        }
        // Where our transport has put what is ours; from outside, the wrapper shows only what is behind it.
        Typed::IOError { err } => find(err).unwrap_or_else(|| lost(Reached::Unknown, Arc::new(error))),
        _ => find(&error).unwrap_or_else(|| lost(Reached::Unknown, Arc::new(error))),
    }
}

/// bollard over our lines. It puts no version before its paths, so that is done here.
fn typed(
    http: Client<Dialer, Body>,
    prefix: Arc<str>,
    version: (usize, usize),
    limit: Duration,
) -> Result<Docker, Error> {
    let transport = move |request: BollardRequest| {
        let (http, prefix) = (http.clone(), Arc::clone(&prefix));
        async move {
            let failed = |error: Error| bollard::errors::Error::IOError { err: io::Error::other(error) };
            let request = versioned(request, &prefix).map_err(failed)?;
            match timeout(limit, http.request(request)).await {
                Ok(response) => response.map_err(|error| failed(http_error(error))),
                Err(_) => {
                    Err(failed(Error::Timeout { phase: Phase::Run, limit, reached: Reached::Unknown, source: None }))
                }
            }
        }
    };
    let version = ClientVersion { major_version: version.0, minor_version: version.1 };
    // Our own limit is the shorter one: its error says more.
    let later = limit.as_secs().saturating_add(5);
    Docker::connect_with_custom_transport(transport, Some("http://docker"), later, &version).map_err(typed_error)
}

fn versioned(request: BollardRequest, prefix: &str) -> Result<Request<Body>, Error> {
    let (mut head, body) = request.into_parts();
    let asked = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let target = if asked.starts_with("/v1.") { asked.to_owned() } else { format!("{prefix}{asked}") };
    head.uri = Uri::builder()
        .scheme("http")
        .authority("docker")
        .path_and_query(target)
        .build()
        .map_err(|error| Error::InvalidOption { option: "path", problem: error.to_string() })?;
    Ok(Request::from_parts(head, body.map_err(Into::into).boxed_unsync()))
}

/// The version of the API that the daemon says it speaks.
async fn ping(http: &Client<Dialer, Body>, limit: Duration) -> Result<String, Error> {
    let request = ApiRequest::new("GET", "/_ping".to_owned()).build("", no_body())?;
    let (head, body) = answered(http, request, limit).await?.into_parts();
    if collect(body, REFUSAL_LIMIT).await?.trim_ascii() != b"OK" {
        return Err(Refusal::no_daemon().error());
    }
    let version = head.headers.get("api-version").and_then(|value| value.to_str().ok());
    Ok(version.unwrap_or_default().to_owned())
}

async fn negotiate(http: &Client<Dialer, Body>, limit: Duration) -> Result<(usize, usize), Error> {
    let said = ping(http, limit).await.map_err(at_first)?;
    let parsed = said.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    match parsed {
        Some(theirs) if theirs >= OLDEST => Ok(theirs.min(NEWEST)),
        _ => Err(too_old(&said)),
    }
}

/// Nothing was asked of the daemon yet.
fn at_first(error: Error) -> Error {
    match error {
        Error::ConnectionLost { source, .. } => {
            Error::ConnectionLost { phase: Phase::Handshake, reached: Reached::No, source }
        }
        Error::Timeout { phase: Phase::Run, limit, source, .. } => {
            Error::Timeout { phase: Phase::Handshake, limit, reached: Reached::No, source }
        }
        // A web server that knows no such page, say.
        Error::Docker(refusal) if refusal.status != 0 && refusal.why != RefusalKind::Version => {
            Refusal::no_daemon().error()
        }
        error => error,
    }
}

fn too_old(said: &str) -> Error {
    let (major, minor) = OLDEST;
    let said = format!(
        "The daemon's API version is '{said}', the minimum supported API version is {major}.{minor}: update the daemon"
    );
    Refusal::new(400, &said).error()
}
