//! Docker's records from JavaScript, already checked and defaulted by the facade.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use napi::bindgen_prelude::{Buffer, Either};
use napi::{Error, Result};
use napi_derive::napi;
use xec_engine::command::Place;
use xec_engine::pool::{HostConfig, Key, Request};
use xec_engine::transport::docker::{
    ApiRequest, ApiResponse, DockerTarget, DockerTransport, Endpoint, ExchangeOptions, OverSsh, Tls, TlsMaterial,
};
use zeroize::Zeroizing;

use crate::failure::FailureRecord;
use crate::options::{HostSettings, TargetSpec, duration, port};
use crate::ssh_pool::NativePool;

/// PEM texts.
#[napi(object)]
pub struct TlsSpec {
    pub ca: Option<Buffer>,
    pub cert: Option<Buffer>,
    pub key: Option<Buffer>,
    pub verify: bool,
    pub server_name: Option<String>,
}

/// Where a daemon is: a socket, or a host and port.
#[napi(object)]
pub struct DockerTargetSpec {
    pub socket_path: Option<String>,
    pub host: Option<String>,
    pub port: Option<u32>,
    pub tls: Option<TlsSpec>,
    /// Milliseconds for a line, and for the head of each answer.
    pub timeout: f64,
    pub settings: HostSettings,
}

/// A daemon, its certificates read and its limits known.
#[napi]
pub struct NativeDockerTarget {
    target: Arc<DockerTarget>,
    key: Key,
    limits: Arc<HostConfig>,
}

#[napi]
impl NativeDockerTarget {
    #[napi(constructor)]
    pub fn new(spec: DockerTargetSpec) -> Result<Self> {
        let endpoint = match (spec.socket_path, spec.host) {
            (Some(path), _) => Endpoint::Unix(path.into()),
            (None, Some(host)) => {
                let tls = spec.tls.map(|tls| Tls::new(&host, &tls.into_material())).transpose();
                let tls = tls.map_err(|error| Error::from_reason(error.to_string()))?;
                Endpoint::Tcp { port: port(spec.port.unwrap_or(2375))?, host, tls }
            }
            (None, None) => return Err(Error::from_reason("a daemon needs a socket or a host")),
        };
        Self::around(endpoint, spec.timeout, &spec.settings)
    }

    /// A daemon's socket behind an SSH server, over connections of `pool`.
    #[napi(factory)]
    pub fn over_ssh(
        pool: &NativePool,
        target: TargetSpec,
        socket_path: String,
        timeout: f64,
        settings: HostSettings,
    ) -> Result<Self> {
        let request = pool.forward_request(target)?;
        let key = &request.key;
        let endpoint = Endpoint::Bridge {
            name: format!("ssh://{}@{}:{}{socket_path}", key.username(), key.host(), key.port()),
            fingerprint: *key.fingerprint(),
            bridge: Arc::new(OverSsh::new(pool.shared_pool(), request, socket_path)),
        };
        Self::around(endpoint, timeout, &settings)
    }

    /// What its connections are known by.
    #[napi(getter)]
    pub fn host(&self) -> String {
        self.key.host().to_owned()
    }

    /// As DOCKER_HOST has it.
    #[napi(getter)]
    pub fn url(&self) -> String {
        self.target.endpoint.to_string().replacen("https://", "tcp://", 1)
    }
}

impl NativeDockerTarget {
    pub fn around(endpoint: Endpoint, timeout: f64, settings: &HostSettings) -> Result<Self> {
        let target = DockerTarget { endpoint: Arc::new(endpoint), timeout: duration("timeout", timeout)? };
        Ok(Self { key: target.key(), target: Arc::new(target), limits: settings.limits()? })
    }

    pub fn request(&self, priority: i32) -> Request<DockerTransport> {
        let request = Request::new(self.key.clone(), Arc::clone(&self.target), Arc::clone(&self.limits));
        Request { priority, ..request }
    }

    pub fn key(&self) -> &Key {
        &self.key
    }
}

impl TlsSpec {
    fn into_material(self) -> TlsMaterial {
        TlsMaterial {
            ca: self.ca.map(Vec::from),
            cert: self.cert.map(Vec::from),
            key: self.key.map(|key| Zeroizing::new(Vec::from(key))),
            verify: self.verify,
            server_name: self.server_name,
        }
    }
}

/// What a command runs in.
#[napi(object)]
pub struct PlaceSpec {
    pub container: String,
    pub user: Option<String>,
    pub workdir: Option<String>,
    pub privileged: Option<bool>,
    /// A program and its arguments, in place of the command's line.
    pub argv: Option<Vec<String>>,
}

impl PlaceSpec {
    pub fn into_place(self) -> Arc<Place> {
        Arc::new(Place {
            container: self.container,
            user: self.user,
            workdir: self.workdir,
            privileged: self.privileged.unwrap_or(false),
            argv: self.argv,
            pod: None,
        })
    }
}

/// One call of the Engine API.
#[napi(object)]
pub struct ApiSpec {
    pub method: String,
    pub path: String,
    /// Names and values, in this order.
    pub query: Option<Vec<(String, String)>>,
    pub headers: Option<HashMap<String, String>>,
    pub body: Option<Either<String, Buffer>>,
    /// Milliseconds for the head of the answer; absent = the target's, 0 = no limit.
    pub timeout: Option<f64>,
    /// Pieces of the body follow.
    pub upload: Option<bool>,
    /// The answer is Docker's multiplexed stream.
    pub framed: Option<bool>,
    /// The line is taken over after the head.
    pub hijack: Option<bool>,
}

/// What the engine makes of it.
pub struct Call {
    pub request: ApiRequest,
    pub options: ExchangeOptions,
}

impl ApiSpec {
    pub fn into_call(self) -> Result<Call> {
        let timeout = self.timeout.map(|timeout| duration("timeout", timeout)).transpose()?;
        let mut headers: Vec<_> = self.headers.unwrap_or_default().into_iter().collect();
        headers.sort();
        Ok(Call {
            request: ApiRequest {
                method: self.method,
                path: self.path,
                query: self.query.unwrap_or_default(),
                headers,
                timeout: timeout.map(|limit| if limit.is_zero() { FOREVER } else { limit }),
            },
            options: ExchangeOptions {
                body: self.body.map_or_else(Bytes::new, |body| match body {
                    Either::A(text) => Bytes::from(text),
                    Either::B(buffer) => Bytes::from(Vec::from(buffer)),
                }),
                upload: self.upload.unwrap_or(false),
                framed: self.framed.unwrap_or(false),
                hijack: self.hijack.unwrap_or(false),
            },
        })
    }
}

/// A timer needs an end: ten years.
const FOREVER: std::time::Duration = std::time::Duration::from_secs(315_360_000);

/// An answer that was collected.
#[napi(object)]
pub struct ApiRecord {
    pub status: u32,
    pub headers: HashMap<String, String>,
    pub body: Buffer,
}

impl From<ApiResponse> for ApiRecord {
    fn from(response: ApiResponse) -> Self {
        Self {
            status: u32::from(response.status),
            headers: response.headers.into_iter().collect(),
            body: Vec::from(response.body).into(),
        }
    }
}

/// Exactly one of the two.
#[napi(object)]
pub struct ApiOutcome {
    pub response: Option<ApiRecord>,
    pub failure: Option<FailureRecord>,
}

/// The beginning of an answer.
#[napi(object)]
pub struct HeadRecord {
    pub status: u32,
    pub headers: HashMap<String, String>,
}
