//! The names of cc-heartbeat, for existing dashboards.
//!
//! Counters are cumulative and means cover the last minute, so any number of scrapers see the same. The label `cluster_id`
//! is Kafka's own id of the cluster, as in cc-heartbeat. Series are absent before the id is known. No other label separates
//! clusters, so of several configured clusters with the same id only the first is exposed.

use std::{collections::BTreeSet, time::Instant};

use crate::{
    board::Readings,
    catalog::compat::cc_heartbeat as c,
    latency::RecentMean,
    metrics::{
        Series, Value,
        values::{broker, text},
    },
};

/// The series of all clusters.
pub fn cc_heartbeat<'a>(clusters: &'a [Readings], now: Instant, series: &mut Vec<Series<'a>>) {
    let mut exposed = BTreeSet::new();
    for readings in clusters {
        // The id is used although the metadata may be stale: counters must not vanish because Kafka is down.
        let metadata = readings.metadata.snapshot.as_ref();
        if let Some(id) = metadata.and_then(|(metadata, _)| metadata.cluster_id.as_deref())
            && exposed.insert(id)
        {
            cluster(id, readings, now, series);
        }
    }
}

fn cluster<'a>(id: &'a str, readings: &'a Readings, now: Instant, series: &mut Vec<Series<'a>>) {
    let heartbeat = &readings.heartbeat;
    // The mean of the heartbeats that arrived: a heartbeat that did not arrive has no latency.
    let mean = |recent: &RecentMean| recent.mean(now).map(|mean| Value::Number(mean.as_secs_f64() * 1e3));
    let fresh = readings.metadata.fresh();
    let controller =
        fresh.and_then(|metadata| metadata.quorum.map(|quorum| quorum.leader).or(metadata.controller));
    let checks = readings
        .connectivity
        .snapshot
        .as_ref()
        .map(|(snapshot, _)| Value::Count(snapshot.brokers.values().map(|check| check.checks).sum()));
    let values = [
        (&c::CC_CONTROLLER, controller.map(|id| Value::Number(f64::from(id.0)))),
        (&c::CC_PRODUCED, Some(Value::Count(heartbeat.acked))),
        (&c::CC_PRODUCE_MS, mean(&heartbeat.acked_mean)),
        (&c::CC_CONSUMED, Some(Value::Count(heartbeat.received))),
        (&c::CC_CONSUME_MS, mean(&heartbeat.received_mean)),
        (&c::CC_BROKERS, fresh.map(|metadata| Value::Count(metadata.brokers.len() as u64))),
        (&c::CC_CHECKS, checks),
    ];
    series.extend(values.into_iter().filter_map(|(family, value)| Some(family.series([text(id)], value?))));
    for (number, check) in readings.connectivity.fresh().iter().flat_map(|snapshot| &snapshot.brokers) {
        if let (Some(mean), Some(address)) = (check.mean_total, check.address) {
            let labels = [broker(Some(*number)), text(id), address.to_string().into()];
            series.push(c::CC_CONNECT_MS.series(labels, Value::Number(mean.as_secs_f64() * 1e3)));
        }
    }
}
