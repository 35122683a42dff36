//! The report as JSON, and the month of a cluster as a service answers it.

use serde_json::{Value, json};

use super::{
    facts::ClusterMonth,
    instants,
    merge::{ClusterReport, Merged, Report, WorstMinute},
    method,
    objectives::Kept,
};

/// The whole report. Instants are RFC 3339 in UTC, durations in seconds, and a number that was not measured is null.
pub(super) fn json(report: &Report) -> Value {
    let has_ended = report.made >= report.month.end();
    json!({
        "month": report.month,
        "begin": instants::seconds_text(report.month.begin()),
        "end": instants::seconds_text(report.month.end()),
        "has_ended": has_ended,
        "made_at": instants::seconds_text(report.made),
        "made_by": format!("kafka-heartbeat {}", env!("CARGO_PKG_VERSION")),
        "clusters": report.clusters.iter().map(cluster).collect::<Vec<_>>(),
        "method": method::sentences(report),
    })
}

fn cluster(cluster: &ClusterReport) -> Value {
    json!({
        "cluster": cluster.cluster,
        "vantage_points": cluster.vantage_points.iter().map(month_json).collect::<Vec<_>>(),
        "merged": cluster.merged.as_ref().map(merged),
        "worst_minutes": cluster.worst.iter().map(worst).collect::<Vec<_>>(),
    })
}

fn merged(merged: &Merged) -> Value {
    json!({
        "minutes": merged.minutes,
        "judged_minutes": merged.judged,
        "bad_minutes": merged.bad,
        "disputed_minutes": merged.disputed,
        "availability_percent": merged.availability_percent(),
        "coverage_percent": merged.coverage_percent(),
        "objective": merged.kept().as_ref().map(kept),
    })
}

fn worst(minute: &WorstMinute) -> Value {
    json!({ "begin": instants::seconds_text(minute.begin), "judged": minute.judged, "bad": minute.bad })
}

/// What one vantage point measured: the facts, from which every number can be made again, and the numbers.
pub fn month_json(month: &ClusterMonth) -> Value {
    let mut value = serde_json::to_value(month).unwrap_or_default();
    let days = value.get_mut("days").and_then(Value::as_array_mut).into_iter().flatten();
    for (shown, day) in days.zip(&month.days) {
        shown["judged"] = day.judged().into();
        shown["good"] = day.good().into();
        shown["availability_percent"] = day.availability_percent().into();
        shown["latency_seconds"] = json!(day.latency());
    }
    let summary = month.summary();
    value["summary"] = json!(summary);
    value["summary"]["objectives"] = summary.objectives.iter().map(kept).collect::<Vec<_>>().into();
    value
}

fn kept(kept: &Kept) -> Value {
    let range = |range: Option<(f64, f64)>| range.map(|(least, most)| json!({ "min": least, "max": most }));
    let mut value = json!(kept);
    value["measured_percent"] = json!(range(kept.percent()));
    value["met"] = json!(kept.is_met());
    value["error_budget"] = json!(kept.budget());
    value["error_budget_left_percent"] = json!(range(kept.budget_left_percent()));
    value
}
