//! `/api/v1/gate`: whether the next broker may be stopped.

use std::{
    fmt::Write,
    time::{Duration, SystemTime},
};

use axum::{
    Json,
    extract::State as Extract,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{bad_request, seconds, time},
    asked::Asked,
};
use crate::{
    board::Board,
    gate::{Answer, Reason},
    http::state::Shared,
    text,
};

/// Without `for`, every condition must have held for so long.
const USUAL: Duration = Duration::from_secs(300);

/// The least and the longest time that can be asked for.
const LIMITS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);

/// `?for=5m&cluster=NAME&format=text`
#[derive(Debug, Deserialize)]
pub(in crate::http) struct GateQuery {
    /// How long every condition must have held; absent for five minutes.
    #[serde(rename = "for")]
    wanted: Option<String>,
    /// The name of one cluster; absent for all of them, which then must all be good.
    cluster: Option<String>,
    /// `json` or `text`; absent for what the header `Accept` asks for, and for JSON without it.
    format: Option<String>,
}

/// 200 if the gate is open, otherwise 503 with the reasons.
pub(in crate::http) async fn gate(
    Extract(state): Extract<Shared>,
    headers: HeaderMap,
    Asked(query): Asked<GateQuery>,
) -> Response {
    let wanted = query.wanted.as_deref().map_or(Ok(USUAL), humantime::parse_duration);
    let Some(wanted) = wanted.ok().filter(|wanted| LIMITS.contains(wanted)) else {
        return bad_request("for: expected a duration with its unit, from 1s to 24h, for example 5m");
    };
    let is_text = match query.format.as_deref() {
        None => accepts_text(&headers),
        Some("json") => false,
        Some("text") => true,
        Some(_) => return bad_request("format: expected json or text"),
    };
    let boards = state.boards.list();
    let is_wanted = |board: &&Board| query.cluster.as_deref().is_none_or(|wanted| wanted == &*board.name);
    let asked =
        boards.iter().filter(is_wanted).map(async |board| (&*board.name, board.gate.ask(wanted).await));
    let answers: Vec<(&str, Answer)> = join_all(asked).await;
    if answers.is_empty() {
        return bad_request("cluster: no cluster of this name is configured");
    }
    let is_open = answers.iter().all(|(_, answer)| answer.is_open());
    let status = if is_open { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if is_text {
        return (status, written(&answers, is_open, wanted)).into_response();
    }
    let answer = json!({
        "generated_at": time(SystemTime::now()),
        "open": is_open,
        "for_seconds": wanted.as_secs_f64(),
        "clusters": answers.iter().map(|(name, answer)| cluster_json(name, answer)).collect::<Vec<_>>(),
    });
    (status, Json(answer)).into_response()
}

/// Whether a client asks for text and not for JSON.
fn accepts_text(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("text/plain") && !accept.contains("application/json")
}

fn cluster_json(name: &str, answer: &Answer) -> Value {
    json!({
        "cluster": name,
        "open": answer.is_open(),
        "reasons": answer.reasons.iter().map(reason_json).collect::<Vec<_>>(),
        "not_checked": answer.not_checked.iter().map(reason_json).collect::<Vec<_>>(),
        "seconds_left": seconds(answer.left),
        "measured_seconds": answer.measured.as_secs_f64(),
    })
}

fn reason_json(reason: &Reason) -> Value {
    json!({
        "condition": reason.condition.as_str(),
        "sentence": reason.sentence,
        "last_seen_seconds_ago": seconds(reason.ended),
    })
}

/// The answer for people: one line for each reason.
fn written(answers: &[(&str, Answer)], is_open: bool, wanted: Duration) -> String {
    let mut words = if is_open {
        format!(
            "The gate is open: everything that is checked has been good for {}.\n",
            text::duration(wanted)
        )
    } else {
        "The gate is closed.\n".to_owned()
    };
    for (name, answer) in answers {
        for reason in &answer.reasons {
            writeln!(words, "{name}: {}", reason.sentence).expect("writing to a String cannot fail");
        }
    }
    for (name, answer) in answers {
        for reason in &answer.not_checked {
            writeln!(words, "{name}, not checked: {}", reason.sentence)
                .expect("writing to a String cannot fail");
        }
    }
    words
}
