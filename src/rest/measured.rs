//! What was measured of the requests to a node, and its failures in a row.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use super::fault::{Failure, Fault};
use crate::latency::{Bounds, Buckets};

/// The measurements of one operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The number of operations that ended, good or not.
    pub ended: u64,
    /// The number of failures by fault.
    pub failures: BTreeMap<Fault, u64>,
    /// The durations of the good ones.
    pub durations: Buckets,
    /// The duration of the last one. `None` if it failed, and before the first.
    pub last: Option<Duration>,
    /// The last failures. `None` if the last operation was good, and before the first.
    pub failing: Option<Failing>,
}

/// Failures in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// The last fault.
    pub fault: Fault,
    /// What happened last, as a fragment. The text may be hostile.
    pub message: String,
    /// The first failure.
    pub since: SystemTime,
    /// The number of failures.
    pub times: u32,
}

impl Failing {
    /// So many failures in a row are no accident, such as one restart of a node.
    pub const LASTING: u32 = 2;

    /// The failures `before` with one more failure.
    pub fn add(before: Option<Self>, failure: &Failure, at: SystemTime) -> Self {
        let (since, times) = before.map_or((at, 0), |before| (before.since, before.times));
        let Failure { fault, message, .. } = failure.clone();
        Self { fault, message, since, times: times.saturating_add(1) }
    }

    /// Whether it is more than one failure, and none of this service itself.
    pub fn lasts(&self) -> bool {
        self.times >= Self::LASTING && !self.fault.is_ours()
    }
}

impl Measured {
    /// Nothing is measured yet.
    pub fn none() -> Self {
        Self {
            ended: 0,
            failures: BTreeMap::new(),
            durations: Buckets::new(&Bounds::default()),
            last: None,
            failing: None,
        }
    }

    /// Takes in the end of an operation.
    pub fn add(&mut self, ended: Result<Duration, &Failure>, at: SystemTime) {
        self.ended += 1;
        self.last = ended.ok();
        match ended {
            Ok(took) => {
                self.durations.record(took);
                self.failing = None;
            }
            Err(failure) => {
                *self.failures.entry(failure.fault).or_default() += 1;
                self.failing = Some(Failing::add(self.failing.take(), failure, at));
            }
        }
    }
}
