//! The checks of the coordinators of consumer groups and of transactions as series.

use std::collections::BTreeMap;

use crate::{
    board::Readings,
    catalog::{Family, coordinators as groups, transaction_coordinators as transactions},
    cluster::Api,
    kafka::{BrokerId, Fault},
    metrics::{
        Series, Sink, Value,
        values::{broker, text},
    },
    probe::coordinators::{Counts, Snapshot},
};

/// The faults that are common for each request. They are exposed from the start with 0.
const COMMON_FAILURES: [(Api, Fault); 6] = [
    (Api::FindCoordinator, Fault::NoLeader),
    (Api::OffsetCommit, Fault::Timeout),
    (Api::OffsetCommit, Fault::NoLeader),
    (Api::OffsetFetch, Fault::Timeout),
    (Api::InitProducerId, Fault::Timeout),
    (Api::InitProducerId, Fault::NoLeader),
];

/// The families of one kind of coordinators, and the requests that they get.
struct Families {
    partitions: &'static Family<2>,
    failing: &'static Family<2>,
    unchecked: &'static Family<1>,
    checks: &'static Family<2>,
    failures: &'static Family<4>,
    durations: &'static Family<3>,
    requests: &'static [Api],
}

const GROUPS: Families = Families {
    partitions: &groups::PARTITIONS,
    failing: &groups::FAILING,
    unchecked: &groups::UNCHECKED,
    checks: &groups::CHECKS,
    failures: &groups::FAILURES,
    durations: &groups::DURATION,
    requests: &[Api::FindCoordinator, Api::OffsetCommit, Api::OffsetFetch],
};

const TRANSACTIONS: Families = Families {
    partitions: &transactions::PARTITIONS,
    failing: &transactions::FAILING,
    unchecked: &transactions::UNCHECKED,
    checks: &transactions::CHECKS,
    failures: &transactions::FAILURES,
    durations: &transactions::DURATION,
    requests: &[Api::FindCoordinator, Api::InitProducerId],
};

/// The checks of each coordinator of groups and of transactions, and how many partitions are checked and failing.
pub(super) fn coordinators<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    let both = [(&readings.coordinators, &GROUPS), (&readings.transaction_coordinators, &TRANSACTIONS)];
    for (latest, families) in both {
        if let Some(snapshot) = latest.fresh() {
            checks(&readings.name, snapshot, families, series);
        }
    }
}

fn checks<'a>(name: &'a str, snapshot: &'a Snapshot, families: &Families, series: &mut Vec<Series<'a>>) {
    let unchecked = snapshot.total.map(|total| total.saturating_sub(snapshot.partitions.len()) as u64);
    series.take(unchecked.map(|count| families.unchecked.series([text(name)], Value::Count(count))));
    for (id, (partitions, failing)) in partitions(snapshot) {
        let labels = || [text(name), broker(id)];
        series.push(families.partitions.series(labels(), Value::Count(partitions)));
        series.push(families.failing.series(labels(), Value::Count(failing)));
    }
    for (id, counts) in &snapshot.brokers {
        series.push(families.checks.series([text(name), broker(*id)], Value::Count(counts.checks)));
        for ((api, fault), count) in failures(counts, families.requests) {
            let labels = [text(name), broker(*id), text(api.as_str()), text(fault.as_str())];
            series.push(families.failures.series(labels, Value::Count(count)));
        }
        for (api, buckets) in &counts.durations {
            let labels = [text(name), broker(*id), text(api.as_str())];
            series.push(families.durations.series(labels, Value::Buckets(buckets)));
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

/// The failures that happened, and 0 for the common ones of these requests.
fn failures(counts: &Counts, requests: &[Api]) -> BTreeMap<(Api, Fault), u64> {
    let common = COMMON_FAILURES.into_iter().filter(|(api, _)| requests.contains(api));
    let mut failures: BTreeMap<_, _> = common.map(|common| (common, 0)).collect();
    failures.extend(&counts.failures);
    failures
}
