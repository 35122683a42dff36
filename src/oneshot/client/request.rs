//! A request to a running service, which can be sent again and again.

use std::{fs, path::PathBuf, time::Duration};

use reqwest::{Client, StatusCode, Url, header};
use tokio_rustls::rustls::ClientConfig;

use super::pinned;
use crate::{config, healthcheck, text, tls};

/// What an answer may take at most.
#[derive(Debug, Clone, Copy)]
pub(in crate::oneshot) struct Limits {
    /// The longest duration of one request.
    pub(in crate::oneshot) time: Duration,
    /// The longest answer that is read, in MiB.
    pub(in crate::oneshot) mebibytes: usize,
}

/// A request for a path of a running service.
#[derive(Debug)]
pub(in crate::oneshot) struct Request {
    client: Client,
    url: Url,
    /// The address of the service, without a login, the path and the question.
    base: String,
    authorization: Option<Authorization>,
    limits: Limits,
}

/// What a request carries.
enum Authorization {
    Basic(String, String),
    Bearer(String),
}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authorization(***)")
    }
}

impl Request {
    /// A request for this path, with these keys and values. `given` is the address of the service; `None` for the address in its
    /// configuration `http`, which also has the login or the token. `ca` is a file with CA certificates that are trusted beside
    /// those of the system, if the address is given.
    ///
    /// # Errors
    /// The address or a certificate cannot be used.
    pub(in crate::oneshot) fn new(
        given: Option<&str>,
        ca: Option<&PathBuf>,
        http: &config::Http,
        path: &str,
        query: &[(&str, String)],
        limits: Limits,
    ) -> Result<Self, String> {
        let own = || healthcheck::url(http).trim_end_matches("/livez").to_owned();
        let mut url = address(&given.map_or_else(own, str::to_owned))?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        url.query_pairs_mut().extend_pairs(query);
        let trusted = match (&http.tls, given) {
            (Some(tls), None) => own_certificate(tls)?,
            _ => trusted(ca)?,
        };
        let client = Client::builder()
            .timeout(limits.time)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_backend_preconfigured(trusted);
        let client = client.build().map_err(|error| error.without_url().to_string())?;
        let basic = http.basic.clone().map(|basic| Authorization::Basic(basic.username, basic.password));
        let bearer = http.bearer.as_ref().map(|token| Authorization::Bearer(token.reveal().to_owned()));
        Ok(Self { client, url, base, authorization: bearer.or(basic), limits })
    }

    /// Scheme, host and port of the service, for people.
    pub(in crate::oneshot) fn name(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The whole address of the service, without a login, the path and the question.
    pub(in crate::oneshot) fn base(&self) -> &str {
        &self.base
    }

    /// Sends the request once. Returns the status and the body of the answer.
    ///
    /// # Errors
    /// There is no answer within the limits: the reason, in words.
    pub(in crate::oneshot) async fn send(&self) -> Result<(StatusCode, Vec<u8>), String> {
        let request = self.client.get(self.url.clone()).header(header::ACCEPT, "application/json");
        let request = match &self.authorization {
            None => request,
            Some(Authorization::Basic(name, password)) => request.basic_auth(name, Some(password)),
            Some(Authorization::Bearer(token)) => request.bearer_auth(token),
        };
        let name = self.name();
        let failed = |error: reqwest::Error| {
            let error = error.without_url();
            format!("no answer from {name}: {}", text::plain(&text::Chain(&error).to_string()))
        };
        let mut answer = request.send().await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(more) = answer.chunk().await.map_err(failed)? {
            body.extend_from_slice(&more);
            if body.len() > self.limits.mebibytes << 20 {
                return Err(format!("the answer of {name} is longer than {} MiB", self.limits.mebibytes));
            }
        }
        Ok((answer.status(), body))
    }
}

/// The address of a service.
fn address(service: &str) -> Result<Url, String> {
    let wrong = |reason: &str| format!("--url: {reason}: expected http://HOST:PORT or https://HOST:PORT");
    let mut url = Url::parse(service).map_err(|error| wrong(&error.to_string()))?;
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err(wrong("neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "a login is taken from the configuration ([http] basic or bearer), not from the URL",
        ));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// TLS with the service's own certificate.
fn own_certificate(tls: &config::ServerTls) -> Result<ClientConfig, String> {
    let certificates = certificates("[http] tls.certificate", &tls.certificate)?;
    let certificate =
        certificates.into_iter().next().ok_or("[http] tls.certificate: holds no certificate")?;
    pinned::only(certificate).map_err(|error| format!("[http] tls.certificate: {error}"))
}

/// TLS with the CA certificates of the system and those of the file.
fn trusted(ca: Option<&PathBuf>) -> Result<ClientConfig, String> {
    let mut roots = tls::system_roots();
    if let Some(path) = ca {
        roots.add_parsable_certificates(certificates("--ca", path)?);
    }
    tls::client(roots, None).map_err(|error| format!("--ca: {error}"))
}

fn certificates(
    key: &str,
    path: &PathBuf,
) -> Result<Vec<tokio_rustls::rustls::pki_types::CertificateDer<'static>>, String> {
    let pem = fs::read(path).map_err(|error| format!("{key}: {}: {error}", path.display()))?;
    tls::certificates(&pem).map_err(|words| format!("{key}: {} {words}", path.display()))
}
