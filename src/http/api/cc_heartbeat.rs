//! Paths that answer as the cc-heartbeat program did, under its names.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{answer::each, query::ClusterQuery};
use crate::http::state::State;

/// `/leader`: every instance of this service measures by itself, so each answers as a leader.
pub(in crate::http) async fn leader() -> Response {
    Json(json!({ "is_leader": true })).into_response()
}

/// `/topics`: the partitions and leaders of the heartbeat topic.
pub(in crate::http) fn heartbeat_topic(state: &State, query: &ClusterQuery) -> Response {
    each(state, query, |readings| {
        let metadata = readings.metadata.fresh();
        let topic = metadata.and_then(|metadata| metadata.heartbeat_topic.as_ref().ok());
        let leaders = topic.map(|topic| {
            let leaders = topic.partitions.iter().map(|(number, partition)| {
                (number.to_string(), partition.leader.map_or(Value::Null, |leader| leader.0.into()))
            });
            leaders.collect::<Map<String, Value>>()
        });
        json!({
            "cluster_id": metadata.and_then(|metadata| metadata.cluster_id.clone()),
            "topic_count": metadata.map(|metadata| metadata.topics.len()),
            "partition_count": metadata.map(|metadata| metadata.partitions()),
            "topics": [{
                "topic": readings.settings.heartbeat.topic,
                "partition_count": topic.map(|topic| topic.partitions.len()),
                "leaders": leaders,
            }],
        })
    })
}

/// `/consumer-groups`: the consumer groups and their states.
pub(in crate::http) fn consumer_groups(state: &State, query: &ClusterQuery) -> Response {
    each(state, query, |readings| {
        let snapshot = readings.collect.fresh();
        let groups = snapshot.map(|snapshot| {
            let groups = snapshot.groups.iter();
            groups
                .map(|(name, group)| {
                    let members = group.members.as_ref().map(Vec::len);
                    json!({ "group": &**name, "state": group.state.as_str(), "members": members })
                })
                .collect::<Vec<_>>()
        });
        json!({ "group_count": snapshot.map(|snapshot| snapshot.groups.len()), "groups": groups })
    })
}
