//! Real topics and groups as series.

use std::collections::BTreeMap;

use super::{flag, judge, shown, text};
use crate::{
    board::Readings,
    clock::unix_seconds,
    collect::{
        Snapshot, Written,
        freshness::{Freshness, State},
        groups::Group,
        lag::{Lag, Method},
        store::Unsaved,
        topics::Topic,
        topology::Change,
    },
    config::{self, Compat},
    kafka::admin::Member,
    metrics::{
        Label, Series, Sink, Value,
        catalog::{collect as c, compat as k},
        compat,
    },
};

/// What is known of a cluster's topics and groups, and the names of older programs that are wanted. Of the only
/// cluster there is, what older dashboards know carries no `kafka_cluster`.
pub fn collected<'a>(readings: &'a Readings, alone: bool, wanted: Compat, series: &mut impl Sink<'a>) {
    let Some(snapshot) = readings.collect.fresh() else { return };
    let name: &'a str = &readings.name;
    let settings = &readings.settings;
    let shown = shown(readings, alone);
    let mut capped = Capped { sink: series, left: settings.lag.max_series, dropped: 0 };
    if settings.lag.enabled {
        groups(name, snapshot, settings, wanted.member_labels, &mut capped);
    }
    if wanted.kafka_exporter {
        compat::kafka_exporter(shown, readings, snapshot, &mut capped);
    }
    if wanted.kafka_consumer_lag {
        compat::consumer_lag(shown, snapshot, &mut capped);
    }
    let dropped = capped.dropped;
    if settings.lag.enabled || dropped > 0 {
        series.push(c::SERIES_DROPPED.series([text(name)], Value::Count(dropped)));
    }
    snapshot.written.iter().for_each(|written| history(name, written, series));
    for (filter, count) in &snapshot.filtered {
        series.push(c::FILTERED.series([text(name), text(filter)], Value::Count(*count as u64)));
    }
    let seconds = snapshot.duration.as_secs_f64();
    series.push(c::POLL_MS.series([text(name)], Value::Number(seconds * 1e3)));
    series.push(c::EXPORTER_DURATION.series([text(name)], Value::Number(seconds)));
    for ((api, fault), count) in &snapshot.faults {
        let labels = [text(name), text(api.as_str()), text(fault.as_str())];
        series.push(c::COLLECT_ERRORS.series(labels, Value::Count(*count)));
    }
    let name = shown;
    topology(name, snapshot, series);
    judge::rates(name, &snapshot.judged, series);
    let mut up = None;
    for (topic, seen) in &snapshot.topics {
        series.push(c::TOPIC_APPENDED.series([text(name), text(topic)], Value::Count(seen.appended)));
        if let Some(found) = &seen.freshness {
            let count = Value::Count(seen.future);
            series.push(c::FUTURE_TIMESTAMPS.series([text(name), text(topic)], count));
            freshness(name, topic, found, series);
            up = Some(up.unwrap_or(true) && found.state != State::Error);
        }
    }
    if settings.freshness.enabled {
        series.push(c::FRESHNESS_UP.series([text(name)], flag(up.unwrap_or(true))));
    }
}

/// Whether the collectors of groups are alive; told also when they are not.
pub(super) fn liveness<'a>(readings: &'a Readings, series: &mut impl Sink<'a>) {
    if readings.settings.lag.enabled {
        let at = || [text(&readings.name)];
        series.push(c::EXPORTER_UP.series(at(), flag(readings.collect.fresh().is_some())));
        let update = readings.collect.succeeded;
        series
            .take(update.map(|update| c::EXPORTER_UPDATE.series(at(), Value::Number(unix_seconds(update)))));
    }
}

fn history<'a>(name: &'a str, written: &'a Written, series: &mut impl Sink<'a>) {
    series.push(c::HISTORY_OPENED.series([text(name)], flag(written.opened)));
    let last = written.last.map(|last| Value::Number(unix_seconds(last)));
    series.take(last.map(|last| c::HISTORY_WRITTEN.series([text(name)], last)));
    for kind in Unsaved::KINDS {
        let count = written.failures.get(kind).copied().unwrap_or(0);
        series.push(c::HISTORY_FAILURES.series([text(name), text(kind)], Value::Count(count)));
    }
}

fn topology<'a>(name: &'a str, snapshot: &'a Snapshot, series: &mut impl Sink<'a>) {
    for (topic, health) in &snapshot.topology.health {
        let count = |count: usize| Value::Count(count as u64);
        let at = || [text(name), text(topic)];
        series.push(c::PARTITION_COUNT.series(at(), count(health.partitions)));
        series.push(c::OFFLINE.series(at(), count(health.offline)));
        series.push(c::UNDER_REPLICATED.series(at(), count(health.under_replicated)));
        series.take(health.reassigning.map(|moving| c::REASSIGNING.series(at(), count(moving))));
        series.take(health.under_min_isr.map(|under| c::UNDER_MIN_ISR.series(at(), count(under))));
        series.push(c::IMBALANCE.series(at(), count(health.imbalanced)));
    }
    for change in Change::ALL {
        let count = snapshot.topology.changes.get(&change).copied().unwrap_or(0);
        series.push(c::CHANGES.series([text(name), text(change.as_str())], Value::Count(count)));
    }
}

fn freshness<'a>(name: &'a str, topic: &'a str, found: &Freshness, series: &mut impl Sink<'a>) {
    let at = || [text(name), text(topic)];
    let seconds = |ms: i64| Value::Number(ms as f64 / 1e3);
    series.take(found.newest_ms.map(|ms| c::LAST_EVENT.series(at(), seconds(ms))));
    series.take(found.oldest_ms.map(|ms| c::OLDEST_PARTITION_EVENT.series(at(), seconds(ms))));
    series.take(found.appended_at.map(|at_| c::LAST_APPEND.series(at(), Value::Number(unix_seconds(at_)))));
    for state in State::ALL {
        let labels = [text(name), text(topic), text(state.as_str())];
        series.push(c::FRESHNESS_STATE.series(labels, flag(state == found.state)));
    }
}

fn groups<'a>(
    name: &'a str,
    snapshot: &'a Snapshot,
    settings: &config::Cluster,
    member_labels: bool,
    capped: &mut Capped<'_, impl Sink<'a>>,
) {
    let partitions = settings.lag.partitions;
    let (mut compacted, mut losing) = (0, 0);
    for (group, seen) in &snapshot.groups {
        summary(name, group, seen, settings.lag.partial_sums, capped.sink);
    }
    // Under the cap, what nobody can do without comes first.
    for (group, seen) in &snapshot.groups {
        for (topic, lost) in &seen.lost {
            let at = [text(name), text(group), text(topic)];
            capped.push(c::GROUP_TOPIC_LOST.series(at, Value::Count(*lost)));
        }
    }
    judge::groups(name, &snapshot.judged, capped.sink);
    judge::topics(name, &snapshot.judged, partitions, capped);
    for (group, seen) in &snapshot.groups {
        for (topic, lags) in &seen.topics {
            losing += lags.values().filter(|lag| lag.lost > Some(0)).count() as u64;
            if snapshot.topics.get(topic).is_some_and(|topic| topic.compacted) {
                compacted += lags.len() as u64;
            }
            let sums = seen.topic_sums(topic, settings.lag.partial_sums);
            let at = || [text(name), text(group), text(topic)];
            let (sum, oldest) = (sums.records, sums.oldest.map(|oldest| oldest.age.as_secs_f64()));
            capped.take(sum.map(|sum| c::GROUP_TOPIC_SUM.series(at(), Value::Number(sum as f64))));
            capped.take(oldest.map(|age| c::GROUP_TOPIC_MAX_SECONDS.series(at(), Value::Number(age))));
        }
    }
    for (group, seen) in snapshot.groups.iter().filter(|_| partitions) {
        let readers = if member_labels { seen.readers() } else { BTreeMap::new() };
        for (topic, lags) in &seen.topics {
            let compacted = snapshot.topics.get(topic).is_some_and(|topic| topic.compacted);
            for (number, lag) in lags {
                let at = || [text(name), text(group), text(topic), number.to_string().into()];
                if member_labels {
                    let reader = readers.get(&(&**topic, *number)).copied();
                    read_by(at(), reader, compacted, lag, capped);
                } else {
                    lag_of(at(), lag, capped);
                }
                age_of(at(), lag, capped);
            }
        }
    }
    let watched = |topic: &str| partitions && settings.lag.topics.covers(topic);
    for (topic, seen) in snapshot.topics.iter().filter(|(topic, _)| watched(topic)) {
        ends(name, topic, seen, capped);
    }
    for (group, seen) in snapshot.groups.iter().filter(|_| partitions) {
        for member in seen.members.iter().flatten() {
            reads(name, group, member, capped);
        }
    }
    capped.sink.push(c::EXPORTER_COMPACTED.series([text(name)], Value::Count(compacted)));
    capped.sink.push(c::EXPORTER_LOST.series([text(name)], Value::Count(losing)));
}

/// Takes so many series, and counts the others.
struct Capped<'s, S> {
    sink: &'s mut S,
    left: usize,
    dropped: u64,
}

impl<'a, S: Sink<'a>> Sink<'a> for Capped<'_, S> {
    fn push(&mut self, series: Series<'a>) {
        if self.left > 0 {
            self.left -= 1;
            self.sink.push(series);
        } else {
            self.dropped += 1;
        }
    }
}

fn ends<'a>(name: &'a str, topic: &'a str, seen: &Topic, series: &mut impl Sink<'a>) {
    for (number, partition) in &seen.partitions {
        let at = || [text(name), text(topic), number.to_string().into()];
        let number = |offset: i64| Value::Number(offset as f64);
        series.take(partition.ends.end.map(|end| c::LATEST_OFFSET.series(at(), number(end))));
        series.take(partition.stable.map(|stable| c::STABLE_OFFSET.series(at(), number(stable))));
        series.take(partition.ends.start.map(|start| c::EARLIEST_OFFSET.series(at(), number(start))));
    }
}

fn summary<'a>(name: &'a str, group: &'a str, seen: &'a Group, partial: bool, series: &mut impl Sink<'a>) {
    let at = || [text(name), text(group)];
    let state = [text(name), text(group), text(seen.state.as_str()), text(seen.kind.as_str())];
    series.push(c::GROUP_STATE.series(state, Value::Count(1)));
    if seen.fault.is_some() && seen.topics.is_empty() {
        return;
    }
    series.push(c::GROUP_UNKNOWN.series(at(), Value::Count(seen.unknown() as u64)));
    let sums = seen.sums(partial);
    series.take(sums.records.map(|sum| c::GROUP_SUM.series(at(), Value::Number(sum as f64))));
    series.take(sums.most.map(|most| c::GROUP_MAX.series(at(), Value::Number(most as f64))));
    series.take(
        sums.oldest.map(|oldest| c::GROUP_MAX_SECONDS.series(at(), Value::Number(oldest.age.as_secs_f64()))),
    );
}

fn reads<'a>(name: &'a str, group: &'a str, member: &'a Member, series: &mut impl Sink<'a>) {
    for (topic, partitions) in &member.partitions {
        for partition in partitions {
            let at = [text(name), text(group), text(topic), partition.to_string().into()];
            let who = [text(&member.host), text(&member.id), text(&member.client)];
            let [name, group, topic, partition] = at;
            let [host, id, client] = who;
            let labels = [name, group, topic, partition, host, id, client];
            series.push(c::MEMBER_INFO.series(labels, Value::Count(1)));
        }
    }
}

/// What is told of a lag but its age, in the order of the families.
fn numbers(lag: &Lag) -> [Option<Value<'static>>; 5] {
    let whole = |number: i64| Value::Number(number as f64);
    [
        Some(whole(lag.committed)),
        lag.records.map(whole),
        lag.lost.map(whole),
        lag.retention_margin.map(whole),
        lag.retention_ratio.map(Value::Number),
    ]
}

fn age(lag: &Lag) -> Option<Value<'static>> {
    lag.time.map(|time| Value::Number(time.age.as_secs_f64()))
}

fn lag_of<'a>(at: [Label<'a>; 4], lag: &Lag, series: &mut impl Sink<'a>) {
    let families = [&c::GROUP_OFFSET, &c::GROUP_LAG, &c::GROUP_LOST, &c::GROUP_MARGIN, &c::GROUP_RATIO];
    for (family, value) in families.into_iter().zip(numbers(lag)) {
        if let Some(value) = value {
            series.push(family.series(at.clone(), value));
        }
    }
    series.take(age(lag).map(|age| c::GROUP_LAG_SECONDS.series(at, age)));
}

/// The same with klag-exporter's labels: who reads, and whether numbers are to be trusted.
fn read_by<'a>(
    at: [Label<'a>; 4],
    reader: Option<&'a Member>,
    compacted: bool,
    lag: &Lag,
    series: &mut impl Sink<'a>,
) {
    let [name, group, topic, partition] = at;
    let of = |part: fn(&'a Member) -> &'a str| text(reader.map_or("", part));
    let who = [of(|member| &member.host), of(|member| &member.id), of(|member| &member.client)];
    let [host, id, client] = who;
    let at = [name, group, topic, partition, host, id, client];
    let families = [&k::MEMBER_OFFSET, &k::MEMBER_LAG, &k::MEMBER_LOST, &k::MEMBER_MARGIN, &k::MEMBER_RATIO];
    for (family, value) in families.into_iter().zip(numbers(lag)) {
        if let Some(value) = value {
            series.push(family.series(at.clone(), value));
        }
    }
    if let Some(age) = age(lag) {
        let [name, group, topic, partition, host, id, client] = at;
        let holds = |holds: bool| text(if holds { "true" } else { "false" });
        let (compacted, lost) = (holds(compacted), holds(lag.lost > Some(0)));
        let labels = [name, group, topic, partition, host, id, client, compacted, lost];
        series.push(k::MEMBER_LAG_SECONDS.series(labels, age));
    }
}

/// What only we tell of a lag.
fn age_of<'a>(at: [Label<'a>; 4], lag: &Lag, series: &mut impl Sink<'a>) {
    if lag.reset {
        series.push(c::GROUP_RESET.series(at.clone(), Value::Count(1)));
    }
    if let Some(time) = lag.time.filter(|time| time.method != Method::Current) {
        let [name, group, topic, partition] = at;
        let error = time.error.map_or(f64::INFINITY, |error| error.as_secs_f64());
        let labels = [name, group, topic, partition, text(time.method.as_str())];
        series.push(c::GROUP_LAG_ERROR.series(labels, Value::Number(error)));
    }
}
