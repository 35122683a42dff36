//! Certificates in PEM, the CA certificates that are trusted, and the TLS of HTTP clients.

use std::sync::Arc;

use tokio_rustls::rustls::{
    self, ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// The text of the error for a PEM text with a certificate that cannot be read.
const UNREADABLE: &str = "holds a certificate that cannot be read";

/// The certificate that a client presents, with its chain and its key.
pub(crate) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The certificates of a PEM text, of which there must be one at least.
///
/// # Errors
/// What is wrong with the text, without its subject: "holds no PEM certificate".
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|_| UNREADABLE)?;
    if found.is_empty() { Err("holds no PEM certificate") } else { Ok(found) }
}

/// The CA certificates of the system. A certificate that cannot be read is left out, so what it signed is not trusted.
pub(crate) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Trusts the CA certificates of a PEM text as well.
///
/// # Errors
/// As for [`certificates`].
pub(crate) fn trust(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), &'static str> {
    let (_, unreadable) = roots.add_parsable_certificates(certificates(pem)?);
    if unreadable == 0 { Ok(()) } else { Err(UNREADABLE) }
}

/// The TLS of a client that trusts these CA certificates, and presents its own certificate if it has one.
///
/// # Errors
/// The key does not fit the certificate.
pub(crate) fn client(roots: RootCertStore, own: Option<Identity>) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    match own {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_a_usable_ca_certificate_is_refused_with_the_reason() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, reason) in [("", "holds no PEM certificate"), (broken, UNREADABLE)] {
            assert_eq!(trust(&mut RootCertStore::empty(), text.as_bytes()), Err(reason));
        }
    }
}
