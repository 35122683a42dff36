//! The server's way in: plain TCP, or TLS by a certificate that may be renewed while we run.
//!
//! A handshake that hangs or fails costs its own connection alone: handshakes run beside each other, and
//! beside those waiting to be accepted.

use std::{
    fs, io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    serve::{Listener, ListenerExt},
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
    server::TlsStream,
};
use tokio_util::sync::CancellationToken;

use crate::config::ServerTls;

/// For one handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// Handshakes under way; others wait.
const MOST_HANDSHAKES: usize = 64;

/// Serves until `stopped`, then ends what is under way.
///
/// # Errors
/// A certificate that cannot be used; [`check`] tells that before.
pub async fn serve(
    listener: TcpListener,
    tls: Option<ServerTls>,
    router: Router,
    stopped: CancellationToken,
) -> io::Result<()> {
    let stopped = stopped.cancelled_owned();
    match tls {
        None => axum::serve(listener.tap_io(at_once), router).with_graceful_shutdown(stopped).await,
        Some(files) => {
            let certificate = Certificate::read(files).map_err(io::Error::other)?;
            let listener = TlsListener { tcp: listener, certificate, pending: FuturesUnordered::new() };
            axum::serve(listener, router).with_graceful_shutdown(stopped).await
        }
    }
}

/// The last piece of an answer is short: without this it would wait 40 ms for the client's word that it has the
/// others.
fn at_once(stream: &mut TcpStream) {
    // Who cannot is slower, and no worse off.
    _ = stream.set_nodelay(true);
}

/// Whether the certificate and its key can be served.
///
/// # Errors
/// The key of the setting, and what is wrong with it.
pub fn check(files: &ServerTls) -> Result<(), String> {
    acceptor(files).map(drop)
}

fn acceptor(files: &ServerTls) -> Result<TlsAcceptor, String> {
    let read = |key: &str, path: &std::path::Path| {
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

/// The certificate in use, and when its files were written.
struct Certificate {
    files: ServerTls,
    written: [Option<SystemTime>; 2],
    acceptor: TlsAcceptor,
}

impl Certificate {
    fn read(files: ServerTls) -> Result<Self, String> {
        Ok(Self { written: written(&files), acceptor: acceptor(&files)?, files })
    }

    /// Reads files that were written since: certificates are renewed, and nobody restarts a prober for that.
    fn latest(&mut self) -> TlsAcceptor {
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

type Accepted = (TlsStream<TcpStream>, SocketAddr);

struct TlsListener {
    tcp: TcpListener,
    certificate: Certificate,
    /// `None` for a handshake that came to nothing.
    pending: FuturesUnordered<BoxFuture<'static, Option<Accepted>>>,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Accepted {
        loop {
            tokio::select! {
                (mut stream, address) = Listener::accept(&mut self.tcp), if self.pending.len() < MOST_HANDSHAKES => {
                    at_once(&mut stream);
                    let handshake = timeout(PATIENCE, self.certificate.latest().accept(stream));
                    self.pending.push(Box::pin(async move {
                        match handshake.await {
                            Ok(Ok(stream)) => Some((stream, address)),
                            Ok(Err(error)) => {
                                tracing::debug!("no TLS with {address}: {error}");
                                None
                            }
                            Err(_) => None,
                        }
                    }));
                }
                Some(done) = self.pending.next() => {
                    if let Some(accepted) = done {
                        return accepted;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::{
        TlsConnector,
        rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
    };

    use super::*;

    /// Writes a new certificate and its key; returns the certificate.
    fn certify(folder: &Path) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
        fs::write(folder.join("cert.pem"), made.cert.pem()).expect("a file");
        made.cert.der().clone()
    }

    fn files(folder: &Path) -> ServerTls {
        ServerTls { certificate: folder.join("cert.pem"), key: folder.join("key.pem") }
    }

    /// The answer's first line, if the server shows this certificate.
    async fn ask(address: SocketAddr, trusted: &CertificateDer<'static>) -> io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer.lines().next().unwrap_or_default().to_owned())
    }

    #[tokio::test]
    async fn a_renewed_certificate_is_served_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = certify(folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(async || "hello"));
        let server = tokio::spawn(serve(listener, Some(files(folder.path())), router, stop.clone()));
        // It says nothing, and nobody waits for it.
        let _silent = TcpStream::connect(address).await.expect("a connection");
        assert_eq!(ask(address, &first).await.expect("an answer"), "HTTP/1.1 200 OK");
        let second = certify(folder.path());
        assert!(ask(address, &first).await.is_err(), "the old one is gone");
        assert_eq!(ask(address, &second).await.expect("an answer"), "HTTP/1.1 200 OK");
        fs::write(folder.path().join("key.pem"), "no key").expect("a file");
        assert_eq!(ask(address, &second).await.expect("as before"), "HTTP/1.1 200 OK");
        stop.cancel();
        server.await.expect("no panic").expect("a good end");
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
