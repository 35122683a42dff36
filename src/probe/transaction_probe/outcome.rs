//! The steps of a transaction, and how a transaction can end.

use crate::closed_enum::closed_enum;

closed_enum! {
    /// A step of a transaction. The steps run in this order, and a transaction is either committed or aborted.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Step {
        /// The producer takes the transactional id. The step runs before the first transaction, and again after a failure.
        Init = "init",
        /// The producer begins the transaction, without a request.
        Begin = "begin",
        /// The record is sent and acknowledged.
        Produce = "produce",
        /// The transaction is committed.
        Commit = "commit",
        /// The transaction is aborted.
        Abort = "abort",
        /// The record is read, or skipped, by a consumer of committed records.
        Visible = "visible",
    }
}

closed_enum! {
    /// How a transaction ended. Every transaction that was begun has exactly one outcome.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Outcome {
        /// Committed, and a consumer of committed records got the record in time.
        Committed = "committed",
        /// Aborted on purpose, and a consumer of committed records skipped the record.
        Aborted = "aborted",
        /// Committed, but a consumer of committed records did not get the record in time.
        NotVisible = "not_visible",
        /// Aborted on purpose, but a consumer of committed records was still held up at the record at the deadline.
        NotEnded = "not_ended",
        /// Aborted on purpose, and a consumer of committed records got the record.
        AbortedVisible = "aborted_visible",
        /// A step failed with an error.
        Failed = "failed",
        /// A step did not end in time.
        TimedOut = "timed_out",
        /// Another producer took the transactional id: two instances use the same one.
        Fenced = "fenced",
        /// Committed or aborted, but the record could not be read, so it is not known what consumers see.
        Unchecked = "unchecked",
        /// Not run or not judged, because of this process, its credentials or its permissions.
        Skipped = "skipped",
    }
}

impl Outcome {
    /// Whether the outcome is evidence against the cluster.
    pub fn is_bad(self) -> bool {
        use Outcome::{AbortedVisible, Failed, NotEnded, NotVisible, TimedOut};
        matches!(self, AbortedVisible | Failed | NotEnded | NotVisible | TimedOut)
    }

    /// Whether the transaction did what it should.
    pub fn is_good(self) -> bool {
        matches!(self, Outcome::Committed | Outcome::Aborted)
    }
}

/// The end that a transaction is meant to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Its record shall become visible.
    Commit,
    /// Its record shall never become visible.
    Abort,
}

impl Purpose {
    /// The purpose of the transaction with this number, if each `abort_every`th is aborted; with 0 none is.
    pub(super) fn of(number: u64, abort_every: u64) -> Self {
        let is_multiple = number.checked_rem(abort_every) == Some(0);
        if is_multiple { Purpose::Abort } else { Purpose::Commit }
    }

    /// How many transactions with the same purpose the one with this number follows, itself included. So each partition takes its turn
    /// for both purposes, whatever the numbers of partitions and of `abort_every` have in common.
    pub(super) fn turn(number: u64, abort_every: u64) -> u64 {
        let aborted = number.checked_div(abort_every).unwrap_or(0);
        match Self::of(number, abort_every) {
            Purpose::Abort => aborted,
            Purpose::Commit => number - aborted,
        }
    }

    /// The step that ends the transaction.
    pub(super) fn step(self) -> Step {
        match self {
            Purpose::Commit => Step::Commit,
            Purpose::Abort => Step::Abort,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_takes_its_turn_for_both_purposes() {
        for (partitions, every) in [(5, 5), (10, 5), (6, 5), (3, 1), (4, 2), (3, 0)] {
            let numbers = || 1..=10 * partitions * every.max(1);
            for purpose in [Purpose::Commit, Purpose::Abort] {
                let same = numbers().filter(|number| Purpose::of(*number, every) == purpose);
                let mut met: Vec<_> = same.map(|number| Purpose::turn(number, every) % partitions).collect();
                let any = !met.is_empty();
                met.sort_unstable();
                met.dedup();
                assert_eq!(
                    met.len() as u64,
                    if any { partitions } else { 0 },
                    "{partitions} {every} {purpose:?}"
                );
            }
        }
    }

    #[test]
    fn every_third_transaction_is_aborted_and_none_with_zero() {
        let aborted = |every| (1..10).filter(move |number| Purpose::of(*number, every) == Purpose::Abort);
        assert!(aborted(3).eq([3, 6, 9]));
        assert_eq!(aborted(0).count(), 0);
    }
}
