use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use parking_lot::Mutex;
use tokio::time::timeout;
use tower::{BoxError, Service, ServiceBuilder};

use super::buffered::Buffering;
use super::failure::{LineFailure, building, line_failure};
use super::refusal::KubeRefusal;
use super::spares::{Line, Spare, Spares};
use super::target::KubeTarget;
use crate::error::{Error, Phase, Reached};
use crate::transport::container::answer::Uncollected;
use crate::transport::container::{self, ApiRequest, ApiResponse, Head, no_body};

/// Lines that wait for the next call; after a burst the rest is closed.
const KEPT_LINES: usize = 16;
/// API servers and the balancers before them end idle lines after a minute or more.
const KEPT_FOR: Duration = Duration::from_secs(50);
/// How long a silent peer is believed to be there.
const TCP_SILENCE: Duration = Duration::from_secs(30);
/// What a refusal may say, and an answer that is collected hold.
const REFUSAL_LIMIT: usize = 64 * 1024;
const ANSWER_LIMIT: usize = 512 * 1024 * 1024;

/// Speaks with one cluster, over lines that are kept.
pub struct KubeClient {
    target: Arc<KubeTarget>,
    current: Mutex<Current>,
    renewing: tokio::sync::Mutex<()>,
}

struct Current {
    client: Client,
    spares: Arc<dyn Spare>,
    /// The server knew us no more, or did not take our certificate.
    stale: bool,
}

impl KubeClient {
    /// Asks credential plugins, if there are any, and sees whether an API server answers.
    pub async fn connect(target: Arc<KubeTarget>) -> Result<Self, Error> {
        let current = Mutex::new(build(&target).await?);
        let client = Self { target, current, renewing: tokio::sync::Mutex::new(()) };
        client.ping().await?;
        Ok(client)
    }

    pub fn target(&self) -> &Arc<KubeTarget> {
        &self.target
    }

    pub fn namespace(&self) -> &str {
        &self.target.config.default_namespace
    }

    /// Is there an API server, and are we somebody to it? Whatever it lets us see.
    pub async fn ping(&self) -> Result<(), Error> {
        match self.send(&ApiRequest::new("GET", "/version".to_owned()), Bytes::new()).await {
            Ok(_) => Ok(()),
            // It answers, and we may be somebody who may not see versions.
            Err(Error::Kube(refusal)) if refusal.status == StatusCode::FORBIDDEN.as_u16() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// One call, its answer collected.
    pub async fn send(&self, request: &ApiRequest, body: Bytes) -> Result<ApiResponse, Error> {
        let (head, body) = self.open(request, body).await?.into_parts();
        Ok(ApiResponse::new(Head::of(&head), collect(body, ANSWER_LIMIT).await?))
    }

    /// One call, up to the head of its answer. What the server refuses is an error.
    pub async fn open(&self, request: &ApiRequest, body: Bytes) -> Result<Response<Body>, Error> {
        let limit = request.timeout.unwrap_or(self.target.timeout);
        let built = request.build("", no_body())?.map(|_| Body::from(body));
        let response = self.answered(built, limit).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, said) = self.refused(response, limit).await;
        Err(KubeRefusal::of_body(status, &said).error())
    }

    /// The head of an answer, whatever it says.
    pub async fn answered(&self, request: Request<Body>, limit: Duration) -> Result<Response<Body>, Error> {
        let client = self.client().await?;
        match timeout(limit, client.send(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                let error = line_failure(error, &self.target);
                let mut current = self.current.lock();
                current.stale |= matches!(error, Error::Tls { .. });
                current.spares.forget();
                Err(error)
            }
            Err(_) => Err(Error::Timeout { phase: Phase::Run, limit, reached: Reached::Unknown, source: None }),
        }
    }

    /// A line is somebody's own from now on.
    pub fn used_up_a_line(&self) {
        self.current.lock().spares.used();
    }

    /// What a refusal says.
    pub async fn refused(&self, response: Response<Body>, limit: Duration) -> (u16, Bytes) {
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            // A credential plugin or a token's file may have something newer.
            self.current.lock().stale = true;
        }
        let said = timeout(limit, collect(response.into_body(), REFUSAL_LIMIT)).await;
        (status.as_u16(), said.ok().and_then(Result::ok).unwrap_or_default())
    }

    async fn client(&self) -> Result<Client, Error> {
        if let Some(client) = self.usable() {
            return Ok(client);
        }
        let _one = self.renewing.lock().await;
        if let Some(client) = self.usable() {
            return Ok(client);
        }
        let renewed = build(&self.target).await?;
        let client = renewed.client.clone();
        *self.current.lock() = renewed;
        Ok(client)
    }

    fn usable(&self) -> Option<Client> {
        let current = self.current.lock();
        // Without a plugin or a file another client would be nobody else.
        let auth = &self.target.config.auth_info;
        let ask_again = current.stale && (auth.exec.is_some() || auth.token_file.is_some());
        (!ask_again).then(|| current.client.clone())
    }
}

/// The body of an answer, up to a limit.
async fn collect(body: Body, limit: usize) -> Result<Bytes, Error> {
    container::collect(body, limit).await.map_err(|problem| match problem {
        Uncollected::TooLong => KubeRefusal::protocol("its answer is too long").error(),
        Uncollected::Broken(error) => LineFailure::of(error).lost(Reached::Yes),
    })
}

/// Credential plugins are programs, and files are read: on a thread that may block. A plugin that does not end is not waited for.
async fn build(target: &Arc<KubeTarget>) -> Result<Current, Error> {
    let (runtime, asked, limit) = (tokio::runtime::Handle::current(), Arc::clone(target), target.timeout);
    let building = tokio::task::spawn_blocking(move || {
        // What kube starts for itself needs to know where.
        let _entered = runtime.enter();
        proxied(&asked.config, limit)
    });
    match timeout(limit, building).await {
        Ok(Ok(Ok((client, spares)))) => Ok(Current { client, spares, stale: false }),
        Ok(Ok(Err(error))) => Err(self::building(error)),
        Ok(Err(_)) => Err(Error::Internal { what: "making a Kubernetes client" }),
        Err(_) => Err(Error::Timeout { phase: Phase::Authenticate, limit, reached: Reached::No, source: None }),
    }
}

type Built = Result<(Client, Arc<dyn Spare>), kube::Error>;

fn proxied(config: &Config, limit: Duration) -> Built {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(TCP_SILENCE));
    tcp.set_keepalive_interval(Some(TCP_SILENCE / 3));
    tcp.set_connect_timeout(config.connect_timeout);
    let Some(proxy) = &config.proxy_url else { return over(config, tcp, limit) };
    match proxy.scheme_str() {
        Some("socks5" | "socks5h") => over(config, SocksV5::new(proxy.clone(), tcp), limit),
        Some("http") => over(config, with_login(proxy, Tunnel::new(proxy.clone(), tcp)), limit),
        Some("https") => {
            let tls = config.rustls_https_connector_with_connector(tcp)?;
            over(config, with_login(proxy, Tunnel::new(proxy.clone(), tls)), limit)
        }
        _ => Err(kube::Error::ProxyProtocolUnsupported { proxy_url: Box::new(proxy.clone()) }),
    }
}

fn with_login<C>(proxy: &Uri, tunnel: Tunnel<C>) -> Tunnel<C> {
    use base64::Engine;
    let login = proxy.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
    let Some((login, _)) = login else { return tunnel };
    let login: Vec<u8> = percent_encoding::percent_decode_str(login).collect();
    let text = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login));
    match hyper::header::HeaderValue::from_str(&text) {
        Ok(mut header) => {
            header.set_sensitive(true);
            tunnel.with_auth(header)
        }
        Err(_) => tunnel,
    }
}

/// kube's layers over our lines: its own have Nagle's delay, and no limit on how long a dead peer is believed.
fn over<C>(config: &Config, connector: C, limit: Duration) -> Built
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Line,
    C::Future: Send + 'static,
    C::Error: Into<BoxError> + Send + Sync + 'static,
{
    let auth = config.auth_layer()?;
    let headers = config.extra_headers_layer()?;
    let lines = Spares::new(config.rustls_https_connector_with_connector(Buffering(connector))?, limit);
    let spares = lines.handle(config.cluster_url.clone());
    let http: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEPT_FOR)
        .pool_max_idle_per_host(KEPT_LINES)
        .build(lines);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(auth)
        .layer(headers)
        .map_err(BoxError::from)
        .service(http);
    Ok((Client::new(service, config.default_namespace.clone()), spares))
}
