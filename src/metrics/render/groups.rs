//! Consumer groups as series: their sums, their members, and the lag of each partition.

use std::collections::BTreeMap;

use super::{capped::Capped, judge, lag};
use crate::{
    catalog::collect as c,
    cluster::Tiers,
    collect::topics::Topic,
    config::{self, Granularity, SumOver},
    evaluate::{
        groups::Group,
        rebalances::{Moves, Rebalances},
    },
    kafka::admin::Member,
    metrics::{Sink, Value, values::text},
    monitor::Snapshot,
};

/// The groups of a cluster. The order is that of importance: what comes last is dropped first.
pub(super) fn groups<'a>(
    name: &'a str,
    snapshot: &'a Snapshot,
    settings: &config::Lag,
    member_labels: bool,
    capped: &mut Capped<'_, impl Sink<'a>>,
) {
    for (group, seen) in &snapshot.groups {
        summary(name, group, seen, settings.partial_sums, capped.sink);
    }
    judge::groups(name, &snapshot.judged, capped.sink);
    lost(name, snapshot, capped);
    judge::topics(name, &snapshot.judged, settings.granularity, capped);
    sums(name, snapshot, settings.partial_sums, capped);
    if settings.granularity == Granularity::Partition {
        partitions(name, snapshot, member_labels, capped);
        for (topic, seen) in snapshot.topics.iter().filter(|(topic, _)| settings.topics.covers(topic)) {
            offsets(name, topic, seen, capped);
        }
        for (group, seen) in &snapshot.groups {
            for member in seen.members.iter().flatten() {
                member_info(name, group, member, capped);
            }
        }
    }
}

/// A group as a whole. Without any committed offset, because they could not be read, only its state is exposed.
fn summary<'a>(name: &'a str, group: &'a str, seen: &'a Group, over: SumOver, series: &mut impl Sink<'a>) {
    let at = || [text(name), text(group)];
    let state = [text(name), text(group), text(seen.state.as_str()), text(seen.kind.as_str())];
    series.push(c::GROUP_STATE.series(state, Value::Count(1)));
    rebalances(name, group, seen.rebalances, series);
    if seen.fault.is_some() && seen.topics.is_empty() {
        return;
    }
    series.push(c::GROUP_UNKNOWN.series(at(), Value::Count(seen.unknown() as u64)));
    let sums = seen.sums(over);
    series.take(sums.records.map(|sum| c::GROUP_SUM.series(at(), Value::Number(sum as f64))));
    series.take(sums.most.map(|most| c::GROUP_MAX.series(at(), Value::Number(most as f64))));
    series.take(
        sums.oldest.map(|oldest| c::GROUP_MAX_SECONDS.series(at(), Value::Number(oldest.age.as_secs_f64()))),
    );
}

/// How often a group rebalanced, and for how long.
fn rebalances<'a>(name: &'a str, group: &'a str, seen: Rebalances, series: &mut impl Sink<'a>) {
    let at = || [text(name), text(group)];
    series.push(c::GROUP_REBALANCES.series(at(), Value::Count(seen.count)));
    series.push(c::GROUP_REBALANCING.series(at(), Value::Number(seen.time.as_secs_f64())));
    let lasting = seen.lasting.map(|lasting| Value::Number(lasting.as_secs_f64()));
    series.take(lasting.map(|lasting| c::GROUP_REBALANCE_AGE.series(at(), lasting)));
    let Some(Moves { joined, left }) = seen.members else { return };
    for (change, count) in [("joined", joined), ("left", left)] {
        series.push(
            c::GROUP_MEMBER_CHANGES.series([text(name), text(group), text(change)], Value::Count(count)),
        );
    }
}

/// Records that expired before the group read them, by topic.
fn lost<'a>(name: &'a str, snapshot: &'a Snapshot, series: &mut impl Sink<'a>) {
    for (group, seen) in &snapshot.groups {
        for (topic, lost) in &seen.lost {
            let at = [text(name), text(group), text(topic)];
            series.push(c::GROUP_TOPIC_LOST.series(at, Value::Count(*lost)));
        }
    }
}

/// Lag by group and topic, and the number of partitions whose lag is to be taken with care.
fn sums<'a>(name: &'a str, snapshot: &'a Snapshot, over: SumOver, capped: &mut Capped<'_, impl Sink<'a>>) {
    let mut compacted: u64 = 0;
    let mut losing: u64 = 0;
    for (group, seen) in &snapshot.groups {
        for (topic, lags) in &seen.topics {
            losing += lags.values().filter(|lag| lag.lost > Some(0)).count() as u64;
            if is_compacted(snapshot, topic) {
                compacted += lags.len() as u64;
            }
            let sums = seen.topic_sums(topic, over);
            let at = || [text(name), text(group), text(topic)];
            let records = sums.records.map(|sum| Value::Number(sum as f64));
            capped.take(records.map(|sum| c::GROUP_TOPIC_SUM.series(at(), sum)));
            let oldest = sums.oldest.map(|oldest| Value::Number(oldest.age.as_secs_f64()));
            capped.take(oldest.map(|age| c::GROUP_TOPIC_MAX_SECONDS.series(at(), age)));
        }
    }
    capped.sink.push(c::EXPORTER_COMPACTED.series([text(name)], Value::Count(compacted)));
    capped.sink.push(c::EXPORTER_LOST.series([text(name)], Value::Count(losing)));
}

/// Lag by group and partition.
fn partitions<'a>(name: &'a str, snapshot: &'a Snapshot, member_labels: bool, series: &mut impl Sink<'a>) {
    for (group, seen) in &snapshot.groups {
        let readers = if member_labels { seen.readers() } else { BTreeMap::new() };
        for (topic, lags) in &seen.topics {
            let compacted = is_compacted(snapshot, topic);
            for (number, lag) in lags {
                let at = || [text(name), text(group), text(topic), number.to_string().into()];
                if member_labels {
                    let reader = readers.get(&(&**topic, *number)).copied();
                    lag::with_member(at(), reader, compacted, lag, series);
                } else {
                    lag::without_member(at(), lag, series);
                }
                lag::reset_and_error(at(), lag, series);
            }
        }
    }
}

fn is_compacted(snapshot: &Snapshot, topic: &str) -> bool {
    snapshot.topics.get(topic).is_some_and(|topic| topic.compacted)
}

/// The log start offset, the log end offset and the last stable offset of each partition of a topic.
fn offsets<'a>(name: &'a str, topic: &'a str, seen: &Topic, series: &mut impl Sink<'a>) {
    for (number, partition) in &seen.partitions {
        let at = || [text(name), text(topic), number.to_string().into()];
        let number = |offset: i64| Value::Number(offset as f64);
        series.take(partition.ends.end.map(|end| c::LATEST_OFFSET.series(at(), number(end))));
        series.take(partition.stable.map(|stable| c::STABLE_OFFSET.series(at(), number(stable))));
        series.take(partition.ends.start.map(|start| c::EARLIEST_OFFSET.series(at(), number(start))));
        let Some(Tiers { earliest_local, latest_tiered }) = partition.tiers else { continue };
        series.take(earliest_local.map(|offset| c::EARLIEST_LOCAL_OFFSET.series(at(), number(offset))));
        series.take(latest_tiered.map(|offset| c::LATEST_TIERED_OFFSET.series(at(), number(offset))));
    }
}

/// The partitions that are assigned to a member.
fn member_info<'a>(name: &'a str, group: &'a str, member: &'a Member, series: &mut impl Sink<'a>) {
    for (topic, partitions) in &member.partitions {
        for partition in partitions {
            let labels = [
                text(name),
                text(group),
                text(topic),
                partition.to_string().into(),
                text(&member.host),
                text(&member.id),
                text(&member.client),
            ];
            series.push(c::MEMBER_INFO.series(labels, Value::Count(1)));
        }
    }
}
