//! Certificates in PEM, the CA certificates that are trusted, and the TLS of HTTP clients.

use std::{fmt::Debug, sync::Arc};

use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

/// The text of the error for a PEM text with a certificate that cannot be read.
const UNREADABLE: &str = "holds a certificate that cannot be read";

/// The certificate that a client presents, with its chain and its key.
pub(crate) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Which certificates of servers are accepted.
pub(crate) trait Accept: Debug + Send + Sync {
    /// Judges a certificate with its chain, for a server of this name.
    ///
    /// # Errors
    /// Why the certificate is not accepted.
    fn accept(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error>;
}

/// A verifier of servers with its own rule for certificates. The server must have the key of its certificate, as with any other
/// verifier.
#[derive(Debug)]
pub(crate) struct Verifier<A> {
    /// The rule.
    pub(crate) accept: A,
    /// The signatures that are understood.
    pub(crate) provider: Arc<CryptoProvider>,
}

impl<A: Accept> ServerCertVerifier for Verifier<A> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.accept.accept(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

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
