//! What the task publishes.

use std::{collections::BTreeMap, time::Instant};

use crate::{
    cluster::Api,
    kafka::{BrokerId, Capability, Fault},
    latency::Buckets,
};

/// The checks of all coordinators of groups, or of transactions.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Whether coordinators can be checked. [`Capability::Denied`] if the principal lacks a permission for the groups, for the
    /// heartbeat topic or for the topic that the coordinators lead. [`Capability::Unsupported`] if no topic has that name.
    /// In both cases no partition is in the snapshot, and nothing counts as failing. [`Capability::Unknown`] before the first
    /// good check, and while the heartbeat topic is missing.
    pub capability: Capability,
    /// The number of partitions of `__consumer_offsets` or `__transaction_state`. Absent if the topic is not visible.
    pub total: Option<usize>,
    /// The last check of each of these partitions, by its number. A partition is absent before its first check,
    /// and if no check of it had a result that says something about its coordinator.
    pub partitions: BTreeMap<i32, Check>,
    /// The counts of each coordinator since the start. `None` stands for checks without a known coordinator. A broker is absent
    /// once it is neither in the metadata nor the coordinator of a partition.
    pub brokers: BTreeMap<Option<BrokerId>, Counts>,
}

/// The partitions whose last check failed, by coordinator. `None` stands for partitions without a known coordinator.
pub type Failing = BTreeMap<Option<BrokerId>, BTreeMap<i32, Failure>>;

impl Snapshot {
    /// The partitions whose last check failed, by the broker that coordinates their groups or did so last, or by `None` if no
    /// broker was named since the start. Absent while no partition has been checked: then nothing is known of any
    /// coordinator. A partition that has not been checked yet is never among them, so an empty result says something about
    /// the checked partitions alone.
    pub fn failing(&self) -> Option<Failing> {
        if self.partitions.is_empty() {
            return None;
        }
        let mut failing = Failing::new();
        for (partition, check) in &self.partitions {
            if let Some(failure) = check.failure {
                failing.entry(check.broker).or_default().insert(*partition, failure);
            }
        }
        Some(failing)
    }
}

/// The last check of one partition of `__consumer_offsets` or `__transaction_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// The broker that coordinates the groups or transactions of the partition. If the cluster names no coordinator, the broker that it named
    /// last. `None` if it has named none since the start.
    pub broker: Option<BrokerId>,
    /// The failure of the last check. `None` if the check was good.
    pub failure: Option<Failure>,
    /// When the check ended.
    pub at: Instant,
}

/// The failure of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The request that failed: FindCoordinator, OffsetCommit, OffsetFetch or InitProducerId.
    pub request: Api,
    /// The kind of the failure. An OffsetFetch that returns another offset than the one that was committed and acknowledged
    /// has [`Fault::Other`].
    pub fault: Fault,
    /// Since when all checks of the partition have failed.
    pub since: Instant,
}

/// The counts of one coordinator.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// The number of checks.
    pub checks: u64,
    /// The number of failed checks, by the request that failed and the kind of the failure.
    pub failures: BTreeMap<(Api, Fault), u64>,
    /// The durations of good requests, by request. An OffsetFetch counts once for each partition that it was for.
    pub durations: BTreeMap<Api, Buckets>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_partitions_are_listed_by_coordinator_and_absent_before_any_check() {
        assert_eq!(Snapshot::default().failing(), None);
        let now = Instant::now();
        let check = |broker: Option<i32>, fault: Option<Fault>| Check {
            broker: broker.map(BrokerId),
            failure: fault.map(|fault| Failure { request: Api::OffsetCommit, fault, since: now }),
            at: now,
        };
        let mut snapshot =
            Snapshot { partitions: BTreeMap::from([(0, check(Some(1), None))]), ..Snapshot::default() };
        assert_eq!(snapshot.failing(), Some(Failing::new()));
        snapshot.partitions.extend([
            (1, check(Some(2), Some(Fault::Timeout))),
            (2, check(Some(2), Some(Fault::Refused))),
            (3, check(None, Some(Fault::NoLeader))),
        ]);
        let failing = snapshot.failing().expect("checked partitions");
        let faults: Vec<_> = failing
            .iter()
            .map(|(broker, all)| {
                (broker.map(|id| id.0), all.iter().map(|(at, one)| (*at, one.fault)).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(
            faults,
            [(None, vec![(3, Fault::NoLeader)]), (Some(2), vec![(1, Fault::Timeout), (2, Fault::Refused)])]
        );
    }
}
