//! The server's certificate and the CA certificates of clients: read from their files, checked, and read again when the
//! files change.

use std::{fs, path::Path, sync::Arc};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, pem::PemObject},
        server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
    },
};

use crate::{config::ServerTls, files::Renewed, tls};

/// Checks that the certificate and its key can be served, and that the CA certificates of clients can be used.
///
/// # Errors
/// The key of the setting and what is wrong with its file.
pub fn check(files: &ServerTls) -> Result<(), String> {
    acceptor(files).map(drop)
}

/// Reads the certificate and its key, and the CA certificates of clients.
fn acceptor(files: &ServerTls) -> Result<TlsAcceptor, String> {
    let chain = tls::certificates(&read("tls.certificate", &files.certificate)?)
        .map_err(|words| format!("[http] tls.certificate: {} {words}", files.certificate.display()))?;
    let key = PrivateKeyDer::from_pem_slice(&read("tls.key", &files.key)?);
    let key = key.map_err(|_| format!("[http] tls.key: {} holds no PEM private key", files.key.display()))?;
    let clients = client_verifier(files.client_ca.as_deref())?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_client_cert_verifier(clients).with_single_cert(chain, key));
    let mut config =
        config.map_err(|error| format!("[http] tls.key: does not fit the certificate: {error}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("[http] {key}: {} cannot be read: {error}", path.display()))
}

/// Refuses a client certificate that no CA of the file signed. A client without a certificate may connect, because an
/// orchestrator asks for its health without one; [`super::access`] refuses it on every other path.
fn client_verifier(ca: Option<&Path>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let Some(path) = ca else { return Ok(Arc::new(NoClientAuth)) };
    let mut roots = RootCertStore::empty();
    tls::trust(&mut roots, &read("tls.client.ca", path)?)
        .map_err(|words| format!("[http] tls.client.ca: {} {words}", path.display()))?;
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()))
        .allow_unauthenticated()
        .build()
        .map_err(|error| format!("[http] tls.client.ca: {} cannot be used: {error}", path.display()))
}

/// The certificate in use, shared by all clones.
#[derive(Clone)]
pub(super) struct Certificate {
    files: Arc<ServerTls>,
    acceptor: Arc<Renewed<TlsAcceptor>>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// The key of the setting and what is wrong with its file.
    pub(super) fn read(files: ServerTls) -> Result<Self, String> {
        let paths = [&files.certificate, &files.key].into_iter().chain(&files.client_ca).cloned();
        let acceptor = Renewed::new(acceptor(&files)?, paths.collect(), "[http] tls.*".to_owned());
        Ok(Self { files: Arc::new(files), acceptor: Arc::new(acceptor) })
    }

    /// The certificate for the next connection. A connection that is accepted while the files are checked gets the
    /// certificate that was read before.
    pub(super) async fn latest(&self) -> TlsAcceptor {
        let files = self.files.clone();
        self.acceptor.latest(move || acceptor(&files)).await
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use tokio::time::timeout;
    use tokio_rustls::rustls::pki_types::CertificateDer;

    use super::*;

    /// Writes a new certificate and its key; returns the certificate.
    pub(in crate::http) fn certify(folder: &Path) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
        fs::write(folder.join("cert.pem"), made.cert.pem()).expect("a file");
        made.cert.der().clone()
    }

    pub(in crate::http) fn files(folder: &Path) -> ServerTls {
        ServerTls { certificate: folder.join("cert.pem"), key: folder.join("key.pem"), client_ca: None }
    }

    #[tokio::test]
    async fn certificate_that_is_replaced_by_a_pipe_stays_in_use_and_stops_no_worker() {
        let folder = tempfile::tempdir().expect("a folder");
        certify(folder.path());
        let files = files(folder.path());
        let certificate = Certificate::read(files.clone()).expect("a certificate");
        let read = certificate.latest().await;
        // Opening a pipe for reading waits until another process opens it for writing.
        fs::remove_file(&files.certificate).expect("a file");
        let made = std::process::Command::new("mkfifo").arg(&files.certificate).status().expect("mkfifo");
        assert!(made.success());
        for _ in 0..3 {
            let used = timeout(Duration::from_secs(5), certificate.latest()).await.expect("it does not wait");
            assert!(Arc::ptr_eq(used.config(), read.config()));
        }
    }

    #[test]
    fn certificate_that_cannot_be_served_is_refused_with_the_name_of_the_setting() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(folder.path());
        let assert_refused = |part: &str| {
            let error = check(&files).expect_err("not to be served");
            assert!(error.starts_with(part), "{error}");
        };
        assert_refused("[http] tls.certificate: ");
        fs::write(&files.certificate, "nothing").expect("a file");
        assert_refused("[http] tls.certificate: ");
        certify(folder.path());
        let key = fs::read(&files.key).expect("a key");
        fs::write(&files.key, "nothing").expect("a file");
        assert_refused("[http] tls.key: ");
        certify(folder.path());
        fs::write(&files.key, key).expect("a file");
        assert_refused("[http] tls.key: does not fit the certificate");
    }

    #[test]
    fn file_of_client_cas_that_cannot_be_used_whole_is_refused_with_the_name_of_the_setting() {
        let folder = tempfile::tempdir().expect("a folder");
        certify(folder.path());
        let ca = folder.path().join("ca.pem");
        let files = ServerTls { client_ca: Some(ca.clone()), ..files(folder.path()) };
        let good = fs::read_to_string(&files.certificate).expect("a certificate");
        let damaged = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let table = [
            (None, "cannot be read"),
            (Some(String::new()), "holds no PEM certificate"),
            (Some(format!("{good}{damaged}")), "holds a certificate that cannot be read"),
            (Some(good.replacen("\nM", "\n!", 1)), "holds a certificate that cannot be read"),
        ];
        for (text, words) in table {
            if let Some(text) = text {
                fs::write(&ca, text).expect("a file");
            }
            let error = check(&files).expect_err("not to be used");
            assert!(error.starts_with("[http] tls.client.ca: ") && error.contains(words), "{error}");
        }
        fs::write(&ca, good).expect("a file");
        check(&files).expect("one good certificate");
    }
}
