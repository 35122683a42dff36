//! `/api/v1/slo`: what was measured of each cluster in a month, compared with the objectives of `[slo]`.

use std::time::SystemTime;

use axum::{
    Json,
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{bad_request, readings, time, unavailable},
    asked::Asked,
};
use crate::{
    availability::Resolution,
    board::Readings,
    clock::now_ms,
    http::{
        offload::{read, render},
        state::Shared,
    },
    report::{ClusterMonth, Heartbeats, Month, Promises, Source, month_json},
};

/// `?month=2026-11&cluster=NAME`
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct SloQuery {
    /// The month of UTC; absent for the month of the present.
    month: Option<String>,
    /// The name of one cluster; absent for all of them.
    cluster: Option<String>,
}

/// The month of each cluster: 503 if the history file cannot be read.
pub(in crate::http) async fn slo(Extract(state): Extract<Shared>, Asked(query): Asked<SloQuery>) -> Response {
    let now = now_ms().div_euclid(1000);
    let month = match query.month.as_deref().map(Month::parse) {
        None => Month::of(now),
        Some(Ok(month)) if month.begin() <= now => month,
        Some(Ok(_)) => return bad_request("month: the month has not begun"),
        Some(Err(_)) => {
            return bad_request("month: expected a year and a month from 1970-01 on, such as 2026-11");
        }
    };
    let readings = match readings(&state, query.cluster.as_deref()) {
        Ok(readings) => readings,
        Err(refused) => return *refused,
    };
    let promises = Promises::from(&state.slo);
    let needs_file = readings.iter().any(|one| one.availability.needs_file(Resolution::Day, month.begin()));
    let answer = move || answer(&readings, promises, month, now);
    let answer = if needs_file { read(answer).await } else { render(answer).await };
    answer.unwrap_or_else(|refused| refused)
}

fn answer(readings: &[Readings], promises: Promises, month: Month, now: i64) -> Response {
    let clusters: Result<Vec<Value>, String> =
        readings.iter().map(|readings| of_cluster(readings, promises, month, now)).collect();
    match clusters {
        Ok(clusters) => {
            let now = time(SystemTime::now());
            Json(json!({ "generated_at": now, "month": month, "clusters": clusters })).into_response()
        }
        Err(error) => unavailable(&error),
    }
}

fn of_cluster(readings: &Readings, promises: Promises, month: Month, now: i64) -> Result<Value, String> {
    let archive = &readings.availability;
    let days = archive.between(Resolution::Day, month.begin(), month.end())?;
    let incidents = archive.timeline.incidents(month.begin(), month.end());
    let source = Source {
        cluster: readings.name.to_string(),
        instance: Some(readings.settings.heartbeat.instance.clone()),
        place: None,
        promises,
        heartbeats: Some(Heartbeats::from(&readings.settings.heartbeat)),
    };
    Ok(month_json(&ClusterMonth::new(source, month, now, days, incidents.map(|incident| &**incident))))
}
