//! What the task publishes.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use super::{
    exposed::ExposedRecords,
    outcome::{Outcome, Step},
};
use crate::{
    kafka::{BrokerId, Capability, Fault},
    latency::Buckets,
};

/// The counts since the start of the service, and the last transaction.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Whether transactions can be run. [`Capability::Denied`] if the principal lacks a permission, and [`Capability::Unsupported`]
    /// if brokers know no transactions. In both cases no transaction is begun. [`Capability::Unknown`] before the first of them.
    pub capability: Capability,
    /// The transactional id.
    pub id: Arc<str>,
    /// The topic of the records.
    pub topic: Arc<str>,
    /// The counts of transactions.
    pub counts: Counts,
    /// The aborted records that a consumer of committed records got, at once or later. Each counts once.
    pub exposed: ExposedRecords,
    /// The number of open transactions of the own transactional id that were found before the producer took the id, and ended by that.
    pub ended_open: u64,
    /// Whether another producer took the transactional id a moment ago, so that no transaction is begun now.
    pub is_fenced: bool,
    /// The last transaction that ended. `None` before the first.
    pub last: Option<Last>,
    /// Since when transactions fail. `None` if the last one that was judged was good, and while no transaction is begun.
    pub failing: Option<Failing>,
}

impl Snapshot {
    /// How many transactions failed since the last good one. `None` if that is not known: before the first transaction that was judged,
    /// without the permission, and while another producer has the transactional id.
    pub fn failures_in_a_row(&self) -> Option<u32> {
        let is_judged =
            Outcome::ALL.into_iter().any(|one| (one.is_bad() || one.is_good()) && self.counts.of(one) > 0);
        let is_known = is_judged && !self.capability.is_refusal() && !self.is_fenced;
        is_known.then(|| self.failing.as_ref().map_or(0, |failing| failing.times))
    }
}

/// The counts of transactions: `begun` is the sum of the outcomes and of those in flight.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// The number of transactions that were begun.
    pub begun: u64,
    /// The number of transactions with each outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// The number of transactions that a step failed, by step and fault.
    pub failures: BTreeMap<(Step, Fault), u64>,
    /// The durations of the steps that ended well, in the order of [`Step::ALL`].
    pub durations: [Buckets; Step::ALL.len()],
}

impl Counts {
    /// The number of transactions in flight.
    pub fn in_flight(&self) -> u64 {
        self.begun - self.outcomes.iter().sum::<u64>()
    }

    /// The number of transactions with an outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }
}

/// A transaction that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// The number of the transaction, from 1.
    pub number: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The step that failed with its fault. `None` if none failed.
    pub failure: Option<(Step, Fault)>,
    /// The coordinator of the transactional id. `None` if it is not known.
    pub coordinator: Option<BrokerId>,
    /// The partition of the record. `None` if it was not chosen.
    pub partition: Option<i32>,
    /// The leader of the partition. `None` if it is not known.
    pub leader: Option<BrokerId>,
    /// When it ended.
    pub at: SystemTime,
}

impl Last {
    /// The outcome in words that go on after the transaction, such as `timed out in the step commit`.
    pub fn words(&self) -> String {
        let outcome = match self.outcome {
            Outcome::Committed => "was committed",
            Outcome::Aborted => "was aborted on purpose",
            Outcome::NotVisible => "was committed, and its record could not be read in time",
            Outcome::NotEnded => "was aborted, and consumers of committed records still waited for its end",
            Outcome::AbortedVisible => "was aborted, and a consumer of committed records got its record",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed out",
            Outcome::Fenced => "was fenced, because another producer took the transactional id",
            Outcome::Unchecked => "ended, and it is not known what consumers see of it",
            Outcome::Skipped => "was not judged",
        };
        match self.failure {
            Some((step, Fault::Timeout)) if self.outcome == Outcome::TimedOut => {
                format!("{outcome} in the step {}", step.as_str())
            }
            Some((step, fault)) => {
                format!("{outcome} in the step {}: {}", step.as_str(), fault.as_str().replace('_', " "))
            }
            None => outcome.to_owned(),
        }
    }
}

/// Transactions that fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// The last one that failed.
    pub last: Last,
    /// The number of transactions that failed since the last good one.
    pub times: u32,
    /// When the first of them ended.
    pub since: SystemTime,
}
