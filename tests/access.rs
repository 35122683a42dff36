//! Who may ask the HTTP server: client certificates and bearer tokens, over real TLS.

use std::{
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};

use support::{
    certs::{Authority, Identity},
    service::{Service, signal},
    wait_for,
};
use tempfile::TempDir;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

const TOKEN: &str = "t0ken-of-the-scraper";
const PATIENCE: Duration = Duration::from_secs(10);

/// Every path with content, and one that does not exist.
const GUARDED: [&str; 28] = [
    "/",
    "/metrics",
    "/leader",
    "/topics",
    "/groups",
    "/api/v1/status",
    "/api/v1/diagnosis",
    "/api/v1/gate",
    "/api/v1/heartbeats",
    "/api/v1/brokers",
    "/api/v1/durability",
    "/api/v1/groups",
    "/api/v1/topics",
    "/api/v1/cluster",
    "/api/v1/events",
    "/api/v1/history",
    "/api/v1/report",
    "/api/v1/slo",
    "/api/v1/openapi.json",
    "/mcp",
    "/probe",
    "/consumer-groups",
    "/events",
    "/assets/page.css",
    "/assets/page.js",
    "/livez/",
    "/metrics?path=/livez",
    "/nothing",
];

/// The health checks, which an orchestrator asks without a login.
const HEALTH: [&str; 4] = ["/livez", "/health", "/readyz", "/ready"];

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
        let answer = self.answer(path, own, authorization)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.ok_or_else(|| io::Error::other(format!("no status: {answer:?}")))
    }

    /// The answer to one request as it was sent.
    fn answer(&self, path: &str, own: Option<&Identity>, authorization: Option<&str>) -> io::Result<String> {
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
        Ok(answer)
    }
}

/// A service with TLS, and its client.
struct Guarded {
    service: Service,
    client: Client,
    /// The file of `[http] tls.client.ca`.
    ca: PathBuf,
    _folder: TempDir,
}

/// Starts a service with these further settings of `[http]`. CLIENTS stands for the file of the CA of clients.
fn start(clients: &Authority, settings: &str) -> Guarded {
    let folder = tempfile::tempdir().expect("a folder");
    let servers = Authority::new("servers");
    let server = servers.server(PATIENCE * 100).write(folder.path(), "server");
    let ca = folder.path().join("clients.pem");
    fs::write(&ca, clients.pem()).expect("a file");
    let service = Service::start_guarded(&format!(
        "[kafka]\nbootstrap.servers = 127.0.0.1:1\n[http]\ntls.certificate = {}\ntls.key = {}\n{}",
        server.certificate.display(),
        server.key.display(),
        settings.replace("CLIENTS", &ca.display().to_string())
    ));
    let trusted = CertificateDer::from_pem_slice(servers.pem().as_bytes()).expect("a certificate");
    let client = Client { address: service.address().to_owned(), trusted };
    Guarded { service, client, ca, _folder: folder }
}

#[test]
fn client_certificate_and_token_are_needed_on_every_path_but_the_health_checks() {
    let (clients, strangers) = (Authority::new("clients"), Authority::new("strangers"));
    let settings = format!("tls.client.ca = CLIENTS\nbearer.token = {TOKEN}\nmcp = true\n");
    let Guarded { service, client, ca, _folder } = start(&clients, &settings);
    let (known, stranger) = (clients.client("prometheus"), strangers.client("prometheus"));
    let bearer = format!("Bearer {TOKEN}");
    for path in GUARDED {
        assert_eq!(client.ask(path, None, Some(&bearer)).expect("an answer"), 403, "{path}");
        assert_eq!(client.ask(path, Some(&known), None).expect("an answer"), 401, "{path}");
    }
    for path in HEALTH {
        let status = client.ask(path, None, None).expect("an answer");
        assert!([200, 503].contains(&status), "{path}: {status}");
    }
    let ask = |own: Option<&Identity>, authorization: Option<&str>| {
        client.ask("/metrics", own, authorization).expect("an answer")
    };
    assert_eq!(ask(Some(&known), Some(&bearer)), 200);
    assert_eq!(ask(Some(&known), Some(&bearer.replace("Bearer", "bearer"))), 200);
    assert_eq!(ask(Some(&known), Some("Bearer t0ken-of-the-scrapes")), 401);
    assert_eq!(ask(Some(&known), Some(&format!("Basic {TOKEN}"))), 401);
    assert!(client.ask("/metrics", Some(&stranger), Some(&bearer)).is_err(), "no CA signed this certificate");

    // The CA is replaced while the service runs.
    fs::write(&ca, strangers.pem()).expect("a file");
    wait_for("the new CA to be used", PATIENCE, || {
        client.ask("/metrics", Some(&stranger), Some(&bearer)).is_ok_and(|status| status == 200).then_some(())
    });
    assert!(client.ask("/metrics", Some(&known), Some(&bearer)).is_err(), "the CA before is not trusted now");
    let (_, log) = service.stop();
    assert!(!log.contains(TOKEN), "{log}");
}

#[test]
fn client_certificate_alone_is_enough_where_no_login_is_configured() {
    let clients = Authority::new("clients");
    let Guarded { service, client, _folder, .. } = start(&clients, "tls.client.ca = CLIENTS\n");
    assert_eq!(client.ask("/metrics", Some(&clients.client("prometheus")), None).expect("an answer"), 200);
    assert_eq!(client.ask("/metrics", None, None).expect("an answer"), 403);
    service.stop();
}

#[test]
fn token_or_password_is_enough_where_both_are_configured_and_the_answer_names_both() {
    let settings = format!("basic.username = ann\nbasic.password = hush hush\nbearer.token = {TOKEN}\n");
    let Guarded { service, client, _folder, .. } = start(&Authority::new("clients"), &settings);
    let basic = format!("Basic {}", BASE64_STANDARD.encode("ann:hush hush"));
    for authorization in [basic, format!("Bearer {TOKEN}")] {
        assert_eq!(client.ask("/metrics", None, Some(&authorization)).expect("an answer"), 200);
    }
    let refused = client.answer("/metrics", None, None).expect("an answer");
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    assert!(refused.contains("www-authenticate: Basic realm="), "a browser asks for a password: {refused}");
    assert!(refused.contains("or the token of [http] bearer"), "{refused}");
    service.stop();
}

#[test]
fn renewed_token_and_password_are_used_without_a_restart_and_a_broken_file_changes_nothing() {
    let secrets = tempfile::tempdir().expect("a folder");
    let (token, password) = (secrets.path().join("token"), secrets.path().join("password"));
    fs::write(&token, TOKEN).expect("a file");
    fs::write(&password, "hush hush").expect("a file");
    let settings = format!(
        "basic.username = ann\nbasic.password.file = {}\nbearer.token.file = {}\n",
        password.display(),
        token.display()
    );
    let Guarded { service, client, _folder, .. } = start(&Authority::new("clients"), &settings);
    let ask = |authorization: &str| client.ask("/metrics", None, Some(authorization)).expect("an answer");
    let bearer = |token: &str| format!("Bearer {token}");
    let basic = |password: &str| format!("Basic {}", BASE64_STANDARD.encode(format!("ann:{password}")));
    assert_eq!([ask(&bearer(TOKEN)), ask(&basic("hush hush"))], [200; 2]);

    fs::write(&token, "a token with spaces").expect("a file");
    wait_for("the broken token to be reported", PATIENCE, || {
        service.log().contains("[http] bearer.token.file: expected letters").then_some(())
    });
    assert_eq!(ask(&bearer(TOKEN)), 200, "the token before stays in use");

    let fresh = "fr3sh-token-of-the-scraper";
    fs::write(&token, fresh).expect("a file");
    fs::write(&password, "whisper it").expect("a file");
    wait_for("the new token to be accepted", PATIENCE, || (ask(&bearer(fresh)) == 200).then_some(()));
    wait_for("the new password to be accepted", PATIENCE, || {
        (ask(&basic("whisper it")) == 200).then_some(())
    });
    assert_eq!([ask(&bearer(TOKEN)), ask(&basic("hush hush"))], [401; 2], "those before are worth nothing");
    signal(service.pid(), "HUP");
    wait_for("the reload", PATIENCE, || service.log().contains("was read again").then_some(()));
    let (_, log) = service.stop();
    assert!(log.contains("the configuration was read again: unchanged: default\n"), "{log}");
    for secret in [TOKEN, fresh, "hush hush", "whisper it"] {
        assert!(!log.contains(secret), "{log}");
    }
}
