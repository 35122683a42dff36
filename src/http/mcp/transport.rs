//! Streamable HTTP: one JSON-RPC message for each POST, and one JSON answer.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use super::{
    message::{INVALID_REQUEST, Message, Refusal},
    methods,
    revision::Revision,
};

/// The longest message in bytes. A call of a tool with every argument needs a few thousand.
const MOST_BYTES: usize = 64 << 10;

/// A client sends its message within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers a POST.
pub(in crate::http) async fn answer(api: Router, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(refused) = refused(&parts.headers) {
        return refused;
    }
    let bytes = match read(body).await {
        Ok(bytes) => bytes,
        Err(refused) => return refused,
    };
    let request = match Message::parse(&bytes) {
        Ok(Message::Request(request)) => request,
        // No notification changes anything, because there is no session.
        Ok(Message::Notification) => return StatusCode::ACCEPTED.into_response(),
        Err((refusal, id)) => return refusal.answer(id),
    };
    match Revision::of(&parts.headers, &request) {
        Ok(revision) => methods::answer(api, revision, request).await,
        Err(refusal) => refusal.answer(Some(request.id)),
    }
}

/// Refuses every method but POST: there is no stream to GET, and no session to DELETE.
pub(in crate::http) async fn post_only() -> Response {
    let allow = [(header::ALLOW, "POST")];
    (StatusCode::METHOD_NOT_ALLOWED, allow, "messages of the Model Context Protocol are sent with POST\n")
        .into_response()
}

/// The answer to a request whose headers are wrong.
fn refused(headers: &HeaderMap) -> Option<Response> {
    let refusal =
        |status, text: &str| Some(Refusal::new(INVALID_REQUEST, text).with_status(status).answer(None));
    if headers.get_all(header::ORIGIN).iter().any(|origin| !origin.to_str().is_ok_and(is_local)) {
        return refusal(StatusCode::FORBIDDEN, "the header Origin names a web site, and none may ask");
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return refusal(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the header Content-Type must be application/json",
        );
    }
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
    let accept = accept.to_ascii_lowercase();
    if !["application/json", "application/*", "*/*"].iter().any(|kind| accept.contains(kind)) {
        return refusal(StatusCode::NOT_ACCEPTABLE, "the header Accept must allow application/json");
    }
    None
}

/// Whether an origin is a page of this machine itself. A site whose name is bound to an address of this machine (DNS rebinding) still
/// has its own name as the origin.
fn is_local(origin: &str) -> bool {
    let uri = origin.parse::<Uri>().ok();
    let uri = uri.filter(|uri| ["http", "https"].contains(&uri.scheme_str().unwrap_or_default()));
    let host = uri.as_ref().and_then(Uri::host);
    host.is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host))
}

/// The whole body.
async fn read(body: Body) -> Result<Bytes, Response> {
    let refusal = |status, text: &str| Refusal::new(INVALID_REQUEST, text).with_status(status).answer(None);
    match tokio::time::timeout(PATIENCE, to_bytes(body, MOST_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the message has more than 65536 bytes, or ended early",
        )),
        Err(_) => Err(refusal(StatusCode::REQUEST_TIMEOUT, "the message did not arrive within 10 s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_of_this_machine_alone_may_ask() {
        for origin in
            ["http://localhost", "http://localhost:6274", "https://127.0.0.1:8080", "http://[::1]:3000"]
        {
            assert!(is_local(origin), "{origin}");
        }
        for origin in [
            "null",
            "",
            "https://e.example",
            "http://localhost.e.example",
            "http://127.0.0.1.e.example",
            "http://e.example/localhost",
            "http://127.0.0.2",
            "file://localhost",
            "localhost",
            "http://localhost@e.example",
        ] {
            assert!(!is_local(origin), "{origin}");
        }
    }
}
