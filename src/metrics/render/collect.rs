//! Real topics and groups as series.

use super::{capability, flag, text, unix};
use crate::{
    board::Readings,
    collect::{
        Snapshot,
        freshness::{Freshness, State},
        groups::Group,
        lag::{Lag, Method},
        topics::Topic,
        topology::Change,
    },
    kafka::admin::Member,
    metrics::{Label, Series, Sink, Value, catalog::collect as c},
};

/// What is known of a cluster's topics and groups. Of the only cluster there is, the names that older dashboards
/// know carry no `kafka_cluster`.
pub fn collected<'a>(readings: &'a Readings, alone: bool, series: &mut impl Sink<'a>) {
    let Some(snapshot) = readings.collect.fresh() else { return };
    let name: &'a str = &readings.name;
    let settings = &readings.settings;
    if settings.lag.enabled {
        capability(name, "ListGroups", snapshot.listing, series);
        groups(name, snapshot, settings, series);
    }
    capability(name, "Fetch", snapshot.reading, series);
    let seconds = snapshot.duration.as_secs_f64();
    series.push(c::POLL_MS.series([text(name)], Value::Number(seconds * 1e3)));
    series.push(c::EXPORTER_DURATION.series([text(name)], Value::Number(seconds)));
    for ((api, fault), count) in &snapshot.faults {
        let labels = [text(name), text(api.as_str()), text(fault.as_str())];
        series.push(c::COLLECT_ERRORS.series(labels, Value::Count(*count)));
    }
    let name = if alone { "" } else { name };
    topology(name, snapshot, series);
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
        series.take(update.map(|update| c::EXPORTER_UPDATE.series(at(), Value::Number(unix(update)))));
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
    series.take(found.appended_at.map(|at_| c::LAST_APPEND.series(at(), Value::Number(unix(at_)))));
    for state in State::ALL {
        let labels = [text(name), text(topic), text(state.as_str())];
        series.push(c::FRESHNESS_STATE.series(labels, flag(state == found.state)));
    }
}

fn groups<'a>(
    name: &'a str,
    snapshot: &'a Snapshot,
    settings: &crate::config::Cluster,
    series: &mut impl Sink<'a>,
) {
    let mut capped = Capped { sink: series, left: settings.lag.max_series, dropped: 0 };
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
        for (topic, lags) in &seen.topics {
            for (number, lag) in lags {
                let at = [text(name), text(group), text(topic), number.to_string().into()];
                lag_of(at, lag, &mut capped);
            }
        }
    }
    let watched = |topic: &str| partitions && settings.lag.topics.covers(topic);
    for (topic, seen) in snapshot.topics.iter().filter(|(topic, _)| watched(topic)) {
        ends(name, topic, seen, &mut capped);
    }
    for (group, seen) in snapshot.groups.iter().filter(|_| partitions) {
        for member in seen.members.iter().flatten() {
            reads(name, group, member, &mut capped);
        }
    }
    let dropped = capped.dropped;
    series.push(c::EXPORTER_COMPACTED.series([text(name)], Value::Count(compacted)));
    series.push(c::EXPORTER_LOST.series([text(name)], Value::Count(losing)));
    series.push(c::SERIES_DROPPED.series([text(name)], Value::Count(dropped)));
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
    if seen.fault.is_some() {
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

fn lag_of<'a>(at: [Label<'a>; 4], lag: &Lag, series: &mut impl Sink<'a>) {
    let whole = |number: i64| Value::Number(number as f64);
    let values = [
        (&c::GROUP_OFFSET, Some(whole(lag.committed))),
        (&c::GROUP_LAG, lag.records.map(whole)),
        (&c::GROUP_LAG_SECONDS, lag.time.map(|time| Value::Number(time.age.as_secs_f64()))),
        (&c::GROUP_LOST, lag.lost.map(whole)),
        (&c::GROUP_MARGIN, lag.retention_margin.map(whole)),
        (&c::GROUP_RATIO, lag.retention_ratio.map(Value::Number)),
        (&c::GROUP_RESET, lag.reset.then_some(Value::Count(1))),
    ];
    for (family, value) in values {
        if let Some(value) = value {
            series.push(family.series(at.clone(), value));
        }
    }
    if let Some(time) = lag.time.filter(|time| time.method != Method::Current) {
        let [name, group, topic, partition] = at;
        let error = time.error.map_or(f64::INFINITY, |error| error.as_secs_f64());
        let labels = [name, group, topic, partition, text(time.method.as_str())];
        series.push(c::GROUP_LAG_ERROR.series(labels, Value::Number(error)));
    }
}
