//! `POST /-/reload`: asks the service to read its configuration again.

use axum::{
    extract::{Request, State as Extract},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::sync::oneshot;

use super::{access::Peer, state::Shared};
use crate::config::secret::redacted;

/// The headers of a request that a proxy has passed on.
const FORWARDED: [header::HeaderName; 3] =
    [header::FORWARDED, header::VIA, header::HeaderName::from_static("x-forwarded-for")];

/// 200 with what has changed, or 500 with everything that is wrong with the configuration, or with what could not be applied.
/// Where no credentials are configured, only a client on this machine may ask for a reload, and not through a proxy: the
/// client of a proxy may be on another machine.
pub(super) async fn reload(Extract(state): Extract<Shared>, request: Request) -> Response {
    let peer = request.extensions().get::<Peer>().copied().unwrap_or_default();
    let is_local = peer.is_loopback && !FORWARDED.iter().any(|name| request.headers().contains_key(name));
    if state.access.is_none() && !is_local {
        return refused(
            "a reload from another machine or through a proxy needs [http] basic, bearer or tls.client.ca to be configured",
        );
    }
    // A browser names the page that the request comes from. No page of this service asks for a reload.
    if request.headers().contains_key(header::ORIGIN) {
        return refused("a reload cannot be asked for by a page in a browser");
    }
    let (answer, answered) = oneshot::channel();
    match &state.reloads {
        // A service that stops drops the answer.
        Some(reloads) => drop(reloads.send(answer).await),
        None => drop(answer),
    }
    let text = |words: String| format!("{}\n", redacted(&words));
    match answered.await {
        Ok(Ok(changes)) => (StatusCode::OK, text(changes)).into_response(),
        Ok(Err(words)) => (StatusCode::INTERNAL_SERVER_ERROR, text(words)).into_response(),
        Err(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "the service does not take a reload now\n").into_response()
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::{Body, to_bytes};
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        board::Board,
        config::{self, FlagSetting, Sources},
        http::State,
    };

    const PASSWORD: &str = "hush-hush-hush";

    /// The state of a server with or without a login. A service answers each request for a reload.
    fn state(has_login: bool) -> Shared {
        let set = |key: &str, value: &str| FlagSetting {
            section: "http",
            key: key.to_owned(),
            value: value.to_owned(),
            flag: "--test",
        };
        let login = vec![set("basic.username", "me"), set("basic.password", PASSWORD)];
        let settings = if has_login { login } else { Vec::new() };
        let sources = Sources { bootstrap: Some("b:1".to_owned()), settings, ..Sources::default() };
        let config = config::load(&sources).expect("a configuration");
        let (reloads, mut asked) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(answer) = asked.recv().await {
                let answer: oneshot::Sender<_> = answer;
                _ = answer.send(Err(format!("a mistake beside {PASSWORD}")));
            }
        });
        let process = Box::new(Default::default);
        let boards = Vec::<Board>::new();
        let state = State::new(boards, &config, process, Arc::default(), CancellationToken::new());
        Arc::new(state.with_reloads(reloads))
    }

    /// The status and the text of the answer to a request from this machine or from another one, with these headers.
    async fn ask(state: &Shared, is_loopback: bool, headers: &[&str]) -> (u16, String) {
        let request =
            headers.iter().fold(Request::post("/-/reload"), |request, name| request.header(*name, "x"));
        let mut request = request.body(Body::empty()).expect("a request");
        request.extensions_mut().insert(Peer { is_loopback, is_certified: false });
        let answer = reload(Extract(state.clone()), request).await;
        let status = answer.status().as_u16();
        let text = to_bytes(answer.into_body(), 4096).await.expect("a text");
        (status, String::from_utf8(text.into()).expect("UTF-8"))
    }

    #[tokio::test]
    async fn reload_without_a_login_is_refused_to_another_machine_and_to_the_client_of_a_proxy() {
        let open = state(false);
        assert_eq!(ask(&open, true, &[]).await.0, 500, "the service was asked");
        let (status, words) = ask(&open, false, &[]).await;
        assert_eq!(status, 403);
        assert!(words.contains("[http] basic"), "{words}");
        for header in ["forwarded", "x-forwarded-for", "via"] {
            assert_eq!(ask(&open, true, &[header]).await.0, 403, "{header}");
        }
        let guarded = state(true);
        assert_eq!(ask(&guarded, false, &["via"]).await.0, 500, "the login was checked before");
        assert_eq!(ask(&guarded, true, &["origin"]).await.0, 403, "a page in a browser");
    }

    #[tokio::test]
    async fn answer_of_a_reload_holds_no_secret() {
        assert_eq!(ask(&state(true), true, &[]).await, (500, "a mistake beside ***\n".to_owned()));
    }
}
