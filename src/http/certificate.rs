//! The server's certificate: read from its files, checked, and read again when the files change.

use std::{fs, path::Path, sync::Arc, time::SystemTime};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::config::ServerTls;

/// Whether the certificate and its key can be served.
///
/// # Errors
/// The key of the setting, and what is wrong with it.
pub fn check(files: &ServerTls) -> Result<(), String> {
    acceptor(files).map(drop)
}

fn acceptor(files: &ServerTls) -> Result<TlsAcceptor, String> {
    let read = |key: &str, path: &Path| {
        fs::read(path).map_err(|error| format!("[http] {key}: {} cannot be read: {error}", path.display()))
    };
    let chain = read("tls.certificate", &files.certificate)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain).flatten().collect();
    if chain.is_empty() {
        return Err(format!(
            "[http] tls.certificate: {} holds no PEM certificate",
            files.certificate.display()
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(&read("tls.key", &files.key)?);
    let key = key.map_err(|_| format!("[http] tls.key: {} holds no PEM private key", files.key.display()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config =
        config.map_err(|error| format!("[http] tls.key: does not fit the certificate: {error}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The certificate in use, and the times at which its files were written.
pub(super) struct Certificate {
    files: ServerTls,
    written: [Option<SystemTime>; 2],
    acceptor: TlsAcceptor,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// The key of the setting, and what is wrong with its file.
    pub(super) fn read(files: ServerTls) -> Result<Self, String> {
        Ok(Self { written: written(&files), acceptor: acceptor(&files)?, files })
    }

    /// The certificate for the next connection. Files that were written since the last call are read again,
    /// because certificates are renewed while the service runs.
    pub(super) fn latest(&mut self) -> TlsAcceptor {
        let written = written(&self.files);
        if written != self.written {
            self.written = written;
            match acceptor(&self.files) {
                Ok(acceptor) => self.acceptor = acceptor,
                Err(error) => tracing::warn!("{error}; the certificate read before stays in use"),
            }
        }
        self.acceptor.clone()
    }
}

fn written(files: &ServerTls) -> [Option<SystemTime>; 2] {
    [&files.certificate, &files.key].map(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Writes a new certificate and its key; returns the certificate.
    pub(in crate::http) fn certify(folder: &Path) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
        fs::write(folder.join("cert.pem"), made.cert.pem()).expect("a file");
        made.cert.der().clone()
    }

    pub(in crate::http) fn files(folder: &Path) -> ServerTls {
        ServerTls { certificate: folder.join("cert.pem"), key: folder.join("key.pem") }
    }

    #[test]
    fn what_cannot_be_served_is_told_with_the_setting() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(folder.path());
        let told = |part: &str| {
            let error = check(&files).expect_err("not to be served");
            assert!(error.starts_with(part), "{error}");
        };
        told("[http] tls.certificate: ");
        fs::write(&files.certificate, "nothing").expect("a file");
        told("[http] tls.certificate: ");
        certify(folder.path());
        let key = fs::read(&files.key).expect("a key");
        fs::write(&files.key, "nothing").expect("a file");
        told("[http] tls.key: ");
        certify(folder.path());
        fs::write(&files.key, key).expect("a file");
        told("[http] tls.key: does not fit the certificate");
    }
}
