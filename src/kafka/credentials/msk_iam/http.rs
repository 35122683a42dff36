//! The requests of AWS's library, sent by this program's own HTTP client.
//!
//! A second HTTP client would bring a second TLS library into the program.

use std::{
    error::Error,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use reqwest::{Client, ClientBuilder, Method, Url};
use tokio_rustls::rustls::ClientConfig;

use super::super::clocks::ClockDifference;
use crate::sync::lock;

/// The longest time of one request.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 256 * 1024;

/// The HTTP client of the credentials of AWS.
#[derive(Debug, Clone)]
pub(super) struct AwsHttp {
    /// For `https`. The proxy of the environment is used.
    tls: Client,
    /// For `http`, which only this machine answers: the instance metadata service and the endpoints of containers.
    plain: Client,
    /// Where the clock of AWS stood at the last answer that says it.
    clocks: Arc<Mutex<Option<ClockDifference>>>,
}

impl AwsHttp {
    /// # Errors
    /// The client cannot be made.
    pub(super) fn new(tls: ClientConfig) -> reqwest::Result<Self> {
        let builder = |builder: ClientBuilder| builder.redirect(reqwest::redirect::Policy::none());
        Ok(Self {
            tls: builder(Client::builder()).tls_backend_preconfigured(tls.clone()).build()?,
            plain: builder(Client::builder()).tls_backend_preconfigured(tls).no_proxy().build()?,
            clocks: Arc::default(),
        })
    }

    /// Where the clock of AWS stood at the last answer that says it. `None` before such an answer.
    pub(super) fn clocks(&self) -> Option<ClockDifference> {
        *lock(&self.clocks)
    }
}

impl HttpClient for AwsHttp {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { http: self.clone(), limit: limit(settings) })
    }
}

/// The limit of one request. AWS's library sets both of its limits where an answer takes milliseconds, as at an instance. For
/// others it sets only the one of the connection.
fn limit(settings: &HttpConnectorSettings) -> Duration {
    let both = settings.connect_timeout().zip(settings.read_timeout());
    both.map_or(TIMEOUT, |(connect, read)| connect.saturating_add(read).min(TIMEOUT))
}

/// Sends requests with a time limit.
#[derive(Debug)]
struct Connector {
    http: AwsHttp,
    limit: Duration,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (http, limit) = (self.http.clone(), self.limit);
        HttpConnectorFuture::new(async move { send(&http, limit, request).await })
    }
}

async fn send(http: &AwsHttp, limit: Duration, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let method = Method::from_bytes(request.method().as_bytes()).map_err(user)?;
    let url = Url::parse(request.uri()).map_err(user)?;
    let client = if url.scheme() == "http" { &http.plain } else { &http.tls };
    let mut sent = client.request(method, url).timeout(limit);
    for (name, value) in request.headers() {
        sent = sent.header(name, value);
    }
    let body = request.body().bytes().unwrap_or_default().to_vec();
    let begun = SystemTime::now();
    let mut answer = sent.body(body).send().await.map_err(failed)?;
    if let Some(clocks) = ClockDifference::of_answer(answer.headers(), begun, SystemTime::now()) {
        *lock(&http.clocks) = Some(clocks);
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
            return Err(ConnectorError::other("the answer is longer than 256 KiB".into(), None));
        }
    }
    let status = answer.status().as_u16().try_into().map_err(user)?;
    let mut response = HttpResponse::new(status, body.into());
    for (name, value) in answer.headers() {
        // A value that is no text means nothing to AWS's library.
        if let Ok(value) = value.to_str() {
            _ = response.headers_mut().try_append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(response)
}

/// The error of a request that cannot be sent.
fn user(error: impl Error + Send + Sync + 'static) -> ConnectorError {
    ConnectorError::user(error.into())
}

/// The error of a request without an answer. URLs may hold a secret.
fn failed(error: reqwest::Error) -> ConnectorError {
    let error = error.without_url();
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_connect() {
        ConnectorError::io(error.into())
    } else {
        ConnectorError::other(error.into(), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_of_a_connection_alone_does_not_shorten_a_request() {
        let seconds = Duration::from_secs;
        let limit = |connect: Option<u64>, read: Option<u64>| {
            let mut settings = HttpConnectorSettings::builder();
            settings.set_connect_timeout(connect.map(seconds)).set_read_timeout(read.map(seconds));
            super::limit(&settings.build())
        };
        assert_eq!(limit(Some(3), None), TIMEOUT);
        assert_eq!(limit(None, None), TIMEOUT);
        assert_eq!(limit(Some(1), Some(1)), seconds(2));
        assert_eq!(limit(Some(2), Some(9)), TIMEOUT);
    }
}
