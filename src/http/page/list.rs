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
    rows::Rows,
    topics::{self, TopicRow},
};
use crate::http::{
    offload::render,
    state::{Shared, State},
};

/// The most rows on one page of a list.
const ROWS: usize = 100;

/// What a list shows.
#[derive(Debug, Clone, Copy)]
enum Listed {
    Groups,
    Topics,
}

impl Listed {
    /// The path of the list, without the slash.
    fn path(self) -> &'static str {
        match self {
            Listed::Groups => "groups",
            Listed::Topics => "topics",
        }
    }

    /// What the rows are, in the plural.
    fn title(self) -> &'static str {
        match self {
            Listed::Groups => "Consumer groups",
            Listed::Topics => "Topics",
        }
    }
}

/// One page of all groups or all topics of a cluster.
#[derive(Template)]
#[template(path = "list.html")]
struct List {
    listed: Listed,
    cluster: String,
    search: String,
    page: usize,
    count: usize,
    more: bool,
    table: Table,
}

/// The rows of a list.
enum Table {
    Groups(Rows<GroupRow>),
    Topics(Rows<TopicRow>),
}

/// `?cluster=NAME&search=PART&page=N`
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct ListQuery {
    /// The name of a cluster; absent for the first one.
    cluster: Option<String>,
    /// A part of a name; empty for all names.
    #[serde(default)]
    search: String,
    /// The number of the page, from 0.
    #[serde(default)]
    page: usize,
}

/// `/groups`
pub(in crate::http) async fn groups(state: Extract<Shared>, query: Query<ListQuery>) -> Response {
    answer(state, query, Listed::Groups).await
}

/// `/topics` for browsers.
pub(in crate::http) async fn topics(state: Extract<Shared>, query: Query<ListQuery>) -> Response {
    answer(state, query, Listed::Topics).await
}

async fn answer(Extract(state): Extract<Shared>, Query(query): Query<ListQuery>, listed: Listed) -> Response {
    match render(move || list(&state, query, listed)).await {
        Ok(Some(html)) => Html(html).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, "no cluster of this name is configured\n").into_response(),
        Err(response) => response,
    }
}

/// The list as HTML; absent if there is no cluster of this name.
fn list(state: &State, query: ListQuery, listed: Listed) -> Option<String> {
    let ListQuery { cluster, search, page } = query;
    let boards = state.boards.list();
    let board =
        boards.iter().find(|board| cluster.as_deref().is_none_or(|cluster| cluster == &*board.name))?;
    let readings = board.read();
    let skip = page.saturating_mul(ROWS);
    let (table, count) = match listed {
        Listed::Groups => {
            let rows = groups::groups(&readings, &search, skip, ROWS);
            let count = rows.count;
            (Table::Groups(rows), count)
        }
        Listed::Topics => {
            let rows = topics::topics(&readings, &search, skip, ROWS, SystemTime::now());
            let count = rows.count;
            (Table::Topics(rows), count)
        }
    };
    let more = count > skip.saturating_add(ROWS);
    let list = List { listed, cluster: board.name.to_string(), search, page, count, more, table };
    Some(list.render().unwrap_or_else(|error| error.to_string()))
}
