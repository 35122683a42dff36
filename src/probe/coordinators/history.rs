//! The last check of each partition, and the counts of each coordinator.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use super::{
    check::Checked,
    snapshot::{Check, Counts, Failure},
};
use crate::{
    cluster::Api,
    kafka::{BrokerId, Fault},
    latency::{Bounds, Buckets},
};

/// The last check of each partition, and the counts of each coordinator.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) partitions: BTreeMap<i32, Check>,
    pub(super) brokers: BTreeMap<Option<BrokerId>, Counts>,
}

impl Counts {
    fn new() -> Self {
        Self { checks: 0, failures: BTreeMap::new(), durations: BTreeMap::new() }
    }

    fn add(&mut self, checked: &Checked) {
        self.checks += 1;
        for (request, took) in &checked.durations {
            let buckets = self.durations.entry(*request);
            buckets.or_insert_with(|| Buckets::new(&Bounds::default())).record(*took);
        }
        if let Some(failed) = checked.failed {
            *self.failures.entry(failed).or_default() += 1;
        }
    }
}

impl History {
    /// Whether the last check of a partition failed.
    pub(super) fn is_failing(&self, partition: i32) -> bool {
        self.partitions.get(&partition).is_some_and(|check| check.failure.is_some())
    }

    /// Takes in the check of a partition. If the cluster names no coordinator, the check counts for the last one.
    pub(super) fn add(&mut self, partition: i32, checked: &Checked, now: Instant) {
        let before = self.partitions.get(&partition);
        let broker = checked.broker.or(before.and_then(|before| before.broker));
        let since = before.and_then(|before| before.failure).map_or(now, |failure| failure.since);
        let failure = checked.failed.map(|(request, fault)| Failure { request, fault, since });
        self.partitions.insert(partition, Check { broker, failure, at: now });
        self.brokers.entry(broker).or_insert_with(Counts::new).add(checked);
    }

    /// Forgets the counts of brokers that are neither in the metadata nor the coordinator of a partition.
    pub(super) fn retain(&mut self, is_known: impl Fn(BrokerId) -> bool) {
        let coordinators: BTreeSet<_> = self.partitions.values().map(|check| check.broker).collect();
        self.brokers.retain(|broker, _| coordinators.contains(broker) || broker.is_some_and(&is_known));
    }

    /// The number of failing partitions of each coordinator, with one of the failures.
    pub(super) fn failing(&self) -> BTreeMap<Option<BrokerId>, (usize, Api, Fault)> {
        let mut failing = BTreeMap::new();
        for check in self.partitions.values() {
            let Some(failure) = check.failure else { continue };
            failing.entry(check.broker).or_insert((0, failure.request, failure.fault)).0 += 1;
        }
        failing
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn failure_counts_for_the_last_coordinator_and_keeps_the_time_of_its_begin() {
        let mut history = History::default();
        let (begun, second) = (Instant::now(), Duration::from_secs(1));
        let good = Checked {
            broker: Some(BrokerId(3)),
            durations: vec![(Api::OffsetCommit, second / 100), (Api::OffsetFetch, second / 200)],
            failed: None,
        };
        let failed = |broker, request, fault| Checked {
            broker,
            durations: Vec::new(),
            failed: Some((request, fault)),
        };
        history.add(7, &good, begun);
        assert!(!history.is_failing(7) && !history.is_failing(8));
        history.add(7, &failed(good.broker, Api::OffsetCommit, Fault::Refused), begun + second);
        history.add(7, &failed(None, Api::FindCoordinator, Fault::NoLeader), begun + 2 * second);
        let check = history.partitions[&7];
        let failure =
            Failure { request: Api::FindCoordinator, fault: Fault::NoLeader, since: begun + second };
        assert_eq!((check.broker, check.failure), (good.broker, Some(failure)));
        history.add(8, &failed(None, Api::FindCoordinator, Fault::NoLeader), begun);
        assert_eq!(history.partitions[&8].broker, None, "no coordinator was ever named");
        let counts = &history.brokers[&good.broker];
        assert_eq!(
            (counts.checks, counts.durations[&Api::OffsetCommit].count(), counts.failures.len()),
            (3, 1, 2)
        );
        assert_eq!(history.failing()[&good.broker], (1, Api::FindCoordinator, Fault::NoLeader));
        history.retain(|_| false);
        assert_eq!(history.brokers.len(), 2, "a broker that left the metadata is kept while it fails");
        history.add(7, &Checked { broker: Some(BrokerId(1)), ..good }, begun + 3 * second);
        history.retain(|broker| broker == BrokerId(1));
        assert!(history.brokers.keys().eq(&[None, Some(BrokerId(1))]));
        assert!(!history.is_failing(7));
    }
}
