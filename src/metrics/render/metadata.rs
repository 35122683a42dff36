//! Metadata of the cluster as series.

use crate::{
    catalog::cluster as c,
    cluster::metadata,
    metrics::{
        Series, Value,
        values::{broker, text},
    },
};

/// The size of the cluster, its quorum and its id.
pub(super) fn metadata<'a>(name: &'a str, snapshot: &'a metadata::Snapshot, series: &mut Vec<Series<'a>>) {
    series.push(c::BROKERS.series([text(name)], Value::Count(snapshot.brokers.len() as u64)));
    series.push(c::TOPICS.series([text(name)], Value::Count(snapshot.topics.len() as u64)));
    series.push(c::PARTITIONS.series([text(name)], Value::Count(snapshot.partitions() as u64)));
    series.push(c::METADATA.series([text(name)], Value::Buckets(&snapshot.durations)));
    if let Some(quorum) = snapshot.quorum {
        series.push(c::QUORUM_LEADER.series([text(name), broker(Some(quorum.leader))], Value::Count(1)));
        series.push(c::QUORUM_EPOCH.series([text(name)], Value::Number(f64::from(quorum.epoch))));
    }
    if let Some(id) = &snapshot.cluster_id {
        series.push(c::CLUSTER_INFO.series([text(name), text(id)], Value::Count(1)));
    }
}
