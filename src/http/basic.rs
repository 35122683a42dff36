//! Basic authentication: one user name and password for every path but the health checks.

use std::sync::Arc;

use axum::{
    extract::{Request, State as Extract},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq;

use crate::config::Basic;

/// The credentials that the header `Authorization` must carry, in base64.
pub(super) type Expected = Arc<str>;

/// The credentials of `[http] basic`.
pub(super) fn expected(Basic { username, password }: &Basic) -> Expected {
    STANDARD.encode(format!("{username}:{password}")).into()
}

/// Answers 401 to a request without the user name and the password, unless the path is a health check.
pub(super) async fn ask(Extract(expected): Extract<Expected>, request: Request, next: Next) -> Response {
    let is_open = super::paths::is_health(request.uri().path());
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let is_known = given.and_then(|value| value.split_once(' ')).is_some_and(|(scheme, credentials)| {
        scheme.eq_ignore_ascii_case("basic") && bool::from(credentials.as_bytes().ct_eq(expected.as_bytes()))
    });
    if is_open || is_known {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"kafka-heartbeat\", charset=\"UTF-8\"")];
    (StatusCode::UNAUTHORIZED, challenge, "this path needs the user name and password of [http] basic\n")
        .into_response()
}
