//! Basic authentication: one name and password, for everything but the health checks of an orchestrator.

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

/// The value of the header `Authorization` that is let in.
pub(super) type Expected = Arc<str>;

pub(super) fn expected(Basic { username, password }: &Basic) -> Expected {
    STANDARD.encode(format!("{username}:{password}")).into()
}

/// Answers 401 to whoever does not name both.
pub(super) async fn ask(Extract(expected): Extract<Expected>, request: Request, next: Next) -> Response {
    let open = super::health::is_health(request.uri().path());
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let known = given.and_then(|value| value.split_once(' ')).is_some_and(|(scheme, credentials)| {
        scheme.eq_ignore_ascii_case("basic") && bool::from(credentials.as_bytes().ct_eq(expected.as_bytes()))
    });
    if open || known {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"kafka-heartbeat\", charset=\"UTF-8\"")];
    (StatusCode::UNAUTHORIZED, challenge, "this asks for the name and password of [http] basic\n")
        .into_response()
}
