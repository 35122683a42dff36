//! The checks of the coordinators of consumer groups as series.

use std::collections::BTreeMap;

use crate::{
    board::Readings,
    catalog::coordinators as c,
    cluster::Api,
    kafka::{BrokerId, Fault},
    metrics::{
        Series, Sink, Value,
        values::{broker, text},
    },
    probe::coordinators::{Counts, Snapshot},
};

/// The faults that are common for each request. They are exposed from the start with 0.
const COMMON_FAILURES: [(Api, Fault); 4] = [
    (Api::FindCoordinator, Fault::NoLeader),
    (Api::OffsetCommit, Fault::Timeout),
    (Api::OffsetCommit, Fault::NoLeader),
    (Api::OffsetFetch, Fault::Timeout),
];

/// The checks of each coordinator, and how many partitions are checked and failing.
pub(super) fn coordinators<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    let Some(snapshot) = readings.coordinators.fresh() else { return };
    let name: &'a str = &readings.name;
    let unchecked = snapshot.total.map(|total| total.saturating_sub(snapshot.partitions.len()) as u64);
    series.take(unchecked.map(|count| c::UNCHECKED.series([text(name)], Value::Count(count))));
    for (id, (partitions, failing)) in partitions(snapshot) {
        let labels = || [text(name), broker(id)];
        series.push(c::PARTITIONS.series(labels(), Value::Count(partitions)));
        series.push(c::FAILING.series(labels(), Value::Count(failing)));
    }
    for (id, counts) in &snapshot.brokers {
        series.push(c::CHECKS.series([text(name), broker(*id)], Value::Count(counts.checks)));
        for ((api, fault), count) in failures(counts) {
            let labels = [text(name), broker(*id), text(api.as_str()), text(fault.as_str())];
            series.push(c::FAILURES.series(labels, Value::Count(count)));
        }
        for (api, buckets) in [(Api::OffsetCommit, &counts.commits), (Api::OffsetFetch, &counts.fetches)] {
            let labels = [text(name), broker(*id), text(api.as_str())];
            series.push(c::DURATION.series(labels, Value::Buckets(buckets)));
        }
    }
}

/// The number of checked partitions of each coordinator, and how many of them fail. A broker that was checked and coordinates
/// no partition now has 0.
fn partitions(snapshot: &Snapshot) -> BTreeMap<Option<BrokerId>, (u64, u64)> {
    let mut counts: BTreeMap<_, _> = snapshot.brokers.keys().map(|broker| (*broker, (0, 0))).collect();
    for check in snapshot.partitions.values() {
        let (partitions, failing) = counts.entry(check.broker).or_default();
        *partitions += 1;
        *failing += u64::from(check.failure.is_some());
    }
    counts
}

/// The failures that happened, and 0 for the common ones.
fn failures(counts: &Counts) -> BTreeMap<(Api, Fault), u64> {
    let mut failures: BTreeMap<_, _> = COMMON_FAILURES.into_iter().map(|common| (common, 0)).collect();
    failures.extend(&counts.failures);
    failures
}
