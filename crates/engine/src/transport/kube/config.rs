//! Where a cluster is and who we are there, as the files and the surroundings say.

use std::env;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::Config;
use kube::config::{ExecInteractiveMode, Kubeconfig, KubeconfigError};

use super::target::{KubeTarget, address};
use crate::error::{Cause, Error};

/// What the caller says about it. Everything has a default: the current context of the usual files.
#[derive(Debug, Clone, Default)]
pub struct KubeSource {
    /// Files to be merged, the first one to say something wins; else `KUBECONFIG`, else `~/.kube/config`.
    pub files: Option<Vec<PathBuf>>,
    pub context: Option<String>,
    pub cluster: Option<String>,
    pub user: Option<String>,
    pub namespace: Option<String>,
}

impl KubeSource {
    /// Reads the files. Blocks.
    pub fn load(self, timeout: Duration) -> Result<KubeTarget, Error> {
        let Self { files, context, cluster, user, namespace } = self;
        let named = context.is_some() || cluster.is_some() || user.is_some();
        let merged = match files {
            Some(files) => Some(merge(&files)?.ok_or_else(|| nothing(&files))?),
            None => usual()?,
        };
        let (mut config, user) = match merged {
            Some(kubeconfig) => chosen(kubeconfig, context, cluster, user)?,
            None if named => return Err(nothing(&usual_files())),
            None => in_cluster()?,
        };
        if let Some(namespace) = namespace {
            config.default_namespace = namespace;
        }
        // Whoever asks a program has no terminal to lend it: a plugin that wants to ask a person must fail, not wait.
        if let Some(exec) = &mut config.auth_info.exec {
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
        }
        if config.proxy_url.is_some() && is_excepted(&address(&config.cluster_url).0, &no_proxy()) {
            config.proxy_url = None;
        }
        config.connect_timeout = Some(timeout);
        Ok(KubeTarget { config: Arc::new(config), user, timeout })
    }
}

/// `KUBECONFIG`, else the file in the home directory. `None`: there is none.
fn usual() -> Result<Option<Kubeconfig>, Error> {
    merge(&usual_files())
}

fn usual_files() -> Vec<PathBuf> {
    match env::var_os("KUBECONFIG").filter(|paths| !paths.is_empty()) {
        Some(paths) => env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => env::home_dir().map(|home| home.join(".kube").join("config")).into_iter().collect(),
    }
}

/// Files that are not there are passed over, as kubectl does. `None`: there is none at all.
fn merge(files: &[PathBuf]) -> Result<Option<Kubeconfig>, Error> {
    let mut merged: Option<Kubeconfig> = None;
    for file in files {
        let next = match Kubeconfig::read_from(file) {
            Ok(next) => next,
            Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(format!("{} cannot be used", file.display()), error)),
        };
        merged = Some(match merged {
            None => next,
            Some(merged) => merged.merge(next).map_err(|error| failed("the files do not go together".into(), error))?,
        });
    }
    Ok(merged)
}

fn chosen(
    mut kubeconfig: Kubeconfig,
    context: Option<String>,
    cluster: Option<String>,
    user: Option<String>,
) -> Result<(Config, String), Error> {
    // Only a cluster is named: a context that leads there will do.
    let context = context.or_else(|| of_cluster(&kubeconfig, cluster.as_deref()));
    let name = context.or_else(|| kubeconfig.current_context.clone()).filter(|name| !name.is_empty());
    let Some(name) = name else { return Err(problem("no context is named, and no current-context is set".into())) };
    let known: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    let known = known.join(", ");
    let entry = kubeconfig.contexts.iter_mut().find(|context| context.name == name);
    let Some(context) = entry.and_then(|entry| entry.context.as_mut()) else {
        return Err(problem(format!("there is no context '{name}'; there are: {known}")));
    };
    if let Some(cluster) = cluster {
        context.cluster = cluster;
    }
    if let Some(user) = user {
        context.user = Some(user);
    }
    let cluster = context.cluster.clone();
    let user = context.user.clone().unwrap_or_default();
    if !user.is_empty() && !kubeconfig.auth_infos.iter().any(|known| known.name == user) {
        return Err(problem(format!("there is no user '{user}', which context '{name}' names")));
    }
    if !kubeconfig.clusters.iter().any(|known| known.name == cluster) {
        return Err(problem(format!("there is no cluster '{cluster}', which context '{name}' is for")));
    }
    kubeconfig.current_context = Some(name.clone());
    let config =
        Config::try_from(kubeconfig).map_err(|error| failed(format!("context '{name}' cannot be used"), error))?;
    Ok((config, user))
}

/// The current context where it is for that cluster, else the first one that is.
fn of_cluster(kubeconfig: &Kubeconfig, cluster: Option<&str>) -> Option<String> {
    let cluster = cluster?;
    let leads_there = |name: &str| {
        let entry = kubeconfig.contexts.iter().find(|entry| entry.name == name);
        entry.and_then(|entry| entry.context.as_ref()).is_some_and(|context| context.cluster == cluster)
    };
    let current = kubeconfig.current_context.clone().filter(|name| leads_there(name));
    current.or_else(|| kubeconfig.contexts.iter().map(|entry| &entry.name).find(|name| leads_there(name)).cloned())
}

fn in_cluster() -> Result<(Config, String), Error> {
    if env::var_os("KUBERNETES_SERVICE_HOST").is_none() {
        return Err(nothing(&usual_files()));
    }
    let config = Config::incluster_env().map_err(|error| Error::Kubeconfig {
        problem: "the pod's service account cannot be used".into(),
        source: Some(Arc::new(error)),
    })?;
    Ok((config, "serviceaccount".into()))
}

fn nothing(files: &[PathBuf]) -> Error {
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let files = if files.is_empty() { "no file".to_owned() } else { files.join(", ") };
    let source: Cause = Arc::new(std::io::Error::from(std::io::ErrorKind::NotFound));
    Error::Kubeconfig {
        problem: format!("there is none (looked for {files}), and this is no pod"),
        source: Some(source),
    }
}

fn problem(problem: String) -> Error {
    Error::Kubeconfig { problem, source: None }
}

fn failed(problem: String, error: KubeconfigError) -> Error {
    Error::Kubeconfig { problem, source: Some(Arc::new(error)) }
}

fn no_proxy() -> String {
    env::var("NO_PROXY").or_else(|_| env::var("no_proxy")).unwrap_or_default()
}

/// By Go's rules, which kubectl follows: names with or without what is before them, addresses, networks, and `*`.
fn is_excepted(host: &str, no_proxy: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    no_proxy.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some(address) = address {
            let network = entry.parse::<ipnet::IpNet>().ok();
            return network.is_some_and(|network| network.contains(&address)) || entry.parse() == Ok(address);
        }
        let name = entry.trim_start_matches('*').trim_start_matches('.').to_lowercase();
        let host = host.to_lowercase();
        host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(text: &str) -> Kubeconfig {
        Kubeconfig::from_yaml(text).unwrap()
    }

    const TWO: &str = "
apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: a, cluster: {server: 'https://a.example:6443'}}
- {name: b, cluster: {server: 'https://b.example:6443'}}
users:
- {name: u, user: {token: t}}
contexts:
- {name: one, context: {cluster: a, user: u, namespace: n}}
- {name: two, context: {cluster: b, user: u}}
";

    fn host(context: Option<&str>, cluster: Option<&str>) -> String {
        let (config, _) = chosen(kubeconfig(TWO), context.map(Into::into), cluster.map(Into::into), None).unwrap();
        address(&config.cluster_url).0
    }

    #[test]
    fn what_is_named_is_chosen() {
        assert_eq!(host(None, None), "a.example");
        assert_eq!(host(Some("two"), None), "b.example");
        assert_eq!(host(None, Some("b")), "b.example");
        assert_eq!(host(Some("one"), Some("b")), "b.example");
    }

    #[test]
    fn what_is_not_there_is_said() {
        for (context, cluster, user, expected) in [
            (Some("three"), None, None, "there is no context 'three'; there are: one, two"),
            (None, Some("c"), None, "there is no cluster 'c'"),
            (None, None, Some("v"), "there is no user 'v'"),
        ] {
            let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
            let error = chosen(kubeconfig(TWO), owned(context), owned(cluster), owned(user)).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn exceptions_from_the_proxy_follow_go() {
        for (host, list, expected) in [
            ("10.1.2.3", "10.0.0.0/8", true),
            ("10.1.2.3", "192.168.0.0/16, 10.1.2.3", true),
            ("10.1.2.3", "1.2.3", false),
            ("api.example.com", "example.com", true),
            ("api.example.com", ".example.com", true),
            ("api.example.com", "ample.com", false),
            ("api.example.com", "*", true),
            ("api.example.com", "", false),
        ] {
            assert_eq!(is_excepted(host, list), expected, "{host} {list}");
        }
    }
}
