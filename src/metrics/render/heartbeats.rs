//! Heartbeats as series.

use crate::{
    catalog::heartbeat as c,
    kafka::Fault,
    metrics::{
        Label, Series, Value,
        values::{broker, flag, text, unix},
    },
    probe::heartbeat::{self, Anomaly, Outcome, Renewal},
};

/// Outcomes and latencies of heartbeats, and the health of the clients that carry them.
pub(super) fn heartbeats<'a>(name: &'a str, snapshot: &'a heartbeat::Snapshot, series: &mut Vec<Series<'a>>) {
    for (number, partition) in &snapshot.partitions {
        let number: Label<'a> = number.to_string().into();
        let at = || [text(name), number.clone()];
        series.push(c::SCHEDULED.series(at(), Value::Count(partition.scheduled)));
        series.push(c::IN_FLIGHT.series(at(), Value::Count(partition.in_flight)));
        for (anomaly, count) in Anomaly::ALL.iter().zip(partition.anomalies) {
            let labels = [text(name), number.clone(), text(anomaly.as_str())];
            series.push(c::ANOMALIES.series(labels, Value::Count(count)));
        }
        if let Some(succeeded) = partition.last_success {
            series.push(c::LAST_SUCCESS.series(at(), unix(succeeded)));
        }
        for (leader, counts) in &partition.by_broker {
            let labels = || [text(name), number.clone(), broker(*leader)];
            for (outcome, count) in Outcome::ALL.iter().zip(counts.outcomes) {
                let [name, number, broker] = labels();
                let labels = [name, number, broker, text(outcome.as_str())];
                series.push(c::OUTCOMES.series(labels, Value::Count(count)));
            }
            series.push(c::PRODUCE.series(labels(), Value::Buckets(&counts.produce)));
            series.push(c::END_TO_END.series(labels(), Value::Buckets(&counts.end_to_end)));
            series.push(c::DELIVERY.series(labels(), Value::Buckets(&counts.delivery)));
        }
    }
    series.push(c::SLO_EVENTS.series([text(name)], Value::Count(snapshot.events)));
    series.push(c::SLO_BAD_EVENTS.series([text(name)], Value::Count(snapshot.bad_events)));
    let unacknowledged = Value::Count(snapshot.unacknowledged_events);
    series.push(c::SLO_UNACKNOWLEDGED_EVENTS.series([text(name)], unacknowledged));
    if let Some(took) = snapshot.startup {
        series.push(c::STARTUP.series([text(name)], Value::Number(took.as_secs_f64())));
    }
    for (renewal, count) in Renewal::ALL.iter().zip(snapshot.renewals) {
        let labels = [text(name), text(renewal.client()), text(renewal.reason())];
        series.push(c::CLIENT_RENEWALS.series(labels, Value::Count(count)));
    }
    series.push(c::SCHEDULE_DELAY.series([text(name)], Value::Buckets(&snapshot.schedule_delay)));
    series.push(c::PROBER_HEALTHY.series([text(name)], flag(snapshot.prober_healthy)));
    for fault in Fault::ALL {
        let count = snapshot.produce_errors.get(&fault).copied().unwrap_or(0);
        series.push(c::PRODUCE_ERRORS.series([text(name), text(fault.as_str())], Value::Count(count)));
        let count = snapshot.fetch_errors.get(&fault).copied().unwrap_or(0);
        series.push(c::FETCH_ERRORS.series([text(name), text(fault.as_str())], Value::Count(count)));
    }
    for (api, buckets) in &snapshot.throttle {
        series.push(c::THROTTLE.series([text(name), text(api)], Value::Buckets(buckets)));
    }
}

/// The leader of each heartbeat partition. The ledger takes leaders from the metadata and keeps the last known ones, so
/// this is rendered only while the metadata is fresh.
pub(super) fn leaders<'a>(name: &'a str, snapshot: &'a heartbeat::Snapshot, series: &mut Vec<Series<'a>>) {
    for (number, partition) in &snapshot.partitions {
        if let Some(leader) = partition.leader {
            let rack = partition.rack.as_deref().unwrap_or_default();
            let labels = [text(name), number.to_string().into(), broker(Some(leader)), text(rack)];
            series.push(c::PARTITION_LEADER.series(labels, Value::Count(1)));
        }
    }
}
