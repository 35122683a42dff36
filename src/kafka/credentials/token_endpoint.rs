//! Requests to the token endpoint of an identity provider (RFC 6749).

use std::time::{Duration, Instant, SystemTime};

use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header};
use serde_json::Value;

use super::{
    clocks::ClockDifference,
    https::trusted,
    record::RenewalRecord,
    settings::{JWT_BEARER, Proof, TokenRequest},
    token::{Receipt, Token, number},
};
use crate::{
    config::secret::{redacted, remember_credentials},
    kafka::{Error, Fault, Stage, properties::PropertyReader},
    text::plain,
};

/// The longest time of one request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 128 * 1024;

/// The token endpoint of an identity provider.
#[derive(Debug)]
pub(super) struct TokenEndpoint {
    http: Client,
    request: Box<TokenRequest>,
}

impl TokenEndpoint {
    /// Prepares requests; the first of them connects. `None` if the CA certificates of `https.ca.*` cannot be used; the
    /// error is left with the reader.
    pub(super) fn new(request: Box<TokenRequest>, reader: &mut PropertyReader<'_>) -> Option<Self> {
        let tls = trusted(reader)?;
        if let Proof::Secret { id, secret } | Proof::Assertion { id: Some(id), secret: Some(secret), .. } =
            &request.proof
        {
            remember_credentials(id, secret.reveal());
        }
        let builder = Client::builder();
        // The secret leaves this machine over TLS only.
        let builder = if request.endpoint.scheme() == "http" { builder.no_proxy() } else { builder };
        let http = builder
            .timeout(TIMEOUT)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .tls_backend_preconfigured(tls)
            .build();
        match http {
            Ok(http) => Some(Self { http, request }),
            Err(error) => {
                reader.error("sasl.oauthbearer.token.endpoint.url", error.without_url().to_string());
                None
            }
        }
    }

    /// Requests a token. The time until the whole answer is read is recorded, whatever the answer says.
    ///
    /// # Errors
    /// [`Fault::InvalidClient`] if the identity provider refuses the client, [`Fault::Audience`] if it does not know the
    /// audience, [`Fault::Clock`] if the token has expired because clocks differ, [`Fault::Descriptors`] if this process has
    /// no file descriptor left, otherwise [`Fault::TokenEndpoint`].
    pub(super) async fn fetch(&self, record: &RenewalRecord) -> Result<Token, Error> {
        let request = self.request().await?;
        let (begun, sent) = (Instant::now(), SystemTime::now());
        let response = request.send().await.map_err(|error| self.no_answer(error))?;
        let received = SystemTime::now();
        let status = response.status();
        let clocks = ClockDifference::of_answer(response.headers(), sent, received);
        let body = self.body(response).await?;
        record.answered(begun.elapsed(), clocks);
        // RFC 6749, sections 5.1 and 5.2. A field of another type is absent.
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        match (status, answer["access_token"].as_str()) {
            (StatusCode::OK, Some(token)) => {
                let seconds = number(&answer["expires_in"]);
                let lifetime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                Token::read(token, &Receipt { at: received, lifetime, clocks }).map_err(|why| {
                    let fault = if why.is_clock { Fault::Clock } else { Fault::TokenEndpoint };
                    self.failed(fault).because(why.words)
                })
            }
            (StatusCode::OK, None) => {
                Err(self.failed(Fault::TokenEndpoint).because("the answer holds no access_token"))
            }
            (status, _) => Err(self.refused(status, &answer, clocks)),
        }
    }

    /// The request for a token, with what proves who asks.
    ///
    /// # Errors
    /// There is no assertion, with the fault for the reason.
    async fn request(&self) -> Result<RequestBuilder, Error> {
        let TokenRequest { endpoint, scope, proof } = &*self.request;
        let post = |form: &[(&str, &str)]| {
            let scope = scope.as_deref().map(|scope| ("scope", scope));
            let form: Vec<_> = form.iter().copied().chain(scope).collect();
            let request = self.http.post(endpoint.clone()).body(encoded(&form));
            request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        };
        let request = match proof {
            Proof::Secret { id, secret } => {
                post(&[("grant_type", "client_credentials")]).basic_auth(id, Some(secret.reveal()))
            }
            Proof::Assertion { assertion, id, secret } => {
                let assertion = assertion.obtain().await?;
                let grant = [("grant_type", JWT_BEARER), ("assertion", assertion.as_str())];
                match (id, secret) {
                    (Some(id), Some(secret)) => post(&grant).basic_auth(id, Some(secret.reveal())),
                    (Some(id), None) => post(&[grant[0], grant[1], ("client_id", id)]),
                    (None, _) => post(&grant),
                }
            }
            // Azure answers no request without this header, so that no other program can be tricked into sending one.
            Proof::Machine => self.http.get(endpoint.clone()).header("metadata", "true"),
        };
        Ok(request.header(header::ACCEPT, "application/json"))
    }

    /// The body of an answer, which may be at most [`LONGEST_ANSWER`] bytes long.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let chunk = chunk.map_err(|error| self.no_answer(error))?;
            let Some(chunk) = chunk else { return Ok(body) };
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_ANSWER {
                return Err(self.failed(Fault::TokenEndpoint).because("the answer is longer than 128 KiB"));
            }
        }
    }

    /// The error for an answer that is no token. `clocks` is where the clock of the identity provider stands, if known.
    fn refused(&self, status: StatusCode, answer: &Value, clocks: Option<ClockDifference>) -> Error {
        let text = |field: &str| answer[field].as_str().unwrap_or_default();
        let assertion = match &self.request.proof {
            Proof::Assertion { assertion, .. } => Some(assertion),
            Proof::Secret { .. } | Proof::Machine => None,
        };
        // A server that fails has not looked at the assertion.
        let looked = status.is_client_error();
        let wrong_clock =
            clocks.filter(|clocks| looked && assertion.is_some_and(|one| !one.is_valid_at(*clocks)));
        let fault = match text("error") {
            _ if wrong_clock.is_some() => Fault::Clock,
            // RFC 7523, section 3.1.
            "invalid_grant" if assertion.is_some() => Fault::InvalidClient,
            "invalid_client" | "unauthorized_client" => Fault::InvalidClient,
            // RFC 8707, section 2, and Microsoft's name for it: the identity provider does not know the audience.
            "invalid_target" | "invalid_resource" => Fault::Audience,
            _ if status == StatusCode::UNAUTHORIZED => Fault::InvalidClient,
            _ => Fault::TokenEndpoint,
        };
        let words = [text("error"), text("error_description")].into_iter().filter(|text| !text.is_empty());
        // An answer may repeat the secret, and a text that was cut is not recognised as one.
        let words: Vec<_> = words.map(|text| plain(&redacted(text))).collect();
        let words = if words.is_empty() { String::new() } else { format!(": {}", words.join(": ")) };
        let clocks = wrong_clock.map(|clocks| format!(", and {clocks}")).unwrap_or_default();
        self.failed(fault).because(format!("the answer is {}{words}{clocks}", status.as_u16()))
    }

    /// The error of a request without a whole answer.
    fn no_answer(&self, error: reqwest::Error) -> Error {
        let error = error.without_url();
        self.failed(Fault::TokenEndpoint.or_descriptors(&error)).because(error)
    }

    /// An error that names the identity provider by its host.
    fn failed(&self, fault: Fault) -> Error {
        let host = self.request.endpoint.host_str().unwrap_or_default();
        Error::new(fault, format!("no token from {host}")).at(Stage::Sasl)
    }
}

/// Pairs as a form sends them.
fn encoded(form: &[(&str, &str)]) -> String {
    let mut url = Url::parse("form:").expect("a constant");
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::{
        super::{
            settings::{Origin, TokenSettings},
            token::tests::jwt,
        },
        *,
    };
    use crate::{
        config::{Properties, Property},
        text::Chain,
    };

    /// The result of a request to a server that sends this answer, and the request that the server got.
    async fn fetch(answer: String) -> (Result<Token, Error>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = vec![0; 4096];
            let mut length = 0;
            // The body is short, and follows the header at once.
            while !String::from_utf8_lossy(&request[..length]).contains("client_credentials") {
                length += stream.read(&mut request[length..]).await.expect("a request");
            }
            // The client may have closed the connection.
            _ = stream.write_all(answer.as_bytes()).await;
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let pairs = [
            ("sasl.oauthbearer.method", "oidc"),
            ("sasl.oauthbearer.client.id", "me"),
            ("sasl.oauthbearer.client.secret", "hush"),
            ("sasl.oauthbearer.scope", "a b"),
        ];
        let url = format!("http://{address}/token");
        let pairs = pairs.into_iter().chain([("sasl.oauthbearer.token.endpoint.url", url.as_str())]);
        let properties = Properties(
            pairs
                .map(|(key, value)| {
                    (key.to_owned(), Property { value: value.to_owned(), place: String::new() })
                })
                .collect::<BTreeMap<_, _>>(),
        );
        let mut reader = PropertyReader::new(&properties);
        let settings = TokenSettings::read(&mut reader).expect("settings");
        let Origin::Endpoint(request) = settings.origin else { panic!("an endpoint") };
        let endpoint = TokenEndpoint::new(request, &mut reader).expect("an endpoint");
        let token = endpoint.fetch(&RenewalRecord::new(true)).await;
        (token, server.await.expect("no panic"))
    }

    fn http(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn request_carries_the_client_and_the_scope_and_the_answer_is_a_token() {
        let body = format!(r#"{{"access_token":"{}","expires_in":60}}"#, jwt(r#"{"sub":"me"}"#));
        let (token, request) = fetch(http("200 OK", &body)).await;
        assert_eq!(token.expect("a token").subject(), Some("me"));
        assert!(request.starts_with("POST /token HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: Basic bWU6aHVzaA==\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\ngrant_type=client_credentials&scope=a+b"), "{request}");
    }

    #[tokio::test]
    async fn answer_that_is_no_token_is_a_fault_with_the_reason_and_without_a_secret() {
        let long = "x".repeat(2 * LONGEST_ANSWER);
        let expired = format!(r#"{{"access_token":"{}"}}"#, jwt(r#"{"exp":1000}"#));
        let dated = http("200 OK\r\ndate: Thu, 01 Jan 1970 00:10:00 GMT", &expired);
        let table = [
            (
                http(
                    "401 Unauthorized",
                    r#"{"error":"invalid_client","error_description":"unknown\n client"}"#,
                ),
                Fault::InvalidClient,
                "the answer is 401: invalid_client: unknown",
            ),
            (http("400 Bad Request", r#"{"error":"invalid_scope"}"#), Fault::TokenEndpoint, "invalid_scope"),
            (http("400 Bad Request", r#"{"error":"invalid_target"}"#), Fault::Audience, "invalid_target"),
            (
                dated,
                Fault::Clock,
                "the token has expired by the clock of this machine, but the clock of the identity",
            ),
            (http("500 Oops", "<html>"), Fault::TokenEndpoint, "the answer is 500"),
            (
                http(
                    "401 Unauthorized",
                    &format!(r#"{{"error_description":"{} Basic bWU6aHVzaA=="}}"#, "x".repeat(180)),
                ),
                Fault::InvalidClient,
                "the answer is 401",
            ),
            (http("302 Found", ""), Fault::TokenEndpoint, "the answer is 302"),
            (http("200 OK", "not JSON"), Fault::TokenEndpoint, "the answer holds no access_token"),
            (http("200 OK", &expired), Fault::TokenEndpoint, "the token has expired already"),
            (http("200 OK", &long), Fault::TokenEndpoint, "the answer is longer than 128 KiB"),
            ("garbage".to_owned(), Fault::TokenEndpoint, "no token from 127.0.0.1"),
        ];
        for (answer, fault, words) in table {
            let (token, _) = fetch(answer).await;
            let error = token.expect_err(words);
            let text = Chain(&error).to_string();
            assert_eq!(error.fault(), fault, "{text}");
            assert!(text.contains(words), "{words}: {text}");
            assert!(!text.contains("hush") && !text.contains("bWU6"), "{text}");
        }
    }
}
