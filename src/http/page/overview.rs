//! `/` for browsers: every cluster at a glance.

use std::time::{Instant, SystemTime};

use askama::Template;
use axum::{
    extract::State as Extract,
    response::{Html, IntoResponse, Response},
};

use super::{verdict, view::View};
use crate::http::{
    offload::render,
    state::{Shared, State},
};

/// The frame of the page, with its first content.
#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    title: &'a str,
    content: &'a str,
}

/// The content of the page, which is replaced once a second.
#[derive(Template)]
#[template(path = "content.html")]
struct Content {
    view: View,
}

/// `/` for browsers.
pub(in crate::http) async fn page(Extract(state): Extract<Shared>) -> Response {
    match render(move || frame(&state)).await {
        Ok(html) => Html(html).into_response(),
        Err(response) => response,
    }
}

/// The whole page. Its title is that of the gravest state of all clusters.
fn frame(state: &State) -> String {
    let content = content(state);
    let worst = state
        .boards
        .list()
        .iter()
        .map(|board| board.read().verdict.state)
        .max_by_key(|state| verdict::gravity(*state));
    let title = worst.map_or("kafka-heartbeat", verdict::title);
    Page { title, content: &content }.render().unwrap_or_else(|error| error.to_string())
}

/// The page's content as HTML.
pub(in crate::http) fn content(state: &State) -> String {
    let readings: Vec<_> = state.boards.list().iter().map(|board| board.read()).collect();
    let view = View::new(&readings, (&state.drawings, &state.slo), Instant::now(), SystemTime::now());
    Content { view }.render().unwrap_or_else(|error| error.to_string())
}
