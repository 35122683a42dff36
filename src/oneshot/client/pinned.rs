//! TLS with the service's own listener: its certificate is the one in the file of `[http] tls.certificate`.
//!
//! The certificate of a listener need not name the loopback address. So the certificate itself is compared, because the request
//! may carry a password or a token, which must not go to another program on the same port.

use std::sync::Arc;

use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig,
    client::danger::ServerCertVerified,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::tls::{Accept, Verifier};

/// Accepts one certificate.
#[derive(Debug)]
struct Pinned(CertificateDer<'static>);

/// A TLS configuration that accepts this certificate alone, whatever name it is for.
///
/// # Errors
/// None are known.
pub(super) fn only(certificate: CertificateDer<'static>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier { accept: Pinned(certificate), provider: provider.clone() };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_no_client_auth())
}

impl Accept for Pinned {
    fn accept(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }
}
