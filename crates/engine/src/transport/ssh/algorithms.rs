use std::borrow::Cow;

use russh::keys::ssh_key::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};

use super::known_hosts::Offer;

/// What we offer a server, best first. Only authenticated ciphers and encrypt-then-MAC; no SHA-1; no compression (it
/// invites decompression bombs and costs more than it saves).
///
/// The key algorithms that known_hosts holds for this server go first, so that a server with several host keys proves
/// itself with the one we can check; certificates before them, where we know an authority that may have signed one.
pub fn preferred(offer: &Offer) -> Preferred {
    let mut key: Vec<Algorithm> = host_keys().into_iter().collect();
    key.sort_by_key(|algorithm| !offer.known.iter().any(|known| same_key_type(known, algorithm)));
    let certificates = if offer.certificates { host_keys().to_vec() } else { Vec::new() };
    Preferred {
        kex: Cow::Borrowed(&KEX),
        key: Cow::Owned(key),
        host_key_certificates: Cow::Owned(certificates),
        cipher: Cow::Borrowed(if has_aes() { &AES_FIRST } else { &CHACHA_FIRST }),
        mac: Cow::Borrowed(&[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512]),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

const KEX: [kex::Name; 12] = [
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_GEX_SHA256,
    kex::DH_G18_SHA512,
    kex::DH_G16_SHA512,
    kex::DH_G14_SHA256,
    // Not algorithms but offers of extensions: server-sig-algs for RSA, and the answer to Terrapin.
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

const AES_FIRST: [cipher::Name; 6] = [
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_128_CTR,
    cipher::AES_192_CTR,
    cipher::AES_256_CTR,
];

const CHACHA_FIRST: [cipher::Name; 6] = [
    cipher::CHACHA20_POLY1305,
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::AES_128_CTR,
    cipher::AES_192_CTR,
    cipher::AES_256_CTR,
];

fn host_keys() -> [Algorithm; 6] {
    [
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ]
}

/// An RSA key serves every RSA signature algorithm.
fn same_key_type(a: &Algorithm, b: &Algorithm) -> bool {
    matches!((a, b), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. })) || a == b
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn has_aes() -> bool {
    std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
}

#[cfg(target_arch = "aarch64")]
fn has_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull")
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn has_aes() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_key_types_are_offered_first_and_nothing_is_lost() {
        let rsa = Algorithm::Rsa { hash: None };
        let offered = preferred(&Offer { known: vec![rsa], certificates: false }).key;
        assert!(matches!(offered[0], Algorithm::Rsa { hash: Some(HashAlg::Sha512) }));
        assert!(matches!(offered[1], Algorithm::Rsa { hash: Some(HashAlg::Sha256) }));
        assert_eq!(offered.len(), host_keys().len());
    }

    #[test]
    fn certificates_are_offered_only_where_an_authority_is_known() {
        assert!(preferred(&Offer::default()).host_key_certificates.is_empty());
        let offered = preferred(&Offer { certificates: true, ..Offer::default() }).host_key_certificates;
        assert_eq!(offered.len(), host_keys().len());
        assert!(offered.iter().all(|algorithm| algorithm.to_certificate_type() != "ssh-rsa-cert-v01@openssh.com"));
    }

    #[test]
    fn sha1_signatures_are_never_offered() {
        assert!(!preferred(&Offer::default()).key.iter().any(|key| matches!(key, Algorithm::Rsa { hash: None })));
    }
}
