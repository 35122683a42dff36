//! The client of one service.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::{Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{
    fault::{Failure, Fault},
    node::Node,
};
use crate::{
    config::{Login, Service, secret::redacted},
    kafka::{self, PropertyError, TokenSource, wire},
    text::{Chain, plain},
    tls,
};

/// An answer of this length is parsed on a thread of its own, because the parsing takes longer than a task may take.
const LONG: usize = 64 * 1024;

/// The client of one service, for all its nodes.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    authorization: Authorization,
    headers: header::HeaderMap,
}

/// What every request carries.
#[derive(Clone)]
enum Authorization {
    None,
    Basic(String, String),
    Bearer(String),
    Tokens(Arc<TokenSource>),
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(***)")
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The segments of the path below the address of the node.
    pub path: &'a [&'a str],
    /// The names and values behind the path. Each is encoded.
    pub query: &'a [(&'a str, &'a str)],
    /// What the request writes. `None` to read what is at the path.
    pub change: Option<Change>,
    /// The content type of the service's JSON.
    pub content_type: &'static str,
    /// The longest answer that is read, in bytes.
    pub longest: usize,
    /// When the whole answer must have arrived.
    pub deadline: Instant,
}

/// What a request writes.
#[derive(Debug, Clone)]
pub enum Change {
    /// Replaces what is at the path.
    Put(Value),
    /// Makes something below the path.
    Post(Value),
}

/// An answer that holds what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// The content.
    pub content: T,
    /// The time from the request until the whole answer had arrived.
    pub took: Duration,
}

impl Client {
    /// Prepares requests to a service; the first of them connects. `name` is the name of the service for the log.
    ///
    /// # Errors
    /// Every key of the section that cannot be used.
    pub fn new(name: &str, service: &Service) -> Result<Self, Vec<PropertyError>> {
        let uses_tls = service.nodes.iter().any(|url| url.scheme() == "https");
        let tls = if uses_tls {
            wire::of_service(&service.properties)?
        } else {
            tls::client(RootCertStore::empty(), None).map_err(|error| unusable("ssl.ca.location", &error))?
        };
        let authorization = match service.login() {
            Login::None => Authorization::None,
            Login::Basic(basic) => Authorization::Basic(basic.username, basic.password),
            Login::Bearer(token) => Authorization::Bearer(token.reveal().to_owned()),
            Login::OAuth(properties) => {
                Authorization::Tokens(TokenSource::of_service(name, &properties).map_err(|errors| {
                    let own = |error: PropertyError| PropertyError {
                        key: Service::key_of(&error.key).to_owned(),
                        ..error
                    };
                    errors.into_iter().map(own).collect::<Vec<_>>()
                })?)
            }
        };
        let mut headers = header::HeaderMap::new();
        for (name, value) in service.headers() {
            let value = header::HeaderValue::try_from(value).map_err(|error| unusable(name, &error))?;
            let name = header::HeaderName::try_from(name).map_err(|error| unusable(name, &error))?;
            headers.insert(name, value);
        }
        let http = http(tls).map_err(|error| unusable("ssl.ca.location", &error))?;
        Ok(Self { http, authorization, headers })
    }

    /// Prepares requests to a service whose certificates one of these authorities has signed, with a token.
    ///
    /// # Errors
    /// Why the authorities cannot be used.
    pub fn with_token(roots: RootCertStore, token: String) -> Result<Self, String> {
        let tls = tls::client(roots, None).map_err(|error| error.to_string())?;
        let http = http(tls).map_err(|error| error.to_string())?;
        let headers = header::HeaderMap::new();
        Ok(Self { http, authorization: Authorization::Bearer(token), headers })
    }

    /// The same client with its connections and another token.
    #[must_use]
    pub fn and_token(self, token: String) -> Self {
        Self { authorization: Authorization::Bearer(token), ..self }
    }

    /// Sends a request to a node once.
    ///
    /// # Errors
    /// There is no answer of the expected form within the limits: the fault and the reason.
    pub async fn send<T: DeserializeOwned + Send + 'static>(
        &self,
        node: &Node,
        request: Request<'_>,
    ) -> Result<Answer<T>, Failure> {
        self.send_and_read(node, request, |body| serde_json::from_slice(body)).await
    }

    /// The same as [`Client::send`] for an answer that this function reads.
    ///
    /// # Errors
    /// The same, and what the function returns.
    pub async fn send_and_read<T: Send + 'static>(
        &self,
        node: &Node,
        request: Request<'_>,
        read: impl FnOnce(&[u8]) -> Result<T, serde_json::Error> + Send + 'static,
    ) -> Result<Answer<T>, Failure> {
        let deadline = request.deadline;
        let name = node.name.clone();
        let answered = timeout_at(deadline, self.ask(node, request, read)).await;
        answered.unwrap_or_else(|_| Err(failure(&name, Fault::Timeout, None, "no answer in time")))
    }

    async fn ask<T: Send + 'static>(
        &self,
        node: &Node,
        Request { path, query, change, content_type, longest, deadline }: Request<'_>,
        read: impl FnOnce(&[u8]) -> Result<T, serde_json::Error> + Send + 'static,
    ) -> Result<Answer<T>, Failure> {
        let (method, content) = match change {
            None => (Method::GET, None),
            Some(Change::Put(content)) => (Method::PUT, Some(content)),
            Some(Change::Post(content)) => (Method::POST, Some(content)),
        };
        let mut asked = self.http.request(method, node.address(path, query)).headers(self.headers.clone());
        asked = asked.header(header::ACCEPT, format!("{content_type}, application/json"));
        if let Some(content) = content {
            asked = asked.header(header::CONTENT_TYPE, content_type).body(content.to_string());
        }
        asked = match &self.authorization {
            Authorization::None => asked,
            Authorization::Basic(username, password) => asked.basic_auth(username, Some(password)),
            Authorization::Bearer(token) => asked.bearer_auth(token),
            Authorization::Tokens(tokens) => {
                asked.bearer_auth(tokens.bearer(deadline).await.map_err(|error| no_token(node, &error))?)
            }
        };
        let failed = |error: reqwest::Error| {
            let (fault, error) = (Fault::of_request(&error), error.without_url());
            failure(&node.name, fault, None, &Chain(&error).to_string())
        };
        let begun = Instant::now();
        let mut answer = asked.send().await.map_err(failed)?;
        let status = answer.status();
        let too_large = || {
            failure(&node.name, Fault::TooLarge, None, &format!("the answer is longer than {longest} bytes"))
        };
        if answer.content_length().is_some_and(|length| length > longest as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(more) = answer.chunk().await.map_err(failed)? {
            body.extend_from_slice(&more);
            if body.len() > longest {
                return Err(too_large());
            }
        }
        let took = begun.elapsed();
        match Fault::of_status(status.as_u16()) {
            Some(fault) => Err(refused(&node.name, fault, status, &body)),
            None => {
                let content = parsed(body, read)
                    .await
                    .map_err(|(fault, words)| failure(&node.name, fault, None, &words))?;
                Ok(Answer { content, took })
            }
        }
    }
}

fn http(tls: ClientConfig) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(1)
        .tls_backend_preconfigured(tls)
        .build()
        .map_err(reqwest::Error::without_url)
}

/// The error of a key that cannot be used.
fn unusable(key: &str, error: &dyn std::error::Error) -> Vec<PropertyError> {
    vec![PropertyError { key: key.to_owned(), place: String::new(), message: error.to_string() }]
}

/// Reads JSON.
async fn parsed<T: Send + 'static>(
    body: Vec<u8>,
    read: impl FnOnce(&[u8]) -> Result<T, serde_json::Error> + Send + 'static,
) -> Result<T, (Fault, String)> {
    let read = move |body: &[u8]| read(body).map_err(|error| unread(body, &error));
    if body.len() < LONG {
        return read(&body);
    }
    let parsed = tokio::task::spawn_blocking(move || read(&body)).await;
    parsed.unwrap_or_else(|_| Err((Fault::Unexpected, "the answer cannot be read".to_owned())))
}

/// Why an answer cannot be read.
fn unread(body: &[u8], error: &serde_json::Error) -> (Fault, String) {
    match error.classify() {
        serde_json::error::Category::Data => {
            (Fault::Unexpected, "the answer is JSON of another form than expected".to_owned())
        }
        _ => (Fault::NotJson, format!("the answer is not JSON: it begins with {:?}", beginning(body))),
    }
}

/// The first characters of an answer, for people. A secret that was cut would not be recognised as one.
fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(LONG)]);
    redacted(&text).chars().take(40).collect()
}

/// The failure of a request that the service refuses. Services around Kafka give an error a number and a text.
fn refused(node: &str, fault: Fault, status: StatusCode, body: &[u8]) -> Failure {
    let answer: Value = serde_json::from_slice(&body[..body.len().min(LONG)]).unwrap_or_default();
    let words = answer["message"].as_str().map(|words| format!(": {words}")).unwrap_or_default();
    failure(node, fault, answer["error_code"].as_u64(), &format!("the answer is {}{words}", status.as_u16()))
}

fn no_token(node: &Node, error: &kafka::Error) -> Failure {
    let fault = if error.fault() == kafka::Fault::Descriptors { Fault::Descriptors } else { Fault::Token };
    failure(&node.name, fault, None, &Chain(error).to_string())
}

/// The failure of a request. The words may repeat a secret, and may be hostile.
fn failure(node: &str, fault: Fault, code: Option<u64>, words: &str) -> Failure {
    Failure { fault, code, message: format!("{node}: {}", plain(&redacted(words))) }
}
