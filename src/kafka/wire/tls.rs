//! TLS of the wire client, by rustls.
//!
//! A verifier before rustls's own notes the earliest expiry in the broker's certificate chain, even if the chain is not
//! trusted. So the expiry of an expired certificate is known as well.

use std::{
    fs, io,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use futures_util::FutureExt;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore,
        client::{
            WebPkiServerVerifier,
            danger::{ServerCertVerified, ServerCertVerifier},
        },
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    },
};
use x509_cert::{
    certificate::{CertificateInner, Raw},
    der::Decode,
};

use super::Endpoint;
use crate::{
    clock::from_unix_seconds,
    config::Properties,
    kafka::{
        Error, Fault, PropertyError,
        private_key::{KeyProblem, private_key},
        properties::PropertyReader,
    },
    sync::lock,
    text::plain,
    tls::{self, Accept, Verifier},
};

/// How the certificates of brokers are verified, and the client's own certificate.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    roots: Arc<RootCertStore>,
    /// `None` if the client has no certificate.
    own: Option<Arc<OwnCertificate>>,
    /// Whether the certificate chain of a broker is verified.
    verify: bool,
    /// Whether the host name in a broker's certificate is verified.
    verify_host: bool,
}

/// The client's own certificate and its key.
struct OwnCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl std::fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwnCertificate({} certificates)", self.chain.len())
    }
}

/// The earliest expiry in the certificate chain that a broker sent in a handshake, even if the handshake failed.
#[derive(Debug, Clone, Default)]
pub(super) struct SeenExpiry(Arc<Mutex<Option<SystemTime>>>);

impl SeenExpiry {
    /// `None` if the broker sent no certificate that can be read.
    pub(super) fn earliest(&self) -> Option<SystemTime> {
        *lock(&self.0)
    }

    fn note<'a>(&self, chain: impl Iterator<Item = &'a CertificateDer<'a>>) {
        *lock(&self.0) = chain.filter_map(expiry).min();
    }
}

fn expiry(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    // The profile `Raw` accepts serial numbers that RFC 5280 does not allow. Such a certificate expires like any other.
    let parsed = CertificateInner::<Raw>::from_der(certificate).ok()?;
    let not_after = parsed.tbs_certificate().validity().not_after.to_unix_duration();
    from_unix_seconds(i64::try_from(not_after.as_secs()).ok()?)
}

/// The earliest expiry of the certificates in a PEM text. `None` if the text has no certificate that can be read.
pub fn earliest_expiry(pem: &[u8]) -> Option<SystemTime> {
    CertificateDer::pem_slice_iter(pem).flatten().filter_map(|certificate| expiry(&certificate)).min()
}

impl Tls {
    /// The earliest expiry in the chain of the client's own certificate. `None` if the client has no certificate.
    pub(super) fn own_expiry(&self) -> Option<SystemTime> {
        self.own.as_ref()?.chain.iter().filter_map(expiry).min()
    }

    /// Drops the client's own certificate. Whether there was one.
    pub(super) fn drop_own(&mut self) -> bool {
        self.own.take().is_some()
    }

    /// Reads the `ssl.*` properties and the files that they name. `None` if one of them cannot be used; its error is left
    /// with the reader.
    pub(super) fn read(reader: &mut PropertyReader<'_>) -> Option<Self> {
        let verify = switch(reader, "enable.ssl.certificate.verification", "true", "false");
        let verify_host = switch(reader, "ssl.endpoint.identification.algorithm", "https", "none");
        let roots = if verify { roots(reader) } else { Some(RootCertStore::empty()) };
        let own = own_certificate(reader);
        let tls = Self { roots: Arc::new(roots?), own: own?, verify, verify_host };
        if let Err(error) = tls.config(SeenExpiry::default()) {
            reader.error("ssl.key.location", format!("does not fit the certificate: {error}"));
            return None;
        }
        Some(tls)
    }

    /// Makes the TLS handshake on a TCP connection.
    pub(super) async fn handshake(
        &self,
        endpoint: &Endpoint,
        stream: TcpStream,
        seen: SeenExpiry,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let failed = |fault| Error::new(fault, endpoint.to_string());
        let config = self.config(seen).map_err(|error| failed(Fault::Tls).because(error))?;
        let name =
            ServerName::try_from(endpoint.host.clone()).map_err(|error| failed(Fault::Tls).because(error))?;
        // A panic in the code that reads the broker's certificates ends this session alone.
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let connected = AssertUnwindSafe(handshake).catch_unwind().await;
        let connected = connected.map_err(|_| failed(Fault::Tls).because("the handshake panicked"))?;
        connected.map_err(|error| {
            let fault = match Fault::from_io(&error) {
                // A plaintext listener closes the connection, or sends bytes that are not TLS.
                Fault::Protocol | Fault::Disconnected | Fault::Other => Fault::Tls,
                fault => fault,
            };
            failed(fault).because(reason(&error))
        })
    }

    fn config(&self, seen: SeenExpiry) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier = if self.verify {
            let built =
                WebPkiServerVerifier::builder_with_provider(self.roots.clone(), provider.clone()).build();
            Some(built.map_err(|error| rustls::Error::General(error.to_string()))?)
        } else {
            None
        };
        let verifier = Verifier {
            accept: Rule { inner: verifier, verify_host: self.verify_host, seen },
            provider: provider.clone(),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        match &self.own {
            None => Ok(builder.with_no_client_auth()),
            Some(own) => builder.with_client_auth_cert(own.chain.clone(), own.key.clone_key()),
        }
    }
}

/// Why a handshake failed. A plaintext listener, which closes the connection or answers in plain text, is named as a
/// possible reason.
fn reason(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let what = match (Fault::from_io(error), tls) {
        (Fault::Disconnected, None) => "the broker closed the connection during the handshake",
        (_, Some(rustls::Error::InvalidMessage(_))) => "the broker's answer is not TLS",
        // The text of the error may hold every name of a certificate.
        _ => return plain(&error.to_string()),
    };
    format!("{what}: the port may speak plaintext, check security.protocol")
}

/// A TLS configuration that accepts any certificate, for requests of this program to its own HTTP listener.
///
/// # Errors
/// None are known.
pub fn unverified() -> Result<Arc<ClientConfig>, rustls::Error> {
    let roots = Arc::new(RootCertStore::empty());
    let tls = Tls { roots, own: None, verify: false, verify_host: false };
    tls.config(SeenExpiry::default()).map(Arc::new)
}

/// The TLS of a client of a service beside Kafka, by the same properties `ssl.*`.
///
/// # Errors
/// Every property that cannot be used.
pub fn of_service(properties: &Properties) -> Result<ClientConfig, Vec<PropertyError>> {
    let mut reader = PropertyReader::new(properties);
    let tls = Tls::read(&mut reader);
    match tls.map(|tls| tls.config(SeenExpiry::default())) {
        Some(Ok(config)) => Ok(config),
        Some(Err(error)) => {
            reader.error("ssl.key.location", format!("does not fit the certificate: {error}"));
            Err(reader.into_errors())
        }
        None => Err(reader.into_errors()),
    }
}

/// Reads a property with two values. Without the property the value is on.
fn switch(reader: &mut PropertyReader<'_>, key: &str, on: &str, off: &str) -> bool {
    match reader.get(key) {
        Some(value) if value == off => false,
        Some(value) if value != on => {
            reader.error(key, format!("expected {on} or {off}"));
            true
        }
        _ => true,
    }
}

/// The trusted CA certificates: those of `ssl.ca.location`, which is a file or a folder, or of `ssl.ca.pem`, or those of
/// the system.
fn roots(reader: &mut PropertyReader<'_>) -> Option<RootCertStore> {
    let location = reader.get("ssl.ca.location").filter(|location| *location != "probe");
    if location.is_none() && reader.get("ssl.ca.pem").is_none() {
        let roots = tls::system_roots();
        if roots.is_empty() {
            reader
                .error("ssl.ca.location", "this system has no CA certificates: install them or name a file");
        }
        return (!roots.is_empty()).then_some(roots);
    }
    let folder = location.filter(|location| fs::metadata(location).is_ok_and(|meta| meta.is_dir()));
    let texts: Vec<Vec<u8>> = match folder {
        Some(folder) => {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let texts: Vec<_> = entries.filter_map(|entry| fs::read(entry.path()).ok()).collect();
            reader.note_text("ssl.ca", texts.join(&b'\n'));
            texts
        }
        None => vec![reader.pem("ssl.ca")?],
    };
    let mut roots = RootCertStore::empty();
    for text in &texts {
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(text).flatten());
    }
    if roots.is_empty() {
        reader.error("ssl.ca.location", "holds no PEM certificate");
        return None;
    }
    Some(roots)
}

/// The client's own certificate and key. `Some(None)` if none is configured, `None` if the configured one cannot be used.
fn own_certificate(reader: &mut PropertyReader<'_>) -> Option<Option<Arc<OwnCertificate>>> {
    let set = |reader: &PropertyReader<'_>, key: &str| {
        reader.get(&format!("{key}.pem")).or(reader.get(&format!("{key}.location"))).is_some()
    };
    match (set(reader, "ssl.certificate"), set(reader, "ssl.key")) {
        (false, false) => return Some(None),
        (true, false) => {
            reader.error("ssl.key.location", "is missing: a client certificate needs its key");
            return None;
        }
        (false, true) => {
            reader.error("ssl.certificate.location", "is missing: the key needs its certificate");
            return None;
        }
        (true, true) => {}
    }
    let certificate = reader.pem("ssl.certificate")?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&certificate).flatten().collect();
    if chain.is_empty() {
        reader.error("ssl.certificate.location", "holds no PEM certificate");
        return None;
    }
    let text = reader.pem("ssl.key")?;
    match private_key(&text, reader.get("ssl.key.password")) {
        Ok(key) => Some(Some(Arc::new(OwnCertificate { chain, key }))),
        Err(KeyProblem::Password) => {
            reader.error("ssl.key.password", "does not open the key (PKCS#8, PEM)");
            None
        }
        Err(KeyProblem::Missing) => {
            reader.error("ssl.key.location", "holds no PEM private key");
            None
        }
    }
}

/// The rule of rustls's verifier with librdkafka's two properties for turning it off. It also notes the expiry of the certificates.
#[derive(Debug)]
struct Rule {
    /// `None` if any certificate is accepted.
    inner: Option<Arc<WebPkiServerVerifier>>,
    verify_host: bool,
    seen: SeenExpiry,
}

impl Accept for Rule {
    fn accept(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.seen.note([end_entity].into_iter().chain(intermediates));
        let Some(inner) = &self.inner else { return Ok(ServerCertVerified::assertion()) };
        let verified = inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(rustls::Error::InvalidCertificate(
                rustls::CertificateError::NotValidForName
                | rustls::CertificateError::NotValidForNameContext { .. },
            )) if !self.verify_host => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }
}
