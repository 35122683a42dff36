//! Access to the HTTP server: every path but the health checks requires what `[http]` configures.
//!
//! Where a login and a bearer token are configured, a request needs one of them. A client certificate is required in
//! addition; it belongs to the connection, not to the request.

use std::sync::{Arc, Mutex};

use axum::{
    extract::{Request, State as Extract},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq;

use crate::{
    config::{Basic, Http},
    sync::lock,
};

/// What a request and its connection must have.
pub(super) struct Access {
    /// Replaced when the file of the password or of the token changes.
    credentials: Mutex<Arc<Credentials>>,
    /// Whether the connection must have shown a client certificate.
    needs_certificate: bool,
}

/// The login and the token, one of which a request must carry.
#[derive(PartialEq)]
struct Credentials {
    /// The name and the password, as `Authorization: Basic` carries them.
    basic: Option<String>,
    /// The token, as `Authorization: Bearer` carries it.
    bearer: Option<String>,
}

/// What is known of the peer of a request's connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Peer {
    /// Whether it has shown a client certificate that a CA of `[http] tls.client.ca` signed.
    pub(super) is_certified: bool,
    /// Whether it is on this machine.
    pub(super) is_loopback: bool,
}

impl Access {
    /// What `[http]` asks for. `None` if every request is answered.
    pub(super) fn new(http: &Http) -> Option<Arc<Self>> {
        let credentials = Credentials::new(http);
        let needs_certificate = http.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        (credentials.are_needed() || needs_certificate).then(|| {
            let credentials = Mutex::new(Arc::new(credentials));
            Arc::new(Self { credentials, needs_certificate })
        })
    }

    fn credentials(&self) -> Arc<Credentials> {
        lock(&self.credentials).clone()
    }

    /// Asks for the login and the token of these settings from now on. Returns whether they differ from those before.
    pub(super) fn renew(&self, http: &Http) -> bool {
        let fresh = Credentials::new(http);
        let is_new = *self.credentials() != fresh;
        *lock(&self.credentials) = Arc::new(fresh);
        is_new
    }
}

impl Credentials {
    fn new(http: &Http) -> Self {
        let login = |Basic { username, password }: &Basic| STANDARD.encode(format!("{username}:{password}"));
        Self {
            basic: http.basic.as_ref().map(login),
            bearer: http.bearer.as_ref().map(|token| token.reveal().to_owned()),
        }
    }

    /// Whether a request must carry a login or a token.
    fn are_needed(&self) -> bool {
        self.basic.is_some() || self.bearer.is_some()
    }

    /// Whether a request carries the login or the token that is configured.
    fn are_in(&self, request: &Request) -> bool {
        let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        given.and_then(|value| value.split_once(' ')).is_some_and(|(scheme, credentials)| {
            let expected = match scheme.to_ascii_lowercase().as_str() {
                "basic" => self.basic.as_ref(),
                "bearer" => self.bearer.as_ref(),
                _ => None,
            };
            expected.is_some_and(|expected| bool::from(credentials.as_bytes().ct_eq(expected.as_bytes())))
        })
    }

    /// The answer to a request without its login or token. Browsers ask their users for a password only if there is one.
    fn unauthorized(&self) -> Response {
        let challenge = match self.basic {
            Some(_) => "Basic realm=\"kafka-heartbeat\", charset=\"UTF-8\"",
            None => "Bearer realm=\"kafka-heartbeat\"",
        };
        let text = match (&self.basic, &self.bearer) {
            (Some(_), Some(_)) => {
                "this path needs the user name and password of [http] basic, or the token of [http] bearer\n"
            }
            (Some(_), None) => "this path needs the user name and password of [http] basic\n",
            (None, _) => "this path needs the token of [http] bearer\n",
        };
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)], text).into_response()
    }
}

/// Answers 401 to a request without a login, and 403 to a connection without a client certificate, where they are
/// configured and the path is no health check.
pub(super) async fn require(Extract(access): Extract<Arc<Access>>, request: Request, next: Next) -> Response {
    if super::paths::is_health(request.uri().path()) {
        return next.run(request).await;
    }
    if access.needs_certificate && request.extensions().get::<Peer>().is_none_or(|peer| !peer.is_certified) {
        let text = "this path needs a client certificate that the CA of [http] tls.client.ca signed\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let credentials = access.credentials();
    if credentials.are_needed() && !credentials.are_in(&request) {
        return credentials.unauthorized();
    }
    next.run(request).await
}
