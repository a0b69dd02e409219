use russh::keys::Certificate;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::{Algorithm, HashAlg};

use super::entry::Marker;
use super::file::{KnownHosts, Verdict};
use super::name::HostNames;
use super::pattern::glob;
use crate::host_key::CertificateProblem;

/// What known_hosts says about a certificate that a server presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateVerdict {
    Trusted,
    /// No authority for this host signed it, so it says nothing; the key in it may be known by itself.
    Unvouched,
    /// An authority for this host signed it, and it is not good for this host now.
    Bad(CertificateProblem),
    /// The key in it, or the authority's, must not be trusted.
    Refused(Verdict),
}

impl KnownHosts {
    /// Judges a certificate; `now` in seconds since 1970.
    pub fn certificate_verdict(&self, names: &HostNames, certificate: &Certificate, now: u64) -> CertificateVerdict {
        let keys = [certificate.public_key(), certificate.signature_key()];
        if let Some(refused) = keys.into_iter().find_map(|key| self.revocation(names, key)) {
            return CertificateVerdict::Refused(refused);
        }
        let authority = certificate.signature_key();
        if !self.about_any(names, Marker::CertAuthority).any(|line| line.has(authority)) {
            return CertificateVerdict::Unvouched;
        }
        match check(certificate, names.principal(), now) {
            Ok(()) => CertificateVerdict::Trusted,
            Err(problem) => CertificateVerdict::Bad(problem),
        }
    }
}

/// All that must hold besides the authority's being known. A certificate without names is for every host.
fn check(certificate: &Certificate, host: &str, now: u64) -> Result<(), CertificateProblem> {
    if certificate.cert_type() != CertType::Host {
        return Err(CertificateProblem::NotForHosts);
    }
    let signed_with = certificate.signature().algorithm();
    if matches!(signed_with, Algorithm::Rsa { hash: None } | Algorithm::Dsa) {
        return Err(CertificateProblem::WeakSignature(signed_with.to_string()));
    }
    if now < certificate.valid_after() {
        return Err(CertificateProblem::NotYetValid(certificate.valid_after()));
    }
    if now >= certificate.valid_before() {
        return Err(CertificateProblem::Expired(certificate.valid_before()));
    }
    let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
    // The time is good, so what this finds is the signature.
    certificate.validate_at(now, [&authority]).map_err(|_| CertificateProblem::BadSignature)?;
    let names = certificate.valid_principals();
    if !names.is_empty() && !names.iter().any(|name| glob(name.as_bytes(), host.as_bytes())) {
        return Err(CertificateProblem::OtherHost { host: host.to_owned(), names: names.join(", ") });
    }
    match certificate.critical_options().keys().next() {
        Some(option) => Err(CertificateProblem::CriticalOption(option.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use russh::keys::PrivateKey;
    use russh::keys::ssh_key::certificate::Builder;
    use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};

    use super::*;
    use crate::host_key::Place;

    const NOW: u64 = 1_000_000;

    fn private(seed: u8) -> PrivateKey {
        PrivateKey::new(KeypairData::Ed25519(Ed25519Keypair::from_seed(&[seed; 32])), "").unwrap()
    }

    fn public(seed: u8) -> String {
        private(seed).public_key().to_openssh().unwrap()
    }

    /// A host's certificate that is good but for `edit`, signed by key 1.
    fn certificate(edit: impl FnOnce(&mut Builder)) -> Certificate {
        certificate_of(CertType::Host, edit)
    }

    fn certificate_of(kind: CertType, edit: impl FnOnce(&mut Builder)) -> Certificate {
        let mut builder =
            Builder::new([7; 16], private(2).public_key().key_data().clone(), NOW - 10, NOW + 10).unwrap();
        builder.cert_type(kind).unwrap();
        edit(&mut builder);
        builder.sign(&private(1)).unwrap()
    }

    fn named(builder: &mut Builder) {
        builder.valid_principal("host.example").unwrap();
    }

    fn verdict_at(file: &str, certificate: &Certificate, now: u64) -> CertificateVerdict {
        let mut known = KnownHosts::default();
        known.read(file.as_bytes(), Path::new("test"));
        known.certificate_verdict(&HostNames::new("host.example", 2222, None), certificate, now)
    }

    fn authority() -> String {
        format!("@cert-authority *.example {}\n", public(1))
    }

    #[test]
    fn vouched_for_by_an_authority_of_this_host() {
        assert_eq!(verdict_at(&authority(), &certificate(named), NOW), CertificateVerdict::Trusted);
        for file in [
            "",
            &format!("@cert-authority other {}", public(1)),
            &format!("*.example {}", public(1)),
            &format!("@cert-authority *.example {}", public(3)),
        ] {
            assert_eq!(verdict_at(file, &certificate(named), NOW), CertificateVerdict::Unvouched, "{file}");
        }
    }

    #[test]
    fn in_time() {
        let bad = |now| verdict_at(&authority(), &certificate(named), now);
        assert_eq!(bad(NOW - 11), CertificateVerdict::Bad(CertificateProblem::NotYetValid(NOW - 10)));
        assert_eq!(bad(NOW - 10), CertificateVerdict::Trusted);
        assert_eq!(bad(NOW + 10), CertificateVerdict::Bad(CertificateProblem::Expired(NOW + 10)));
    }

    #[test]
    fn for_this_host() {
        let verdict = |name: &str| {
            let certificate = certificate(|builder| {
                builder.valid_principal(name).unwrap();
            });
            verdict_at(&authority(), &certificate, NOW)
        };
        assert_eq!(verdict("*.example"), CertificateVerdict::Trusted);
        let names = "other.example".to_owned();
        let expected = CertificateProblem::OtherHost { host: "host.example".into(), names: names.clone() };
        assert_eq!(verdict(&names), CertificateVerdict::Bad(expected));
        let anybody = certificate(|builder| {
            builder.all_principals_valid().unwrap();
        });
        assert_eq!(verdict_at(&authority(), &anybody, NOW), CertificateVerdict::Trusted);
    }

    #[test]
    fn for_hosts_and_without_unknown_conditions() {
        let user = certificate_of(CertType::User, named);
        assert_eq!(verdict_at(&authority(), &user, NOW), CertificateVerdict::Bad(CertificateProblem::NotForHosts));
        let critical = certificate(|builder| {
            named(builder);
            builder.critical_option("tuesdays-only", "").unwrap();
        });
        let expected = CertificateProblem::CriticalOption("tuesdays-only".into());
        assert_eq!(verdict_at(&authority(), &critical, NOW), CertificateVerdict::Bad(expected));
    }

    #[test]
    fn forged() {
        let mut bytes = certificate(named).to_bytes().unwrap();
        let name = bytes.windows(12).position(|window| window == b"host.example").unwrap();
        bytes[name + 5] = b'E';
        let forged = Certificate::from_bytes(&bytes).unwrap();
        assert_eq!(verdict_at(&authority(), &forged, NOW), CertificateVerdict::Bad(CertificateProblem::BadSignature));
    }

    #[test]
    fn a_revoked_key_or_authority_overrules() {
        for revoked in [1, 2] {
            let file = format!("{}@revoked * {}\n", authority(), public(revoked));
            let place = Place { file: "test".into(), line: 2 };
            let expected = CertificateVerdict::Refused(Verdict::Revoked(place));
            assert_eq!(verdict_at(&file, &certificate(named), NOW), expected);
        }
        let broken = format!("{}@revoked * ssh-ed25519 AAAA\n", authority());
        let verdict = verdict_at(&broken, &certificate(named), NOW);
        assert!(matches!(verdict, CertificateVerdict::Refused(Verdict::Unclear(_))));
    }
}
