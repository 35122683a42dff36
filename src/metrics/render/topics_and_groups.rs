//! Topics and groups as series: what a collection cycle found.

use super::{capped::Capped, freshness::freshness, groups::groups, judge, topology::topology};
use crate::{
    board::Readings,
    catalog::collect as c,
    collect::freshness::State,
    config::Compat,
    metrics::{
        ClusterLabel, Sink, Value, compat,
        values::{flag, text, unix},
    },
    monitor::{Snapshot, Written},
    store::Unsaved,
};

/// The topics and groups of a cluster, and the names of older programs that are wanted.
pub fn topics_and_groups<'a>(
    readings: &'a Readings,
    label: ClusterLabel,
    wanted: Compat,
    series: &mut impl Sink<'a>,
) {
    let Some(snapshot) = readings.collect.fresh() else { return };
    let cluster = label.value(readings);
    limited(readings, snapshot, cluster, wanted, series);
    collection(&readings.name, snapshot, series);
    topology(cluster, snapshot, series);
    judge::rates(cluster, &snapshot.judged, series);
    topics(cluster, readings, snapshot, series);
}

/// Lag by group, topic and partition, of which `[lag] max.series` are exposed; and how many are not.
fn limited<'a>(
    readings: &'a Readings,
    snapshot: &'a Snapshot,
    cluster: &'a str,
    wanted: Compat,
    series: &mut impl Sink<'a>,
) {
    let lag = &readings.settings.lag;
    let name: &'a str = &readings.name;
    let mut capped = Capped { sink: series, left: lag.max_series, dropped: 0 };
    if lag.enabled {
        groups(name, snapshot, lag, wanted.member_labels, &mut capped);
    }
    if wanted.kafka_exporter {
        compat::kafka_exporter(cluster, readings, snapshot, &mut capped);
    }
    if wanted.kafka_consumer_lag {
        compat::consumer_lag(cluster, snapshot, &mut capped);
    }
    let dropped = capped.dropped;
    if lag.enabled || dropped > 0 {
        series.push(c::SERIES_DROPPED.series([text(name)], Value::Count(dropped)));
    }
}

/// The collection cycle itself: what it saved, what it left out, how long it took and what failed.
fn collection<'a>(name: &'a str, snapshot: &'a Snapshot, series: &mut impl Sink<'a>) {
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
}

fn history<'a>(name: &'a str, written: &'a Written, series: &mut impl Sink<'a>) {
    series.push(c::HISTORY_OPENED.series([text(name)], flag(written.opened)));
    series.take(written.last.map(|last| c::HISTORY_WRITTEN.series([text(name)], unix(last))));
    for kind in Unsaved::KINDS {
        let count = written.failures.get(kind).copied().unwrap_or(0);
        series.push(c::HISTORY_FAILURES.series([text(name), text(kind)], Value::Count(count)));
    }
}

/// The records appended to each topic, and its freshness.
fn topics<'a>(cluster: &'a str, readings: &Readings, snapshot: &'a Snapshot, series: &mut impl Sink<'a>) {
    let mut up = true;
    for (topic, seen) in &snapshot.topics {
        series.push(c::TOPIC_APPENDED.series([text(cluster), text(topic)], Value::Count(seen.appended)));
        if let Some(found) = &seen.freshness {
            let count = Value::Count(seen.future);
            series.push(c::FUTURE_TIMESTAMPS.series([text(cluster), text(topic)], count));
            freshness(cluster, topic, found, series);
            up &= found.state != State::Error;
        }
    }
    if readings.settings.freshness.enabled {
        series.push(c::FRESHNESS_UP.series([text(cluster)], flag(up)));
    }
}
