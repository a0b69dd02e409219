use std::sync::Arc;
use std::time::Duration;

use kube::Config;
use kube::config::AuthInfo;
use sha2::{Digest, Sha256};

use crate::pool::Key;

/// Which cluster, as whom, and how long it may take to answer.
pub struct KubeTarget {
    pub config: Arc<Config>,
    /// The user's name in the kubeconfig; safe to print.
    pub user: String,
    /// For a line, for a credential plugin, and for the head of each answer.
    pub timeout: Duration,
}

impl KubeTarget {
    /// The cluster, who we are there, and the namespace that is meant when none is said.
    pub fn key(&self) -> Key {
        let config = &self.config;
        let (host, port) = address(&config.cluster_url);
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            // Lengths, so that no two lists of parts look alike.
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(config.cluster_url.to_string().as_bytes());
        part(config.default_namespace.as_bytes());
        part(self.user.as_bytes());
        part(&[u8::from(config.accept_invalid_certs)]);
        part(config.tls_server_name.as_deref().unwrap_or_default().as_bytes());
        part(config.proxy_url.as_ref().map(ToString::to_string).unwrap_or_default().as_bytes());
        for certificate in config.root_cert.iter().flatten() {
            part(certificate);
        }
        part(&credentials(&config.auth_info));
        Key::new(&host, port, &self.user, hash.finalize().into())
    }

    /// `host:port`, for messages.
    pub fn address(&self) -> String {
        let (host, port) = address(&self.config.cluster_url);
        format!("{host}:{port}")
    }
}

pub fn address(url: &hyper::Uri) -> (String, u16) {
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("http") { 80 } else { 443 });
    (url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned(), port)
}

/// A digest of everything that says who we are. What is in files that rotate is not part of it: the file is.
fn credentials(auth: &AuthInfo) -> [u8; 32] {
    use secrecy::ExposeSecret;
    let mut hash = Sha256::new();
    let mut part = |text: Option<&str>| {
        hash.update(text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
        hash.update(text.unwrap_or_default());
    };
    part(auth.username.as_deref());
    part(auth.password.as_ref().map(|secret| secret.expose_secret()));
    part(auth.token.as_ref().map(|secret| secret.expose_secret()));
    part(auth.token_file.as_deref());
    part(auth.client_certificate.as_deref());
    part(auth.client_certificate_data.as_deref());
    part(auth.client_key.as_deref());
    part(auth.client_key_data.as_ref().map(|secret| secret.expose_secret()));
    part(auth.impersonate.as_deref());
    for group in auth.impersonate_groups.iter().flatten() {
        part(Some(group));
    }
    if let Some(exec) = &auth.exec {
        part(exec.command.as_deref());
        for argument in exec.args.iter().flatten() {
            part(Some(argument));
        }
        let variables = exec.env.iter().flatten().flatten();
        let mut variables: Vec<_> = variables.map(|(name, value)| format!("{name}={value}")).collect();
        variables.sort();
        for variable in &variables {
            part(Some(variable));
        }
    }
    if let Some(provider) = &auth.auth_provider {
        part(Some(&provider.name));
        let mut settings: Vec<_> = provider.config.iter().map(|(name, value)| format!("{name}={value}")).collect();
        settings.sort();
        for setting in &settings {
            part(Some(setting));
        }
    }
    hash.finalize().into()
}
