//! Paths that answer as the cc-heartbeat program did, under its names.

use axum::{
    Json,
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{answer::each, query::ClusterQuery};
use crate::{
    ha::Role,
    http::state::{Shared, State},
};

/// `/leader`: whether this instance collects, and which instance collects each cluster. Without an election each instance does.
pub(in crate::http) async fn leader(Extract(state): Extract<Shared>) -> Response {
    let (standing, role) = (state.leadership.standing(), state.leadership.role());
    let boards = state.boards.list();
    let clusters = boards.iter().map(|board| {
        let cluster = json!({
            "is_leader": state.leadership.collects(&board.name),
            "leader": standing.leader_of(&board.name),
        });
        (board.name.to_string(), cluster)
    });
    let clusters = clusters.collect::<Map<String, Value>>();
    let is_leader = matches!(role, Role::Alone | Role::Leader | Role::Leaderless);
    Json(json!({ "is_leader": is_leader, "role": role.as_str(), "clusters": clusters })).into_response()
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
