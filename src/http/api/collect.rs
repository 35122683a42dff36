//! Topics and groups as JSON.

use std::{sync::Arc, time::SystemTime};

use axum::response::Response;
use serde_json::{Value, json};

use super::{Filter, State, each, seconds, time};
use crate::{
    clock::from_unix_ms,
    collect::{
        time_lag::TimeLag,
        topics::Topic,
        topology::{Change, Health},
    },
    evaluate::{
        groups::Group,
        judge::{self, Verdict},
        lag::{Lag, Sums},
    },
    kafka::admin::Member,
};

/// Groups, those with the oldest unread records first: `?search=PART&limit=N`; `?group=NAME` for one with its
/// partitions.
pub(in crate::http) fn groups(state: &State, filter: &Filter) -> Response {
    each(state, filter, |readings| {
        let Some(snapshot) = readings.collect.fresh() else { return json!({ "groups": null }) };
        let chosen = snapshot.groups.iter().filter(|(name, _)| {
            filter.group.as_deref().is_none_or(|group| group == &***name) && filter.finds(name)
        });
        let parts = readings.settings.lag.partial_sums;
        let mut chosen: Vec<_> = chosen.map(|(name, group)| (name, group, group.sums(parts))).collect();
        chosen.sort_by_key(|(_, _, sums)| {
            std::cmp::Reverse((sums.oldest.map(|oldest| oldest.age), sums.records))
        });
        let limit = filter.limit.unwrap_or(usize::MAX);
        let groups = chosen.iter().take(limit).map(|(name, group, sums)| {
            let judged = snapshot.judged.groups.get(*name);
            let mut told = group_json(name, group, *sums);
            told["verdict"] = judged.and_then(|judged| judged.verdict).map(Verdict::as_str).into();
            told["statuses"] = judged.map(statuses_json).into();
            if filter.group.is_some() {
                told["topics"] = partitions_json(group);
                told["members"] = group.members.as_ref().map(|members| members_json(members)).into();
            }
            told
        });
        json!({ "count": chosen.len(), "groups": groups.collect::<Vec<_>>() })
    })
}

/// Topics, those that have been silent for longest first: `?search=PART&limit=N`.
pub(in crate::http) fn topics(state: &State, filter: &Filter) -> Response {
    each(state, filter, |readings| {
        let Some(snapshot) = readings.collect.fresh() else { return json!({ "topics": null }) };
        let mut chosen: Vec<_> = snapshot.topics.iter().filter(|(name, _)| filter.finds(name)).collect();
        let rates = &snapshot.judged.rates;
        // What has no date is no older than what has one.
        let newest = |topic: &Topic| topic.freshness.and_then(|found| found.newest_ms).unwrap_or(i64::MAX);
        chosen.sort_by_key(|(_, topic)| newest(topic));
        let limit = filter.limit.unwrap_or(usize::MAX);
        let topics = chosen.iter().take(limit).map(|(name, topic)| {
            let mut told = topic_json(name, topic);
            told["expected_rate"] = rates.get(*name).map(|rate| rate.expected).into();
            told["rate_score"] = rates.get(*name).map(|rate| rate.score).into();
            told["rate_anomaly"] =
                rates.get(*name).and_then(|rate| rate.kind).map(judge::Kind::as_str).into();
            told
        });
        json!({ "count": chosen.len(), "topics": topics.collect::<Vec<_>>() })
    })
}

/// The same under the names of the cc-heartbeat program.
pub(in crate::http) fn consumer_groups(state: &State, filter: &Filter) -> Response {
    each(state, filter, |readings| {
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
    })
}

fn statuses_json(judged: &judge::Group) -> Vec<Value> {
    let one = |(topic, judged): (&Arc<str>, &judge::Topic)| {
        let bad =
            judged.verdicts.iter().map(|(number, verdict)| (number.to_string(), verdict.as_str().into()));
        json!({
            "topic": &**topic,
            "status": judged.status.as_str(),
            "since": time(judged.since),
            "last_advance": judged.advanced.map(time),
            "stuck_partitions": judged.stuck,
            "verdicts": bad.collect::<serde_json::Map<String, Value>>(),
        })
    };
    judged.topics.iter().map(one).collect()
}

fn members_json(members: &[Member]) -> Vec<Value> {
    let one = |member: &Member| {
        let partitions =
            member.partitions.iter().map(|(topic, partitions)| (topic.to_string(), json!(partitions)));
        json!({
            "id": member.id,
            "client": member.client,
            "host": member.host,
            "partitions": partitions.collect::<serde_json::Map<_, _>>(),
        })
    };
    members.iter().map(one).collect()
}

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

/// The state of all partitions: sums, the topics that are not well, and what has changed since the start.
pub(in crate::http) fn cluster(state: &State, filter: &Filter) -> Response {
    each(state, filter, |readings| {
        let Some(snapshot) = readings.collect.fresh() else { return json!({ "health": null }) };
        let topology = &snapshot.topology;
        let sick = topology.health.iter().filter(|(_, health)| health.is_sick());
        let sick = sick.map(|(name, health)| {
            let mut told = health_json(*health);
            told["topic"] = (&**name).into();
            told
        });
        let changes = Change::ALL.into_iter().map(|change| {
            (change.as_str().to_owned(), topology.changes.get(&change).copied().unwrap_or(0).into())
        });
        json!({
            "health": health_json(Health::sum(topology.health.values())),
            "topics": sick.collect::<Vec<_>>(),
            "changes": changes.collect::<serde_json::Map<_, _>>(),
        })
    })
}

fn health_json(health: Health) -> Value {
    json!({
        "partitions": health.partitions,
        "offline": health.offline,
        "under_replicated": health.under_replicated,
        "reassigning": health.reassigning,
        "under_min_isr": health.under_min_isr,
        "imbalanced": health.imbalanced,
    })
}
