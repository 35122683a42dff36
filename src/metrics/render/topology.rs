//! Health of partitions and changes of the cluster as series.

use crate::{
    catalog::collect as c,
    collect::topology::Change,
    metrics::{Sink, Value, values::text},
    monitor::Snapshot,
};

/// The health of the partitions of each topic, and the number of changes of the cluster since the start.
pub(super) fn topology<'a>(name: &'a str, snapshot: &'a Snapshot, series: &mut impl Sink<'a>) {
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
