//! `/groups` and `/topics` for browsers: all consumer groups or all topics of a cluster, with a search and pages.

use std::time::SystemTime;

use askama::Template;
use axum::{
    extract::{Query, State as Extract},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;

use super::{
    groups::{self, GroupRow},
    topics::{self, TopicRow},
};
use crate::http::{
    offload::render,
    state::{Shared, State},
};

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
    Groups(Vec<GroupRow>),
    Topics(Vec<TopicRow>),
}

/// `?cluster=NAME&search=PART&page=N`
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct ListQuery {
    cluster: Option<String>,
    #[serde(default)]
    search: String,
    #[serde(default)]
    page: usize,
}

pub(in crate::http) async fn groups(
    Extract(state): Extract<Shared>,
    Query(wanted): Query<ListQuery>,
) -> Response {
    listed(state, wanted, "groups").await
}

pub(in crate::http) async fn topics(
    Extract(state): Extract<Shared>,
    Query(wanted): Query<ListQuery>,
) -> Response {
    listed(state, wanted, "topics").await
}

async fn listed(state: Shared, wanted: ListQuery, what: &'static str) -> Response {
    match render(move || list(&state, wanted, what)).await {
        Ok(Some(html)) => Html(html).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, "no cluster of this name is configured\n").into_response(),
        Err(response) => response,
    }
}

fn list(state: &State, wanted: ListQuery, what: &'static str) -> Option<String> {
    let ListQuery { cluster, search, page } = wanted;
    let mut boards = state.boards.iter();
    let board = boards.find(|board| cluster.as_deref().is_none_or(|cluster| cluster == &*board.name))?;
    let (readings, skip) = (board.read(), page.saturating_mul(ROWS));
    let (rows, count) = match what {
        "groups" => {
            let found = groups::groups(&readings, &search, skip, ROWS);
            (Table::Groups(found.rows), found.count)
        }
        _ => {
            let found = topics::topics(&readings, &search, skip, ROWS, SystemTime::now());
            (Table::Topics(found.rows), found.count)
        }
    };
    let more = count > skip.saturating_add(ROWS);
    let list = List { what, cluster: board.name.to_string(), search, page, count, more, rows };
    Some(list.render().unwrap_or_else(|error| error.to_string()))
}
