//! What of a pod decides where a command runs.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;

use super::client::KubeClient;
use super::refusal::{KubeRefusal, KubeRefusalKind};
use crate::command::Pod;
use crate::error::Error;
use crate::transport::container::ApiRequest;
use crate::transport::container::request::encode;

/// Pods whose choice is remembered; after that many all are forgotten.
const REMEMBERED: usize = 4096;
/// A pod of the same name may come with another image: after that long a container without a shell is asked for one again.
const SHELLLESS: Duration = Duration::from_secs(60);
/// kubectl's way to say which of a pod's containers is meant, and what it was called first.
const DEFAULT_CONTAINER: [&str; 2] =
    ["kubectl.kubernetes.io/default-container", "kubectl.kubernetes.io/default-logs-container"];

/// `/api/v1/namespaces/x/pods/y`.
pub fn path_of(pod: &Pod) -> String {
    let mut path = String::from("/api/v1/namespaces/");
    encode(&mut path, &pod.namespace);
    path.push_str("/pods/");
    encode(&mut path, &pod.name);
    path
}

/// Which container is meant in pods that have several, once it had to be found out; and which containers have a shell.
#[derive(Default)]
pub struct Containers {
    chosen: Mutex<HashMap<Pod, String>>,
    shells: Mutex<HashMap<(Pod, String), Shell>>,
}

/// What is known about a container's `sh`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    There,
    Missing { since: Instant },
}

impl Containers {
    pub fn known(&self, pod: &Pod) -> Option<String> {
        self.chosen.lock().get(pod).cloned()
    }

    pub fn forget(&self, pod: &Pod) {
        self.chosen.lock().remove(pod);
    }

    /// As kubectl chooses: what the pod's annotation says, else the first one.
    pub async fn choose(&self, client: &KubeClient, pod: &Pod) -> Result<String, Error> {
        let answer = client.send(&ApiRequest::new("GET", path_of(pod)), Bytes::new()).await?;
        let unreadable = || KubeRefusal::protocol("its answer is no pod").error();
        let json: Value = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
        let chosen = default_container(&json).ok_or_else(unreadable)?;
        let mut known = self.chosen.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(pod.clone(), chosen.clone());
        Ok(chosen)
    }

    /// `None`: nothing is known, or not any more.
    pub fn shell(&self, pod: &Pod, container: &str) -> Option<Shell> {
        let known = self.shells.lock().get(&(pod.clone(), container.to_owned())).copied();
        known.filter(|shell| !matches!(shell, Shell::Missing { since } if since.elapsed() >= SHELLLESS))
    }

    pub fn note_shell(&self, pod: &Pod, container: &str, shell: Shell) {
        let mut known = self.shells.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert((pod.clone(), container.to_owned()), shell);
    }
}

fn default_container(pod: &Value) -> Option<String> {
    let names: Vec<&str> =
        pod.pointer("/spec/containers")?.as_array()?.iter().filter_map(|one| one.get("name")?.as_str()).collect();
    let annotations = pod.pointer("/metadata/annotations");
    let said = DEFAULT_CONTAINER.iter().find_map(|name| annotations?.get(*name)?.as_str());
    said.filter(|name| names.contains(name)).or_else(|| names.first().copied()).map(ToOwned::to_owned)
}

/// Did the server only miss the name of a container?
pub fn wants_container(error: &Error) -> bool {
    matches!(error, Error::Kube(refusal) if refusal.why == KubeRefusalKind::WhichContainer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_decides_where_it_names_a_container() {
        let pod = |annotation: &str| {
            serde_json::json!({
                "metadata": {"annotations": {"kubectl.kubernetes.io/default-container": annotation}},
                "spec": {"containers": [{"name": "a"}, {"name": "b"}]},
            })
        };
        assert_eq!(default_container(&pod("b")).as_deref(), Some("b"));
        assert_eq!(default_container(&pod("c")).as_deref(), Some("a"));
        assert_eq!(
            default_container(&serde_json::json!({"spec": {"containers": [{"name": "x"}]}})).as_deref(),
            Some("x")
        );
        assert_eq!(default_container(&serde_json::json!({})), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_container_without_a_shell_is_asked_again_later() {
        let containers = Containers::default();
        let pod = Pod { namespace: "a".into(), name: "b".into() };
        assert_eq!(containers.shell(&pod, "c"), None);
        let missing = Shell::Missing { since: Instant::now() };
        containers.note_shell(&pod, "c", missing);
        assert_eq!(containers.shell(&pod, "c"), Some(missing));
        tokio::time::advance(SHELLLESS).await;
        assert_eq!(containers.shell(&pod, "c"), None);
        containers.note_shell(&pod, "c", Shell::There);
        tokio::time::advance(SHELLLESS).await;
        assert_eq!(containers.shell(&pod, "c"), Some(Shell::There));
    }

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        let pod = Pod { namespace: "a/b".into(), name: "../x?y".into() };
        assert_eq!(path_of(&pod), "/api/v1/namespaces/a%2Fb/pods/..%2Fx%3Fy");
    }
}
