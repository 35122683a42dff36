//! `/livez` and `/readyz`: the health checks for supervisors. Neither depends on the state of Kafka.

use std::fmt::Write;

use axum::{
    extract::{RawQuery, State as Extract},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::state::{Shared, State};

/// One line of a health check.
struct Check {
    name: String,
    holds: bool,
    /// What must hold, or what was measured.
    detail: String,
}

/// 200 while the ledger of every cluster publishes, otherwise 500.
pub(super) async fn livez(state: Extract<Shared>, query: RawQuery) -> Response {
    let boards = state.boards.list();
    let checks = boards.iter().map(|board| Check {
        name: format!("{}/ledger", board.name),
        holds: board.ledger_lives(),
        detail: format!("published {:.1} s ago", board.read().ledger_age().as_secs_f64()),
    });
    answer(&checks.collect::<Vec<_>>(), &query, StatusCode::INTERNAL_SERVER_ERROR)
}

/// 200 when every task that runs has ended its first cycle, until the service stops; otherwise 503.
pub(super) async fn readyz(state: Extract<Shared>, query: RawQuery) -> Response {
    let mut checks = first_cycles(&state);
    checks.push(Check {
        name: "service".to_owned(),
        holds: !state.stop.is_cancelled(),
        detail: "not stopping".to_owned(),
    });
    answer(&checks, &query, StatusCode::SERVICE_UNAVAILABLE)
}

/// For each task that runs, whether its first cycle has ended, in success or not.
fn first_cycles(state: &State) -> Vec<Check> {
    let boards = state.boards.list();
    let checks = boards.iter().flat_map(|board| {
        let readings = board.read();
        let tasks = readings.tasks().map(|(task, record)| Check {
            name: format!("{}/{}", board.name, task.as_str()),
            holds: record.tried() || record.waits,
            detail: if record.waits { "another instance does it" } else { "tried once" }.to_owned(),
        });
        tasks.collect::<Vec<_>>()
    });
    checks.collect()
}

/// Lists the checks that fail, or with `?verbose` all of them.
fn answer(checks: &[Check], query: &RawQuery, otherwise: StatusCode) -> Response {
    let good = checks.iter().all(|check| check.holds);
    let verbose =
        query.0.as_deref().is_some_and(|query| query.split('&').any(|part| part.starts_with("verbose")));
    let mut text = String::new();
    for Check { name, holds, detail } in checks.iter().filter(|check| verbose || !check.holds) {
        let mark = if *holds { "[+]" } else { "[-]" };
        writeln!(text, "{mark} {name}: {detail}").expect("writing to a String cannot fail");
    }
    text.push_str(if good { "ok\n" } else { "not yet\n" });
    (if good { StatusCode::OK } else { otherwise }, text).into_response()
}
