//! `POST /-/reload`: asks the service to read its configuration again.

use axum::{
    extract::{Request, State as Extract},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::sync::oneshot;

use super::{access::Peer, state::Shared};

/// 200 with what has changed, or 500 with everything that is wrong with the configuration; nothing has changed then.
/// Where no credentials are configured, only a client on this machine may ask for a reload.
pub(super) async fn reload(Extract(state): Extract<Shared>, request: Request) -> Response {
    let peer = request.extensions().get::<Peer>().copied().unwrap_or_default();
    if state.access.is_none() && !peer.is_loopback {
        return refused(
            "a reload from another machine needs [http] basic, bearer or tls.client.ca to be configured",
        );
    }
    // A browser names the page that the request comes from. No page of this service asks for a reload.
    if request.headers().contains_key(header::ORIGIN) {
        return refused("a reload cannot be asked for by a page in a browser");
    }
    let (answer, answered) = oneshot::channel();
    let asked = match &state.reloads {
        Some(reloads) => reloads.send(answer).await.is_ok(),
        None => false,
    };
    match answered.await {
        Ok(Ok(changes)) if asked => (StatusCode::OK, format!("{changes}\n")).into_response(),
        Ok(Err(words)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{words}\n")).into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the service does not take a reload now\n").into_response(),
    }
}

/// Refuses every method but POST.
pub(super) async fn post_only() -> Response {
    let allow = [(header::ALLOW, "POST")];
    (StatusCode::METHOD_NOT_ALLOWED, allow, "a reload is asked for with POST\n").into_response()
}

fn refused(words: &str) -> Response {
    (StatusCode::FORBIDDEN, format!("{words}\n")).into_response()
}
