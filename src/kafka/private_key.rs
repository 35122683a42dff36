//! Private keys in PEM, which may be encrypted.

use pkcs8::EncryptedPrivateKeyInfoRef;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};

/// Why a text is no private key that can be used.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::kafka) enum KeyProblem {
    /// The key is encrypted, and the password does not open it or is missing.
    Password,
    /// The text holds no private key.
    Missing,
}

/// The private key in a PEM text. An encrypted key must be PKCS#8.
///
/// # Errors
/// Why there is none.
pub(in crate::kafka) fn private_key(
    pem: &[u8],
    password: Option<&str>,
) -> Result<PrivateKeyDer<'static>, KeyProblem> {
    if is_encrypted(pem) {
        return password.and_then(|password| decrypt(pem, password)).ok_or(KeyProblem::Password);
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| KeyProblem::Missing)
}

fn is_encrypted(pem: &[u8]) -> bool {
    pem.windows(24).any(|window| window == b"BEGIN ENCRYPTED PRIVATE ")
}

/// The private key in an encrypted PEM text. `None` if the text is no PKCS#8 key or the password is wrong.
fn decrypt(pem: &[u8], password: &str) -> Option<PrivateKeyDer<'static>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, document) = pkcs8::Document::from_pem(text).ok()?;
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).ok()?;
    let key = encrypted.decrypt(password).ok()?;
    Some(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}
