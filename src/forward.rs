use std::sync::Arc;

use napi::bindgen_prelude::{Function, Object};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Result};
use napi_derive::napi;
use xec_engine::transport::ssh::forward::{Address, Forward, ForwardSpec, News};

use crate::cancel::CancelToken;
use crate::failure::FailureRecord;
use crate::options::{TargetSpec, invalid};
use crate::origin::Origin;
use crate::runtime;
use crate::ssh_pool::NativePool;
use crate::uses::token;

/// One end of a forward: `path`, or `host` and `port`.
#[napi(object)]
pub struct AddressRecord {
    pub host: Option<String>,
    /// 0 where it is to be chosen.
    pub port: Option<u32>,
    pub path: Option<String>,
}

#[napi(object)]
pub struct ForwardSettings {
    /// `local`, `remote` or `dynamic`.
    pub kind: String,
    pub listen: AddressRecord,
    /// Absent for `dynamic`.
    pub to: Option<AddressRecord>,
}

/// Exactly one of the two.
#[napi(object, object_from_js = false)]
pub struct ForwardOutcome {
    pub forward: Option<NativeForward>,
    pub failure: Option<FailureRecord>,
}

#[napi(object)]
pub struct ForwardFigures {
    pub connections: f64,
    pub active: f64,
    pub failed: f64,
    pub bytes_in: f64,
    pub bytes_out: f64,
    pub reconnects: f64,
}

/// What a forward has to tell.
#[napi(object)]
pub struct NewsRecord {
    /// `connection`, `error`, `reconnecting`, `reconnected` or `close`.
    pub kind: String,
    /// `connection`: who came, where that is known.
    pub from: Option<AddressRecord>,
    pub to: Option<AddressRecord>,
    pub failure: Option<FailureRecord>,
}

/// An open forward. Dropping this handle leaves it open: it is closed by `close`, or with its pool.
#[napi]
pub struct NativeForward {
    forward: Arc<Forward>,
    origin: Origin,
}

#[napi]
impl NativePool {
    /// Opens a forward. The promise resolves whatever happens; a failure is in the record.
    #[napi(ts_return_type = "Promise<ForwardOutcome>")]
    pub fn forward<'env>(
        &self,
        env: &'env Env,
        target: TargetSpec,
        settings: ForwardSettings,
        cancel: Option<&CancelToken>,
    ) -> Result<Object<'env>> {
        let request = self.forward_request(target)?;
        let origin = Origin::of(&request);
        let opening = Forward::open(self.shared_pool(), request, settings.into_spec()?, token(cancel));
        runtime::promise(env, async move {
            match opening.await {
                Ok(forward) => {
                    let forward = NativeForward { forward: Arc::new(forward), origin };
                    ForwardOutcome { forward: Some(forward), failure: None }
                }
                Err(error) => ForwardOutcome { forward: None, failure: Some(origin.failure(&error)) },
            }
        })
    }
}

#[napi]
impl NativeForward {
    /// Where it listens, with the port that was chosen.
    #[napi(getter)]
    pub fn bound(&self) -> AddressRecord {
        self.forward.bound().into()
    }

    #[napi(getter)]
    pub fn is_open(&self) -> bool {
        self.forward.is_open()
    }

    #[napi]
    pub fn stats(&self) -> ForwardFigures {
        let stats = self.forward.stats();
        ForwardFigures {
            connections: stats.connections as f64,
            active: stats.active as f64,
            failed: stats.failed as f64,
            bytes_in: stats.bytes_in as f64,
            bytes_out: stats.bytes_out as f64,
            reconnects: stats.reconnects as f64,
        }
    }

    /// Resolves when it is closed.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        self.forward.close();
        runtime::promise(env, self.forward.closed())
    }

    /// `wake` is called when there is news. It keeps no process alive.
    #[napi]
    pub fn watch(&self, wake: Function<(), ()>) -> Result<()> {
        // One call in the queue is enough: whoever drains takes everything.
        let wake =
            wake.build_threadsafe_function().callee_handled::<false>().weak::<true>().max_queue_size::<1>().build()?;
        self.forward.on_news(Box::new(move || {
            // A full queue means a wake-up is already on its way; a closing one that nobody listens any more.
            let _ = wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }));
        Ok(())
    }

    /// Takes all news, oldest first.
    #[napi]
    pub fn news(&self) -> Vec<NewsRecord> {
        self.forward.news().into_iter().map(|news| self.record(news)).collect()
    }
}

impl NativeForward {
    fn record(&self, news: News) -> NewsRecord {
        let record = |kind: &str| NewsRecord { kind: kind.to_owned(), from: None, to: None, failure: None };
        let failure = |error| self.origin.failure(&error);
        match news {
            News::Connected { from, to } => NewsRecord {
                from: from.map(|(host, port)| Address::tcp(host, port).into()),
                to: Some(to.into()),
                ..record("connection")
            },
            News::Failed(error) => NewsRecord { failure: Some(failure(error)), ..record("error") },
            News::Reconnecting => record("reconnecting"),
            News::Reconnected => record("reconnected"),
            News::Closed(error) => NewsRecord { failure: error.map(failure), ..record("close") },
        }
    }
}

impl ForwardSettings {
    fn into_spec(self) -> Result<ForwardSpec> {
        let Self { kind, listen, to } = self;
        let listen = listen.into_address()?;
        let to = to.map(AddressRecord::into_address).transpose()?;
        match (kind.as_str(), to) {
            ("local", Some(to)) => Ok(ForwardSpec::Local { listen, to }),
            ("remote", Some(to)) => Ok(ForwardSpec::Remote { listen, to }),
            ("dynamic", None) => Ok(ForwardSpec::Dynamic { listen }),
            _ => Err(invalid("kind", "must be 'local' or 'remote' with a target, or 'dynamic' without one")),
        }
    }
}

impl AddressRecord {
    fn into_address(self) -> Result<Address> {
        match (self.path, self.host, self.port.map(u16::try_from)) {
            (Some(path), _, _) => Ok(Address::Unix(path)),
            (None, Some(host), Some(Ok(port))) => Ok(Address::Tcp { host, port }),
            _ => Err(invalid("port", "must be from 0 to 65535, with a host")),
        }
    }
}

impl From<Address> for AddressRecord {
    fn from(address: Address) -> Self {
        match address {
            Address::Tcp { host, port } => Self { host: Some(host), port: Some(u32::from(port)), path: None },
            Address::Unix(path) => Self { host: None, port: None, path: Some(path) },
        }
    }
}
