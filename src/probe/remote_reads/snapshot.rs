//! What the task publishes.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::{
    kafka::{BrokerId, Capability, Fault},
    latency::{Bounds, Buckets},
};

/// The reads from remote storage.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Whether brokers tell what is in remote storage and let the principal read it. [`Capability::Unknown`] before the first answer.
    pub capability: Capability,
    /// By leader. A broker that has never led a partition with such records is absent.
    pub brokers: BTreeMap<BrokerId, Reads>,
}

/// The reads from one broker.
#[derive(Debug, Clone, PartialEq)]
pub struct Reads {
    /// The number of partitions of the heartbeat topic that the broker leads and whose first record is in remote storage alone.
    /// `None` if the broker did not say in the last cycle.
    pub partitions: Option<usize>,
    /// The number of records that were read or could not be read.
    pub reads: u64,
    /// The number of records that could not be read, by the kind of the failure. [`Fault::Timeout`] also stands for a broker that
    /// answered without the record until the end of the cycle.
    pub failures: BTreeMap<Fault, u64>,
    /// How long good reads took, from the first request for the record until it was there.
    pub durations: Buckets,
    /// How long the last read took; `None` if it failed.
    pub last: Option<Duration>,
    /// The reads that failed without a good one since; `None` if the last read was good.
    pub failing: Option<Failing>,
}

/// Failed reads in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// The number of failed reads in a row.
    pub times: u32,
    /// When the first of them failed.
    pub since: SystemTime,
    /// The fault of the last one.
    pub fault: Fault,
    /// The partition of the last one.
    pub partition: i32,
    /// The offset of the last one.
    pub offset: i64,
}

impl Default for Reads {
    fn default() -> Self {
        Self {
            partitions: None,
            reads: 0,
            failures: BTreeMap::new(),
            durations: Buckets::new(&Bounds::default()),
            last: None,
            failing: None,
        }
    }
}

impl Reads {
    /// Adds the read of a record: how long it took, or its fault.
    pub(super) fn add(
        &mut self,
        (partition, offset): (i32, i64),
        read: Result<Duration, Fault>,
        at: SystemTime,
    ) {
        self.reads += 1;
        self.last = read.ok();
        match read {
            Ok(took) => {
                self.durations.record(took);
                self.failing = None;
            }
            Err(fault) => {
                *self.failures.entry(fault).or_default() += 1;
                let (times, since) = self.failing.map_or((0, at), |failing| (failing.times, failing.since));
                self.failing = Some(Failing { times: times + 1, since, fault, partition, offset });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_are_counted_until_a_read_is_good() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut reads = Reads::default();
        reads.add((0, 17), Ok(Duration::from_millis(80)), at(1));
        reads.add((0, 17), Err(Fault::Timeout), at(2));
        reads.add((1, 5), Err(Fault::Other), at(3));
        let failing = Failing { times: 2, since: at(2), fault: Fault::Other, partition: 1, offset: 5 };
        assert_eq!((reads.failing, reads.last, reads.reads), (Some(failing), None, 3));
        reads.add((0, 17), Ok(Duration::from_millis(90)), at(4));
        assert_eq!((reads.failing, reads.durations.count(), reads.reads), (None, 2, 4));
        assert_eq!(reads.failures, BTreeMap::from([(Fault::Timeout, 1), (Fault::Other, 1)]));
    }
}
