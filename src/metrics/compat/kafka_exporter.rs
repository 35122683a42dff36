//! The names of kafka_exporter, and the only name of the Prometheus monitoring solution that is not ours, too.
//!
//! A number that is not known is absent: a group without a committed offset has no -1, and a failed request gives no 0.

use crate::{
    board::Readings,
    catalog::compat::{consumer_lag::CONSUMER_LAG, kafka_exporter as c},
    collect::topics::Topic,
    config::Granularity,
    evaluate::groups::Group,
    kafka::admin,
    metrics::{
        ClusterLabel, Label, Series, Sink, Value,
        values::{broker, flag, text},
    },
    monitor::Snapshot,
};

/// The brokers that the metadata of each cluster contain.
pub fn brokers<'a>(clusters: &'a [Readings], label: ClusterLabel, series: &mut Vec<Series<'a>>) {
    for readings in clusters {
        let name = label.value(readings);
        let Some(metadata) = readings.metadata.fresh() else { continue };
        series.push(c::KE_BROKERS.series([text(name)], Value::Count(metadata.brokers.len() as u64)));
        for (id, known) in &metadata.brokers {
            let labels = [text(name), broker(Some(*id)), format!("{}:{}", known.host, known.port).into()];
            series.push(c::KE_BROKER_INFO.series(labels, Value::Count(1)));
        }
    }
}

/// The topics and groups of one cluster.
pub fn kafka_exporter<'a>(
    name: &'a str,
    readings: &'a Readings,
    snapshot: &'a Snapshot,
    series: &mut impl Sink<'a>,
) {
    let metadata = readings.metadata.fresh();
    for (topic, health) in &snapshot.topology.health {
        let count = Value::Count(health.partitions as u64);
        series.push(c::KE_PARTITIONS.series([text(name), text(topic)], count));
        if readings.settings.lag.granularity == Granularity::Topic {
            continue;
        }
        if let Some(Ok(described)) = metadata.and_then(|metadata| metadata.topics.get(&**topic)) {
            for (number, partition) in &described.partitions {
                replicas([text(name), text(topic), number.to_string().into()], partition, series);
            }
        }
    }
    let settings = &readings.settings.lag;
    for (topic, seen) in &snapshot.topics {
        if settings.granularity == Granularity::Partition && settings.topics.covers(topic) {
            ends(name, topic, seen, series);
        }
    }
    for (group, seen) in &snapshot.groups {
        commits(name, group, seen, readings, series);
    }
}

fn replicas<'a>(at: [Label<'a>; 3], partition: &admin::Partition, series: &mut impl Sink<'a>) {
    let admin::Partition { leader, replicas, isr, .. } = partition;
    let count = |all: &[_]| Value::Count(all.len() as u64);
    let values = [
        (&c::KE_LEADER, leader.map(|leader| Value::Number(f64::from(leader.0)))),
        (&c::KE_PREFERRED, leader.map(|leader| flag(replicas.first() == Some(&leader)))),
        (&c::KE_REPLICAS, Some(count(replicas))),
        (&c::KE_IN_SYNC, Some(count(isr))),
        (&c::KE_UNDER, Some(flag(isr.len() < replicas.len()))),
    ];
    series.take(values.into_iter().filter_map(|(family, value)| Some(family.series(at.clone(), value?))));
}

fn ends<'a>(name: &'a str, topic: &'a str, seen: &Topic, series: &mut impl Sink<'a>) {
    for (number, partition) in &seen.partitions {
        let at = || [text(name), text(topic), number.to_string().into()];
        let whole = |offset: i64| Value::Number(offset as f64);
        series.take(partition.ends.end.map(|end| c::KE_CURRENT.series(at(), whole(end))));
        series.take(partition.ends.start.map(|start| c::KE_OLDEST.series(at(), whole(start))));
    }
}

fn commits<'a>(
    name: &'a str,
    group: &'a str,
    seen: &'a Group,
    readings: &Readings,
    series: &mut impl Sink<'a>,
) {
    let whole = |number: i64| Value::Number(number as f64);
    if let Some(members) = &seen.members {
        let count = Value::Count(members.len() as u64);
        series.push(c::KE_MEMBERS.series([text(name), text(group)], count));
    }
    for (topic, lags) in &seen.topics {
        let at = || [text(name), text(group), text(topic)];
        // A committed offset that could not be read would be missing in the sum.
        if !seen.unread.contains_key(topic) {
            let sum = lags.values().map(|lag| lag.committed).sum();
            series.push(c::KE_COMMITTED_SUM.series(at(), whole(sum)));
        }
        let sums = seen.topic_sums(topic, readings.settings.lag.partial_sums);
        series.take(sums.records.map(|sum| c::KE_LAG_SUM.series(at(), whole(sum))));
        if readings.settings.lag.granularity == Granularity::Topic {
            continue;
        }
        for (number, lag) in lags {
            let at = || [text(name), text(group), text(topic), number.to_string().into()];
            series.push(c::KE_COMMITTED.series(at(), whole(lag.committed)));
            series.take(lag.records.map(|records| c::KE_LAG.series(at(), whole(records))));
        }
    }
}

/// The lag of each partition.
pub fn consumer_lag<'a>(name: &'a str, snapshot: &'a Snapshot, series: &mut impl Sink<'a>) {
    for (group, seen) in &snapshot.groups {
        for (topic, lags) in &seen.topics {
            for (number, lag) in lags {
                let at = [text(name), text(group), text(topic), number.to_string().into()];
                let lag = lag.records.map(|records| Value::Number(records as f64));
                series.take(lag.map(|lag| CONSUMER_LAG.series(at, lag)));
            }
        }
    }
}
