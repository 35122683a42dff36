//! The reads from remote storage as series.

use std::collections::BTreeMap;

use crate::{
    board::Readings,
    catalog::remote_reads as c,
    kafka::Fault,
    metrics::{
        Series, Value,
        values::{broker, text},
    },
};

/// The failures that are common. They are exposed from the start with 0.
const COMMON_FAILURES: [Fault; 2] = [Fault::Timeout, Fault::Other];

/// The reads from each broker.
pub(super) fn remote_reads<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    let Some(snapshot) = readings.remote_reads.fresh() else { return };
    for (id, reads) in &snapshot.brokers {
        let labels = || [text(&readings.name), broker(Some(*id))];
        let partitions = reads.partitions.map(|partitions| Value::Count(partitions as u64));
        series.extend(partitions.map(|partitions| c::PARTITIONS.series(labels(), partitions)));
        series.push(c::READS.series(labels(), Value::Count(reads.reads)));
        let mut failures: BTreeMap<_, _> = COMMON_FAILURES.map(|fault| (fault, 0)).into();
        failures.extend(&reads.failures);
        for (fault, count) in failures {
            let [cluster, broker] = labels();
            series.push(c::FAILURES.series([cluster, broker, text(fault.as_str())], Value::Count(count)));
        }
        if reads.reads > 0 {
            let failing = reads.failing.map_or(0, |failing| failing.times);
            series.push(c::FAILING.series(labels(), Value::Count(failing.into())));
        }
        series.push(c::DURATION.series(labels(), Value::Buckets(&reads.durations)));
    }
}
