//! The page: what an operator needs in the first ten seconds.
//!
//! `view` turns readings into words and shapes, the template only prints them, escaping everything. The page
//! works without scripts and loads nothing from outside; with scripts its content is replaced once a second.

mod notices;
mod tables;
mod view;
mod words;

use std::time::{Instant, SystemTime};

use askama::Template;
use axum::{
    extract::{Query, State as Extract},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;

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

/// Rows on a page of a list.
const ROWS: usize = 100;

/// All groups or all topics of a cluster.
#[derive(Template)]
#[template(path = "list.html")]
struct List {
    what: &'static str,
    cluster: String,
    search: String,
    page: usize,
    count: usize,
    more: bool,
    rows: Table,
}

enum Table {
    Groups(Vec<tables::GroupRow>),
    Topics(Vec<tables::TopicRow>),
}

/// `?cluster=NAME&search=PART&page=N`
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    cluster: Option<String>,
    #[serde(default)]
    search: String,
    #[serde(default)]
    page: usize,
}

pub(super) async fn groups(Extract(state): Extract<Shared>, Query(wanted): Query<Wanted>) -> Response {
    listed(state, wanted, "groups").await
}

pub(super) async fn topics(Extract(state): Extract<Shared>, Query(wanted): Query<Wanted>) -> Response {
    listed(state, wanted, "topics").await
}

async fn listed(state: Shared, wanted: Wanted, what: &'static str) -> Response {
    match render(move || list(&state, wanted, what)).await {
        Ok(Some(html)) => Html(html).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, "no cluster of this name is configured\n").into_response(),
        Err(response) => response,
    }
}

fn list(state: &State, wanted: Wanted, what: &'static str) -> Option<String> {
    let Wanted { cluster, search, page } = wanted;
    let mut boards = state.boards.iter();
    let board = boards.find(|board| cluster.as_deref().is_none_or(|cluster| cluster == &*board.name))?;
    let (readings, skip) = (board.read(), page.saturating_mul(ROWS));
    let (rows, count) = match what {
        "groups" => {
            let found = tables::groups(&readings, &search, skip, ROWS);
            (Table::Groups(found.rows), found.count)
        }
        _ => {
            let found = tables::topics(&readings, &search, skip, ROWS, SystemTime::now());
            (Table::Topics(found.rows), found.count)
        }
    };
    let more = count > skip.saturating_add(ROWS);
    let list = List { what, cluster: board.name.to_string(), search, page, count, more, rows };
    Some(list.render().unwrap_or_else(|error| error.to_string()))
}

pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../templates/page.css"))
        .into_response()
}

pub(super) async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("../templates/page.js"))
        .into_response()
}
