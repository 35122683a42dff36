//! `/livez` and `/readyz`: for supervisors. Neither depends on Kafka being well.

use std::{fmt::Write, time::Duration};

use axum::{
    extract::{RawQuery, State as Extract},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{Shared, State};
use crate::board::Board;

/// The ledger writes at least once a second; one that is this old hangs.
const OLDEST_LEDGER: Duration = Duration::from_secs(15);

/// Whether a board's ledger is being written.
pub fn ticks(board: &Board) -> bool {
    board.read().ledger_age() <= OLDEST_LEDGER
}

/// Whether a path is for supervisors: it is answered without a password, and when nothing else is.
pub(super) fn is_health(path: &str) -> bool {
    ["/livez", "/health", "/readyz", "/ready"].contains(&path)
}

/// 200 while the loops tick.
pub(super) async fn livez(state: Extract<Shared>, query: RawQuery) -> Response {
    let checks = state.boards.iter().map(|board| {
        let age = board.read().ledger_age();
        (format!("{}/ledger", board.name), ticks(board), format!("wrote {:.1} s ago", age.as_secs_f64()))
    });
    answer(checks.collect(), &query, StatusCode::INTERNAL_SERVER_ERROR)
}

/// 200 when every task has tried once, until the service stops.
pub(super) async fn readyz(state: Extract<Shared>, query: RawQuery) -> Response {
    let mut checks = tried(&state);
    checks.push(("service".to_owned(), !state.stop.is_cancelled(), "not stopping".to_owned()));
    answer(checks, &query, StatusCode::SERVICE_UNAVAILABLE)
}

fn tried(state: &State) -> Vec<(String, bool, String)> {
    let boards = state.boards.iter().flat_map(|board| {
        let readings = board.read();
        let tasks = readings.tasks().map(|(task, record)| {
            (format!("{}/{}", board.name, task.as_str()), record.tried(), "tried once".to_owned())
        });
        tasks.collect::<Vec<_>>()
    });
    boards.collect()
}

fn answer(checks: Vec<(String, bool, String)>, query: &RawQuery, otherwise: StatusCode) -> Response {
    let good = checks.iter().all(|(_, holds, _)| *holds);
    let verbose =
        query.0.as_deref().is_some_and(|query| query.split('&').any(|part| part.starts_with("verbose")));
    let mut words = String::new();
    for (name, holds, what) in checks.iter().filter(|(_, holds, _)| verbose || !holds) {
        let mark = if *holds { "[+]" } else { "[-]" };
        writeln!(words, "{mark} {name}: {what}").expect("writing to a String cannot fail");
    }
    words.push_str(if good { "ok\n" } else { "not yet\n" });
    (if good { StatusCode::OK } else { otherwise }, words).into_response()
}
