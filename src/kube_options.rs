//! Kubernetes' records from JavaScript, already checked and defaulted by the facade.

use std::path::PathBuf;
use std::sync::Arc;

use napi::Result;
use napi_derive::napi;
use xec_engine::command::{Place, Pod};
use xec_engine::pool::{HostConfig, Key, Request};
use xec_engine::transport::kube::{KubeSource, KubeTarget, KubeTransport};

use crate::failure::FailureRecord;
use crate::options::{HostSettings, duration};

/// Which cluster, and as whom; what is absent is as the files say.
#[napi(object)]
pub struct KubeTargetSpec {
    /// Files; absent: the usual ones, or the pod's service account.
    pub kubeconfig: Option<Vec<String>>,
    pub context: Option<String>,
    pub cluster: Option<String>,
    pub user: Option<String>,
    pub namespace: Option<String>,
    /// Milliseconds for a line, a credential plugin, and the head of each answer.
    pub timeout: f64,
    pub settings: HostSettings,
}

/// A cluster, its files read and its limits known.
#[napi]
pub struct NativeKubeTarget {
    target: Arc<KubeTarget>,
    key: Key,
    limits: Arc<HostConfig>,
}

/// Exactly one of the two.
#[napi(object, object_from_js = false)]
pub struct KubeTargetOutcome {
    pub target: Option<NativeKubeTarget>,
    pub failure: Option<FailureRecord>,
}

#[napi]
impl NativeKubeTarget {
    /// Reads the files.
    #[napi]
    pub fn load(spec: KubeTargetSpec) -> Result<KubeTargetOutcome> {
        let files = spec.kubeconfig.map(|files| files.into_iter().map(PathBuf::from).collect());
        let source = KubeSource {
            files,
            context: spec.context,
            cluster: spec.cluster,
            user: spec.user,
            namespace: spec.namespace,
        };
        let limits = spec.settings.limits()?;
        Ok(match source.load(duration("timeout", spec.timeout)?) {
            Ok(target) => {
                let target = Self { key: target.key(), target: Arc::new(target), limits };
                KubeTargetOutcome { target: Some(target), failure: None }
            }
            Err(error) => KubeTargetOutcome { target: None, failure: Some(FailureRecord::new(&error, "", 0)) },
        })
    }

    /// The API server's host.
    #[napi(getter)]
    pub fn host(&self) -> String {
        self.key.host().to_owned()
    }

    /// The one that is meant when none is said.
    #[napi(getter)]
    pub fn namespace(&self) -> String {
        self.target.config.default_namespace.clone()
    }

    /// The user's name in the kubeconfig.
    #[napi(getter)]
    pub fn user(&self) -> String {
        self.target.user.clone()
    }

    /// The API server.
    #[napi(getter)]
    pub fn server(&self) -> String {
        self.target.config.cluster_url.to_string()
    }
}

impl NativeKubeTarget {
    pub fn request(&self, priority: i32) -> Request<KubeTransport> {
        let request = Request::new(self.key.clone(), Arc::clone(&self.target), Arc::clone(&self.limits));
        Request { priority, ..request }
    }

    pub fn key(&self) -> &Key {
        &self.key
    }
}

/// What a command runs in.
#[napi(object)]
pub struct PodPlaceSpec {
    pub namespace: String,
    pub pod: String,
    /// The pod's default one when absent.
    pub container: Option<String>,
    /// An absolute path, for `argv`.
    pub workdir: Option<String>,
    /// A program and its arguments, in place of the command's line.
    pub argv: Option<Vec<String>>,
}

impl PodPlaceSpec {
    pub fn into_place(self) -> Arc<Place> {
        Arc::new(Place {
            container: self.container.unwrap_or_default(),
            pod: Some(Pod { namespace: self.namespace, name: self.pod }),
            workdir: self.workdir,
            argv: self.argv,
            ..Place::default()
        })
    }
}
