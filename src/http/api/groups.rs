//! `/api/v1/groups`: consumer groups and their lag.

use std::{cmp::Reverse, sync::Arc};

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{
    answer::{each, seconds, time},
    query::ClusterQuery,
};
use crate::{
    collect::time_lag::TimeLag,
    evaluate::{
        groups::Group,
        judge::{self, Progress},
        lag::{Lag, Sums},
        rebalances::Rebalances,
    },
    http::state::State,
    kafka::admin::Member,
};

/// The consumer groups, the one with the largest time lag first: `?search=PART&limit=N`. With `?group=NAME` the answer is
/// one group with its members and partitions.
pub(in crate::http) fn groups(state: &State, query: &ClusterQuery) -> Response {
    each(state, query, |readings| {
        let Some(snapshot) = readings.collect.fresh() else {
            return json!({ "count": null, "groups": null });
        };
        let chosen = snapshot.groups.iter().filter(|(name, _)| {
            query.group.as_deref().is_none_or(|group| group == &***name) && query.finds(name)
        });
        let over = readings.settings.lag.partial_sums;
        let mut chosen: Vec<_> = chosen.map(|(name, group)| (name, group, group.sums(over))).collect();
        chosen.sort_by_key(|(_, _, sums)| Reverse((sums.oldest.map(|oldest| oldest.age), sums.records)));
        let groups = chosen.iter().take(query.most()).map(|(name, group, sums)| {
            let judged = snapshot.judged.groups.get(*name);
            let mut row = group_json(name, group, *sums);
            row["verdict"] = judged.and_then(|judged| judged.verdict).map(Progress::as_str).into();
            row["statuses"] = judged.map(statuses_json).into();
            if query.group.is_some() {
                row["topics"] = partitions_json(group);
                row["members"] = group.members.as_ref().map(|members| members_json(members)).into();
            }
            row
        });
        json!({ "count": chosen.len(), "groups": groups.collect::<Vec<_>>() })
    })
}

fn group_json(name: &str, group: &Group, sums: Sums) -> Value {
    let worst = group.worst();
    json!({
        "group": name,
        "state": group.state.as_str(),
        "type": group.kind.as_str(),
        "lag": sums.records,
        "max_lag": sums.most,
        "time_lag": sums.oldest.map(time_json),
        "worst": worst.map(|(topic, partition)| json!({ "topic": topic, "partition": partition })),
        "partitions_unknown": group.unknown(),
        "fault": group.fault.map(|fault| fault.as_str()),
        "rebalances": rebalances_json(group.rebalances),
    })
}

/// How often a group rebalanced since the service first saw it, and for how long.
fn rebalances_json(seen: Rebalances) -> Value {
    json!({
        "count": seen.count,
        "seconds": seen.time.as_secs_f64(),
        "lasting_seconds": seen.lasting.map(|lasting| lasting.as_secs_f64()),
        "members_joined": seen.members.map(|moves| moves.joined),
        "members_left": seen.members.map(|moves| moves.left),
    })
}

/// The status of a group on each of its topics.
fn statuses_json(judged: &judge::GroupJudgement) -> Vec<Value> {
    let one = |(topic, judged): (&Arc<str>, &judge::TopicJudgement)| {
        let bad =
            judged.verdicts.iter().map(|(number, verdict)| (number.to_string(), verdict.as_str().into()));
        json!({
            "topic": &**topic,
            "status": judged.status.as_str(),
            "since": time(judged.since),
            "last_advance": judged.advanced.map(time),
            "stuck_partitions": judged.stuck,
            "verdicts": bad.collect::<Map<String, Value>>(),
        })
    };
    judged.topics.iter().map(one).collect()
}

/// The members of a group and their partitions.
fn members_json(members: &[Member]) -> Vec<Value> {
    let one = |member: &Member| {
        let partitions =
            member.partitions.iter().map(|(topic, partitions)| (topic.to_string(), json!(partitions)));
        json!({
            "id": member.id,
            "client": member.client,
            "host": member.host,
            "partitions": partitions.collect::<Map<_, _>>(),
        })
    };
    members.iter().map(one).collect()
}

/// The lag of a group on each of its partitions.
fn partitions_json(group: &Group) -> Value {
    let lags = group.topics.iter().flat_map(|(topic, lags)| {
        lags.iter().map(move |(number, lag)| {
            let Lag {
                committed,
                records,
                lost,
                retention_margin,
                retention_ratio,
                reset,
                time,
                beyond_end: _,
            } = *lag;
            json!({
                "topic": &**topic,
                "partition": number,
                "committed": committed,
                "lag": records,
                "lost": lost,
                "retention_margin": retention_margin,
                "retention_ratio": retention_ratio,
                "reset": reset,
                "time_lag": time.map(time_json),
            })
        })
    });
    lags.collect()
}

fn time_json(lag: TimeLag) -> Value {
    let TimeLag { age, error, method } = lag;
    json!({ "seconds": age.as_secs_f64(), "error_seconds": seconds(error), "method": method.as_str() })
}
