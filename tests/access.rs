//! Who may ask the HTTP server: client certificates and bearer tokens, over real TLS.

use std::{
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
};

use support::{
    certs::{Authority, Identity},
    service::Service,
    wait_for,
};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

const TOKEN: &str = "t0ken-of-the-scraper";

/// A client that trusts one authority, with its own certificate or without.
struct Client {
    address: String,
    trusted: CertificateDer<'static>,
}

impl Client {
    /// The status of the answer to one request over a connection of its own.
    ///
    /// # Errors
    /// A handshake that the server refused.
    fn ask(&self, path: &str, own: Option<&Identity>, authorization: Option<&str>) -> io::Result<u16> {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusted.clone()).expect("a certificate");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).flatten().collect();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("a certificate with its key")
            }
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, TcpStream::connect(&self.address)?);
        let authorization = authorization.map(|value| format!("authorization: {value}\r\n"));
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: localhost\r\n{}connection: close\r\n\r\n",
            authorization.unwrap_or_default()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.ok_or_else(|| io::Error::other(format!("no status: {answer:?}")))
    }
}

#[test]
fn client_certificate_and_bearer_token_are_needed_on_every_path_but_the_health_checks() {
    let folder = tempfile::tempdir().expect("a folder");
    let (servers, clients, strangers) =
        (Authority::new("servers"), Authority::new("clients"), Authority::new("strangers"));
    let server = servers.server(std::time::Duration::from_secs(3600)).write(folder.path(), "server");
    let ca = folder.path().join("clients.pem");
    fs::write(&ca, clients.pem()).expect("a file");
    let service = Service::start_guarded(&format!(
        "[kafka]\nbootstrap.servers = 127.0.0.1:1\n[http]\ntls.certificate = {}\ntls.key = {}\n\
         tls.client.ca = {}\nbearer.token = {TOKEN}\n",
        server.certificate.display(),
        server.key.display(),
        ca.display()
    ));
    let trusted = CertificateDer::from_pem_slice(servers.pem().as_bytes()).expect("a certificate");
    let client = Client { address: service.address().to_string(), trusted };
    let (known, stranger) = (clients.client("prometheus"), strangers.client("prometheus"));
    let bearer = format!("Bearer {TOKEN}");
    let ask = |own: Option<&Identity>, authorization: Option<&str>| {
        client.ask("/metrics", own, authorization).expect("an answer")
    };
    assert_eq!(ask(Some(&known), Some(&bearer)), 200);
    assert_eq!(ask(Some(&known), Some(&bearer.replace("Bearer", "bearer"))), 200);
    assert_eq!(ask(Some(&known), Some("Bearer t0ken-of-the-scrapes")), 401);
    assert_eq!(ask(Some(&known), Some(&format!("Basic {TOKEN}"))), 401);
    assert_eq!(ask(Some(&known), None), 401);
    assert_eq!(ask(None, Some(&bearer)), 403);
    assert!(client.ask("/metrics", Some(&stranger), Some(&bearer)).is_err(), "no CA signed this certificate");
    assert_eq!(client.ask("/livez", None, None).expect("an answer"), 200, "an orchestrator has neither");

    // The CA is replaced while the service runs.
    fs::write(&ca, strangers.pem()).expect("a file");
    wait_for("the new CA to be used", std::time::Duration::from_secs(10), || {
        client.ask("/metrics", Some(&stranger), Some(&bearer)).is_ok_and(|status| status == 200).then_some(())
    });
    assert!(client.ask("/metrics", Some(&known), Some(&bearer)).is_err(), "the CA before is not trusted now");
    let (_, log) = service.stop();
    assert!(!log.contains(TOKEN), "{log}");
}
