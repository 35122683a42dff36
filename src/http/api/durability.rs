//! `/api/v1/durability`: acknowledged heartbeats that were read again, and those that were lost.

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{
    answer::{each, time},
    query::ClusterQuery,
};
use crate::{
    http::state::State,
    probe::durability::{Loss, LostRecord, Snapshot, Unchecked},
};

/// The counts of the durability audit, and the newest lost records.
pub(in crate::http) fn durability(state: &State, query: &ClusterQuery) -> Response {
    let limit = query.most();
    each(state, query, |readings| match &readings.durability.snapshot {
        Some((snapshot, _)) => view(snapshot, limit),
        None => {
            json!({ "checked": null, "lost": null, "unchecked": null, "samples": null, "overdue": null, "records": null })
        }
    })
}

fn view(snapshot: &Snapshot, limit: usize) -> Value {
    let count = |(label, count): (&str, u64)| (label.to_owned(), Value::from(count));
    let checked: Map<_, _> = snapshot.checked.iter().map(|(age, number)| count((age, *number))).collect();
    let lost: Map<_, _> = Loss::ALL.map(Loss::as_str).into_iter().zip(snapshot.lost_by).map(count).collect();
    let unchecked = Unchecked::ALL.map(Unchecked::as_str).into_iter().zip(snapshot.unchecked).map(count);
    let records = snapshot.lost.since(0).rev().take(limit).map(|record| record_json(record));
    json!({
        "checked": checked,
        "lost": lost,
        "unchecked": unchecked.collect::<Map<_, _>>(),
        "samples": snapshot.samples,
        "overdue": snapshot.overdue,
        "records": records.collect::<Vec<_>>(),
    })
}

fn record_json(record: &LostRecord) -> Value {
    let sample = &record.sample;
    json!({
        "topic": &*record.topic,
        "partition": sample.partition,
        "offset": sample.offset,
        "reason": record.loss.as_str(),
        "acknowledged": time(sample.acknowledged),
        "leader": sample.leader.map(|leader| leader.0),
        "leader_epoch": sample.leader_epoch,
        "now": record.now,
        "found": time(record.found),
    })
}
