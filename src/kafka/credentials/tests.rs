//! Files of the source of tokens that change while a client runs: the key of an assertion, and the CA certificates of an
//! identity provider.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    time::{Instant, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use super::assertion::tests::{is_signed_by, part};
use crate::{
    config::{Properties, Property},
    kafka::{Error, Fault, wire::Client},
    sync::lock,
};

const LIMIT: Duration = Duration::from_secs(10);

/// The identity provider of a test, which issues each assertion as its token, or else the text of the request's number.
struct Provider {
    port: u16,
    /// The certificate that it presents. `None` without TLS.
    tls: Arc<Mutex<Option<TlsAcceptor>>>,
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let tls: Arc<Mutex<Option<TlsAcceptor>>> = Arc::default();
        let presented = tls.clone();
        tokio::spawn(async move {
            for number in 1.. {
                let (stream, _) = listener.accept().await.expect("a connection");
                let acceptor = lock(&presented).clone();
                match acceptor {
                    None => answer(stream, number).await,
                    Some(acceptor) => {
                        // A client that does not trust the certificate ends the handshake.
                        let Ok(stream) = acceptor.accept(stream).await else { continue };
                        answer(stream, number).await;
                    }
                }
            }
        });
        Self { port, tls }
    }

    /// Presents a new certificate from now on, and writes the certificate into a file.
    fn certify(&self, file: &Path) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(file, made.cert.pem()).expect("a file");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a certificate with its key");
        *lock(&self.tls) = Some(TlsAcceptor::from(Arc::new(config)));
    }

    /// The properties of a client whose tokens come from this identity provider.
    fn properties(&self, scheme: &str, pairs: &[(&str, &str)]) -> Properties {
        let url = format!("{scheme}://localhost:{}/token", self.port);
        let all = [
            ("bootstrap.servers", "127.0.0.1:1"),
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.oauthbearer.method", "oidc"),
            ("sasl.oauthbearer.scope", "kafka"),
            ("sasl.oauthbearer.token.endpoint.url", &url),
        ];
        let property = |value: &str| Property { value: value.to_owned(), place: String::new() };
        let pairs = all.iter().chain(pairs).map(|(key, value)| ((*key).to_owned(), property(value)));
        Properties(pairs.collect())
    }
}

/// Answers one request, whose form ends with the scope.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, number: u32) {
    let mut request = Vec::new();
    while !request.ends_with(b"scope=kafka") {
        if stream.read_buf(&mut request).await.is_ok_and(|length| length > 0) {
            continue;
        }
        return;
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let assertion = request.split('&').find_map(|field| field.strip_prefix("assertion="));
    let token = assertion.map_or_else(|| format!("token-{number}"), str::to_owned);
    let body = format!("{{\"access_token\":\"{token}\",\"expires_in\":200}}");
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.expect("an open connection");
    // The client may have closed the connection.
    _ = stream.shutdown().await;
}

fn client(properties: &Properties) -> Client {
    Client::from_properties("k", properties).expect("good settings")
}

/// The newest token of a client.
async fn token(client: &Client) -> Result<String, Error> {
    let source = client.tokens().expect("a source");
    source.token(Instant::now() + LIMIT).await.map(|token| token.reveal().to_owned())
}

/// The token that follows after a broker has refused the newest one.
async fn next_token(client: &Client) -> String {
    let source = client.tokens().expect("a source");
    let newest = source.token(Instant::now() + LIMIT).await.expect("a token");
    let mut updates = source.subscribe();
    source.refused(&newest);
    timeout(LIMIT, updates.changed()).await.expect("a renewal in time").expect("a living source");
    token(client).await.expect("a token")
}

/// Adopts the credentials of files that have changed. Returns their first token.
async fn renew(used: &Client, properties: &Properties) -> String {
    let renewed = used.with(properties).expect("good settings");
    assert_ne!(renewed.access().properties(), used.access().properties(), "the change is noticed");
    let fresh = token(&renewed).await.expect("a token");
    used.adopt(&renewed);
    drop(renewed);
    assert_eq!(token(used).await.expect("a token"), fresh);
    fresh
}

#[tokio::test]
async fn renewed_key_and_template_make_the_assertions_that_follow_their_adoption() {
    let provider = Provider::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (key, template) = (file("key.pem"), file("template.json"));
    let write = |number: &str| {
        let pair = rcgen::KeyPair::generate().expect("a key on P-256");
        fs::write(&key, pair.serialize_pem()).expect("a file");
        let text = format!("{{\"header\":{{\"kid\":\"{number}\"}},\"payload\":{{}}}}");
        fs::write(&template, text).expect("a file");
        pair
    };
    let is_of = |assertion: &str, number: &str, pair: &rcgen::KeyPair| {
        is_signed_by(assertion, pair) && part(assertion, 0)["kid"] == number
    };
    let first = write("1");
    let properties = provider.properties(
        "http",
        &[
            ("sasl.oauthbearer.grant.type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("sasl.oauthbearer.assertion.algorithm", "ES256"),
            ("sasl.oauthbearer.assertion.private.key.file", &key),
            ("sasl.oauthbearer.assertion.jwt.template.file", &template),
            ("sasl.oauthbearer.assertion.claim.jti.include", "true"),
        ],
    );
    let used = client(&properties);
    assert!(is_of(&token(&used).await.expect("a token"), "1", &first));
    let same = used.with(&properties).expect("good settings");
    assert_eq!(same.access().properties(), used.access().properties(), "the files hold the same");

    let second = write("2");
    let token_of_renewed = renew(&used, &properties).await;
    let next = next_token(&used).await;
    assert_ne!(next, token_of_renewed);
    assert!(is_of(&next, "2", &second));
}

#[tokio::test]
async fn renewed_ca_of_an_identity_provider_is_trusted_by_the_requests_that_follow_its_adoption() {
    let provider = Provider::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (ca, fresh) = (folder.path().join("ca.pem"), folder.path().join("fresh.pem"));
    provider.certify(&ca);
    let properties = provider.properties(
        "https",
        &[
            ("sasl.oauthbearer.client.id", "me"),
            ("sasl.oauthbearer.client.secret", "hush-hush"),
            ("https.ca.location", ca.to_str().expect("UTF-8")),
        ],
    );
    let used = client(&properties);
    let first = token(&used).await.expect("a token");
    provider.certify(&fresh);
    let error = token(&client(&properties)).await.expect_err("a certificate that is not trusted");
    assert_eq!(error.fault(), Fault::TokenEndpoint);

    fs::copy(&fresh, &ca).expect("a copy");
    let second = renew(&used, &properties).await;
    let third = next_token(&used).await;
    assert!(third != second && third != first, "{third}");
}
