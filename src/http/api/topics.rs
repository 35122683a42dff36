//! `/api/v1/topics`: topics, their newest records and their rates.

use std::time::SystemTime;

use axum::response::Response;
use serde_json::{Value, json};

use super::{
    answer::{each, time},
    query::ClusterQuery,
};
use crate::{clock::from_unix_ms, collect::topics::Topic, evaluate::judge::Kind, http::state::State};

/// The topics, the one whose newest record is the oldest first: `?search=PART&limit=N`.
pub(in crate::http) fn topics(state: &State, query: &ClusterQuery) -> Response {
    each(state, query, |readings| {
        let Some(snapshot) = readings.collect.fresh() else {
            return json!({ "count": null, "topics": null });
        };
        let mut chosen: Vec<_> = snapshot.topics.iter().filter(|(name, _)| query.finds(name)).collect();
        let rates = &snapshot.judged.rates;
        // Topics whose newest record has no timestamp come last.
        let newest = |topic: &Topic| topic.freshness.and_then(|found| found.newest_ms).unwrap_or(i64::MAX);
        chosen.sort_by_key(|(_, topic)| newest(topic));
        let topics = chosen.iter().take(query.most()).map(|(name, topic)| {
            let mut row = topic_json(name, topic);
            row["expected_rate"] = rates.get(*name).map(|rate| rate.expected).into();
            row["rate_score"] = rates.get(*name).map(|rate| rate.score).into();
            row["rate_anomaly"] = rates.get(*name).and_then(|rate| rate.kind).map(Kind::as_str).into();
            row
        });
        json!({ "count": chosen.len(), "topics": topics.collect::<Vec<_>>() })
    })
}

fn topic_json(name: &str, topic: &Topic) -> Value {
    let at = |ms: i64| from_unix_ms(ms).map(time);
    let found = topic.freshness;
    let records =
        topic.partitions.values().map(|partition| Some(partition.ends.end? - partition.ends.start?));
    json!({
        "topic": name,
        "partitions": topic.partitions.len(),
        "offsets": records.sum::<Option<i64>>(),
        "state": found.map(|found| found.state.as_str()),
        "last_event": found.and_then(|found| found.newest_ms).and_then(at),
        "oldest_partition_event": found.and_then(|found| found.oldest_ms).and_then(at),
        "last_append": found.and_then(|found| found.appended_at).map(|at: SystemTime| time(at)),
        "appended": topic.appended,
        "rate": topic.rate,
    })
}
