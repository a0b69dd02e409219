//! Private keys as OpenSSL encrypted them before PKCS#8: `Proc-Type: 4,ENCRYPTED` and `DEK-Info` in the PEM itself.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::target::Secret;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LegacyPemError {
    #[error("the key is encrypted with {0}, which is not supported: convert it with ssh-keygen -p")]
    Cipher(String),
    #[error("the key's encryption header is damaged")]
    Header,
    #[error("decryption failed")]
    Decrypt,
}

/// The same key unencrypted, still in its PEM frame; `None` when the text is not of this format.
pub fn decrypt(text: &str, passphrase: &str) -> Option<Result<Secret, LegacyPemError>> {
    let begin = text.lines().find(|line| line.starts_with("-----BEGIN "))?;
    let info = text.lines().find_map(|line| line.strip_prefix("DEK-Info: "))?;
    Some(decrypt_body(begin, info, text, passphrase))
}

fn decrypt_body(begin: &str, info: &str, text: &str, passphrase: &str) -> Result<Secret, LegacyPemError> {
    let (cipher, iv) = info.split_once(',').ok_or(LegacyPemError::Header)?;
    let iv = from_hex(iv.trim()).ok_or(LegacyPemError::Header)?;
    let body: String = text.lines().filter(|line| !line.starts_with("-----") && !line.contains(':')).collect();
    let body = STANDARD.decode(body).map_err(|_| LegacyPemError::Header)?;
    let plain = match cipher {
        "AES-128-CBC" => cbc::<Aes128>(&body, passphrase, &iv, 16),
        "AES-192-CBC" => cbc::<Aes192>(&body, passphrase, &iv, 24),
        "AES-256-CBC" => cbc::<Aes256>(&body, passphrase, &iv, 32),
        other => return Err(LegacyPemError::Cipher(other.to_owned())),
    }?;
    let encoded: Secret = Zeroizing::new(STANDARD.encode(&*plain));
    Ok(Zeroizing::new(format!("{begin}\n{}\n{}\n", &*encoded, begin.replacen("BEGIN", "END", 1))))
}

fn cbc<C>(body: &[u8], passphrase: &str, iv: &[u8], key_length: usize) -> Result<Zeroizing<Vec<u8>>, LegacyPemError>
where
    cbc::Decryptor<C>: KeyIvInit + BlockModeDecrypt,
    C: aes::cipher::BlockCipherDecrypt,
{
    let key = derive_key(passphrase, iv, key_length).ok_or(LegacyPemError::Header)?;
    let decryptor = cbc::Decryptor::<C>::new_from_slices(&key, iv).map_err(|_| LegacyPemError::Header)?;
    decryptor.decrypt_padded_vec::<Pkcs7>(body).map(Zeroizing::new).map_err(|_| LegacyPemError::Decrypt)
}

/// OpenSSL's EVP_BytesToKey with MD5 and one round; the salt is the first half of the IV.
fn derive_key(passphrase: &str, iv: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
    let salt = iv.get(..8)?;
    let mut key = Zeroizing::new(Vec::new());
    let mut block = Zeroizing::new(Vec::new());
    while key.len() < length {
        let mut hash = md5::Context::new();
        hash.consume(&*block);
        hash.consume(passphrase.as_bytes());
        hash.consume(salt);
        *block = hash.finalize().0.to_vec();
        key.extend_from_slice(&block);
    }
    key.truncate(length);
    Some(key)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_left_alone() {
        assert!(decrypt("-----BEGIN PRIVATE KEY-----\nAAAA\n", "x").is_none());
        assert!(decrypt("no key at all", "x").is_none());
    }

    #[test]
    fn says_what_it_cannot_do() {
        let with =
            |info: &str| format!("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: {info}\n\nAAAA\n");
        let error = |info: &str| decrypt(&with(info), "x").unwrap().unwrap_err();
        assert_eq!(error("DES-EDE3-CBC,00112233"), LegacyPemError::Cipher("DES-EDE3-CBC".into()));
        assert_eq!(error("AES-128-CBC,zz"), LegacyPemError::Header);
        assert_eq!(error("AES-128-CBC"), LegacyPemError::Header);
        assert_eq!(error("AES-128-CBC,0011"), LegacyPemError::Header);
    }

    #[test]
    fn reads_hex() {
        assert_eq!(from_hex("00fF"), Some(vec![0, 255]));
        assert_eq!(from_hex("0"), None);
    }
}
