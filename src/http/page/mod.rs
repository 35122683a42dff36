//! The page: what an operator needs in the first ten seconds.
//!
//! `view` turns readings into words and shapes, the template only prints them, escaping everything. The page
//! works without scripts and loads nothing from outside; with scripts its content is replaced once a second.

mod view;
mod words;

use std::time::{Instant, SystemTime};

use askama::Template;
use axum::{
    extract::State as Extract,
    http::header,
    response::{Html, IntoResponse, Response},
};

use super::{Shared, State, render};

/// The frame and the first content.
#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    title: &'a str,
    content: &'a str,
}

/// What changes.
#[derive(Template)]
#[template(path = "content.html")]
struct Content {
    view: view::View,
}

pub(super) async fn page(Extract(state): Extract<Shared>) -> Response {
    match render(move || frame(&state)).await {
        Ok(html) => Html(html).into_response(),
        Err(response) => response,
    }
}

fn frame(state: &State) -> String {
    let content = content(state);
    let worst =
        state.boards.iter().map(|board| board.read().verdict.state).max_by_key(|state| view::gravity(*state));
    let title = worst.map_or("kafka-heartbeat", view::title);
    Page { title, content: &content }.render().unwrap_or_else(|error| error.to_string())
}

/// The page's content as HTML.
pub(super) fn content(state: &State) -> String {
    let readings: Vec<_> = state.boards.iter().map(|board| board.read()).collect();
    let view = view::View::new(&readings, Instant::now(), SystemTime::now());
    Content { view }.render().unwrap_or_else(|error| error.to_string())
}

pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../templates/page.css"))
        .into_response()
}

pub(super) async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("../templates/page.js"))
        .into_response()
}
