//! The reads from every replica as series.

use crate::{
    board::Readings,
    catalog::replicas as c,
    metrics::{
        Series, Value,
        values::{broker, text},
    },
};

/// The reads from each broker.
pub(super) fn replicas<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    let Some(snapshot) = readings.replicas.fresh() else { return };
    for (id, replica) in &snapshot.brokers {
        let labels = || [text(&readings.name), broker(Some(*id))];
        series.push(c::READS.series(labels(), Value::Count(replica.reads)));
        for (fault, count) in &replica.failures {
            let [cluster, broker] = labels();
            series.push(c::FAILURES.series([cluster, broker, text(fault.as_str())], Value::Count(*count)));
        }
        series.push(c::VISIBLE.series(labels(), Value::Buckets(&replica.visible)));
        series.push(c::LATE.series(labels(), Value::Count(replica.late.len() as u64)));
        series.push(c::DAMAGED.series(labels(), Value::Count(replica.damaged.len() as u64)));
        series.push(c::DAMAGED_TOTAL.series(labels(), Value::Count(replica.damaged_total)));
    }
}
