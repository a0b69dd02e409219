use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme};
use zeroize::Zeroizing;

use crate::error::Error;

/// PEM texts, as the CLI's `ca.pem`, `cert.pem` and `key.pem` hold them.
#[derive(Clone, Default)]
pub struct TlsMaterial {
    /// Who may have signed the daemon's certificate; without any, the system's authorities.
    pub ca: Option<Vec<u8>>,
    pub cert: Option<Vec<u8>>,
    pub key: Option<Zeroizing<Vec<u8>>>,
    /// `false`: any certificate will do. The line is encrypted, and nobody knows with whom.
    pub verify: bool,
    /// The name in the daemon's certificate, where it is not the host's.
    pub server_name: Option<String>,
}

/// How to speak TLS with a daemon.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    fingerprint: [u8; 32],
}

impl Tls {
    pub fn new(host: &str, material: &TlsMaterial) -> Result<Self, Error> {
        let name = material.server_name.as_deref().unwrap_or(host);
        let option = if material.server_name.is_some() { "tls.serverName" } else { "host" };
        let name = ServerName::try_from(name.to_owned()).map_err(|error| wrong(option, &error))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("tls", &error))?;
        let builder = if material.verify {
            builder.with_root_certificates(authorities(material.ca.as_deref())?)
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        };
        let config = match (&material.cert, &material.key) {
            (Some(cert), Some(key)) => {
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| wrong("tls.key", &error))?;
                builder
                    .with_client_auth_cert(certificates("tls.cert", cert)?, key)
                    .map_err(|error| wrong("tls.key", &error))?
            }
            (None, None) => builder.with_no_client_auth(),
            (Some(_), None) => return Err(wrong("tls.key", &"it is missing, and tls.cert is of no use without it")),
            (None, Some(_)) => return Err(wrong("tls.cert", &"it is missing, and tls.key is of no use without it")),
        };
        Ok(Self { config: Arc::new(config), name, fingerprint: fingerprint(material) })
    }

    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    pub fn name(&self) -> &ServerName<'static> {
        &self.name
    }

    /// Of everything that must not be mixed.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

fn fingerprint(material: &TlsMaterial) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: Option<&[u8]>| {
        // Lengths, so that no two lists of parts look alike.
        hash.update(bytes.map_or(u64::MAX, |bytes| bytes.len() as u64).to_be_bytes());
        hash.update(bytes.unwrap_or_default());
    };
    part(material.ca.as_deref());
    part(material.cert.as_deref());
    part(material.key.as_deref().map(Vec::as_slice));
    part(Some(&[u8::from(material.verify)]));
    part(material.server_name.as_deref().map(str::as_bytes));
    hash.finalize().into()
}

fn authorities(ca: Option<&[u8]>) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    match ca {
        Some(ca) => {
            for certificate in certificates("tls.ca", ca)? {
                store.add(certificate).map_err(|error| wrong("tls.ca", &error))?;
            }
        }
        None => {
            // What the system has that is no certificate is the system's business.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        return Err(wrong("tls.ca", &"there is no authority to trust: give one, or verify: false"));
    }
    Ok(store)
}

fn certificates(option: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| wrong(option, &error))?;
    if found.is_empty() { Err(wrong(option, &"it holds no certificate in PEM format")) } else { Ok(found) }
}

fn wrong(option: &'static str, problem: &dyn fmt::Display) -> Error {
    Error::InvalidOption { option, problem: problem.to_string() }
}

/// For `verify: false`: whoever answers is believed.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
