//! How old the newest record of a topic is, from the newest timestamps of its partitions. Pure.
//!
//! Brokers since Kafka 3.0 name the newest timestamp (KIP-734). With older brokers, and where the named timestamp lies in the
//! future, the last record batches are read.

use std::time::{Duration, SystemTime};

use crate::{closed_enum::closed_enum, cluster::Ends};

/// How old the newest record of a topic is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Freshness {
    /// Whether the age is known, and if not, why.
    pub state: State,
    /// The newest timestamp of all partitions that does not lie in the future, in milliseconds since 1970; absent if none is
    /// known.
    pub newest_ms: Option<i64>,
    /// The oldest of the newest timestamps of the partitions that hold records, in milliseconds since 1970; absent if none is
    /// known.
    pub oldest_ms: Option<i64>,
    /// When a cycle last found a log end that had moved; absent if no cycle did.
    pub appended_at: Option<SystemTime>,
}

closed_enum! {
    /// Whether the age of a topic is known.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum State {
        /// The age is known.
        Ok = "ok",
        /// No record was ever written.
        Empty = "empty",
        /// All records were deleted.
        Drained = "drained",
        /// The newest timestamp lies in the future.
        Future = "future",
        /// The brokers do not name a timestamp.
        Unknown = "unknown",
        /// A request failed.
        Error = "error",
    }
}

/// How often a newest timestamp in the future is asked for again: compaction may have removed the record, which nothing else
/// shows. If the log start offset moves, the timestamp is asked for at once.
const FUTURE_FOR: Duration = Duration::from_secs(600);

/// The last time that the broker was asked for the newest timestamp of a partition.
#[derive(Debug, Clone, Copy)]
struct LastQuestion {
    /// The log start offset at that time; absent if it was not known.
    start: Option<i64>,
    /// When the broker was asked, counted from any moment.
    at: Duration,
}

/// A record batch whose newest timestamp lies in the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FutureBatch {
    /// The newest timestamp of the batch, in milliseconds since 1970.
    pub(crate) newest_ms: i64,
    /// The last offset of the batch.
    pub(crate) last: i64,
}

/// The newest timestamp of a partition, from both sources, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Newest {
    /// The timestamp that the broker named.
    named_ms: Option<i64>,
    /// The log end offset at that time.
    named_at: Option<i64>,
    /// When the broker was last asked. Absent if it never was.
    asked: Option<LastQuestion>,
    /// The newest timestamp of the last record batches that does not lie in the future.
    read_ms: Option<i64>,
    /// The newest timestamp of a record batch that lies in the future. Absent if no batch has one.
    ahead: Option<FutureBatch>,
    /// The log end offset when the record batches were read.
    read_at: Option<i64>,
}

impl Newest {
    /// Takes in the timestamp that the broker named, which is absent for a record without one. Returns whether it lies in the
    /// future and was not known before.
    pub(crate) fn named(&mut self, end: Option<i64>, newest_ms: Option<i64>, latest_ms: i64) -> bool {
        let before = std::mem::replace(&mut self.named_ms, newest_ms);
        self.named_at = end;
        newest_ms != before && newest_ms.is_some_and(|newest| newest > latest_ms)
    }

    /// Takes in a timestamp of a record batch that lies in the future. Returns whether it was not known before.
    pub(crate) fn ahead(&mut self, ahead: Option<FutureBatch>) -> bool {
        let Some(ahead) = ahead else { return false };
        let is_news = self.ahead.is_none_or(|before| ahead.newest_ms > before.newest_ms);
        if is_news {
            self.ahead = Some(ahead);
        }
        is_news && self.named_ms.is_none()
    }

    /// Takes in the log start offset: record batches before it were deleted.
    pub(crate) fn begins(&mut self, start: i64) {
        self.ahead = self.ahead.filter(|batch| start <= batch.last);
    }

    /// Takes in the newest timestamp of the last record batches.
    pub(crate) fn read(&mut self, end: Option<i64>, newest_ms: Option<i64>) {
        (self.read_at, self.read_ms) = (end, newest_ms);
    }

    /// Takes in that the log holds no record any more: the timestamp of the last one stays.
    pub(crate) fn emptied(&mut self, end: i64) {
        (self.named_at, self.read_at, self.ahead) = (Some(end), Some(end), None);
    }

    /// Whether the broker is to be asked: if the log end has moved, or if the record with the timestamp in the future may have
    /// been deleted. `now` may count from any moment.
    pub(crate) fn is_wanted(&mut self, ends: Ends, now: Duration, latest_ms: i64) -> bool {
        let may_be_gone = self.named_ms.is_some_and(|newest| newest > latest_ms)
            && self
                .asked
                .is_none_or(|last| last.start != ends.start || now.saturating_sub(last.at) >= FUTURE_FOR);
        let is_wanted = self.named_at != ends.end || may_be_gone;
        if is_wanted {
            self.asked = Some(LastQuestion { start: ends.start, at: now });
        }
        is_wanted
    }

    fn is_named(&self, end: Option<i64>, latest_ms: i64) -> bool {
        self.named_at == end && self.named_ms.is_some_and(|newest| newest <= latest_ms)
    }

    /// Whether the last record batches are to be read.
    pub(crate) fn is_open(&self, end: i64, latest_ms: i64) -> bool {
        !self.is_named(Some(end), latest_ms) && self.read_at != Some(end)
    }

    fn is_future(&self, latest_ms: i64) -> bool {
        let ahead_ms = self.ahead.map(|batch| batch.newest_ms);
        self.named_ms.or(ahead_ms).is_some_and(|newest| newest > latest_ms)
    }

    /// The newest timestamp that does not lie in the future.
    pub(crate) fn credible_ms(&self, end: Option<i64>, latest_ms: i64) -> Option<i64> {
        let seen = [self.read_ms, self.ahead.map(|batch| batch.newest_ms)].into_iter().flatten();
        let seen = seen.filter(|_| !self.is_named(end, latest_ms));
        self.named_ms.into_iter().chain(seen).filter(|ms| *ms <= latest_ms).max()
    }
}

/// The timestamps of the record batches from an offset on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchDates {
    /// Whether the batches were read.
    pub(crate) known: bool,
    /// The newest credible timestamp, in milliseconds since 1970; absent if no batch has one.
    pub(crate) newest_ms: Option<i64>,
    /// The batch with the newest timestamp that lies in the future; absent if no batch has one.
    pub(crate) ahead: Option<FutureBatch>,
}

/// Both ends of a log; absent if one is not known, or if there is no record between them.
pub(crate) fn records(ends: Ends) -> Option<(i64, i64)> {
    ends.start.zip(ends.end).filter(|(start, end)| start < end)
}

impl Freshness {
    /// The age from the ends and newest timestamps of the partitions that could be asked. `failed` says that others could not.
    /// A timestamp after `latest_ms` lies in the future.
    pub(crate) fn of<'a>(
        partitions: impl Iterator<Item = (Ends, &'a Newest)> + Clone,
        failed: bool,
        appended_at: Option<SystemTime>,
        latest_ms: i64,
    ) -> Self {
        let date = |(ends, newest): (Ends, &Newest)| newest.credible_ms(ends.end, latest_ms);
        let holding = partitions.clone().filter(|(ends, _)| ends.start.is_none() || records(*ends).is_some());
        let dates = holding.map(date).collect::<Vec<_>>();
        let any = |holds: &dyn Fn(Ends, &Newest) -> bool| {
            partitions.clone().any(|(ends, newest)| holds(ends, newest))
        };
        let state = if failed {
            State::Error
        } else if any(&|ends, newest| records(ends).is_some() && newest.is_future(latest_ms)) {
            State::Future
        } else if any(&|ends, _| records(ends).is_some()) {
            if dates.iter().any(Option::is_some) { State::Ok } else { State::Unknown }
        } else if any(&|ends, _| ends.end != Some(0)) {
            State::Drained
        } else {
            State::Empty
        };
        let newest_ms = partitions.clone().filter_map(date).max();
        Self { state, newest_ms, oldest_ms: dates.into_iter().flatten().min(), appended_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    fn log(start: i64, end: i64) -> Ends {
        Ends { start: Some(start), end: Some(end) }
    }

    fn named(end: i64, ms: i64) -> Newest {
        let mut newest = Newest::default();
        _ = newest.named(Some(end), Some(ms), NOW);
        newest
    }

    fn state(partitions: &[(Ends, Newest)]) -> (State, Option<i64>, Option<i64>) {
        let found = Freshness::of(partitions.iter().map(|(ends, newest)| (*ends, newest)), false, None, NOW);
        (found.state, found.newest_ms, found.oldest_ms)
    }

    #[test]
    fn topic_has_the_newest_timestamp_of_its_partitions() {
        let (empty, none) = (log(0, 0), Newest::default());
        assert_eq!(state(&[(empty, none), (empty, none)]), (State::Empty, None, None));
        assert_eq!(state(&[(empty, none), (log(7, 7), none)]), (State::Drained, None, None));
        assert_eq!(state(&[(empty, none), (log(0, 7), none)]), (State::Unknown, None, None));
        let both = [(log(0, 5), named(5, 900)), (log(0, 9), named(9, 400)), (empty, none)];
        assert_eq!(state(&both), (State::Ok, Some(900), Some(400)));
        let ahead = [(log(0, 5), named(5, NOW + 1)), (log(0, 9), named(9, 400))];
        assert_eq!(
            state(&ahead),
            (State::Future, Some(400), Some(400)),
            "a timestamp in the future is not used"
        );
        let mut drained = named(7, 800);
        drained.emptied(7);
        assert_eq!(
            state(&[(log(7, 7), drained)]),
            (State::Drained, Some(800), None),
            "the newest timestamp of an empty log is kept"
        );
        let failed = Freshness::of(both.iter().map(|(ends, newest)| (*ends, newest)), true, None, NOW);
        assert_eq!((failed.state, failed.newest_ms), (State::Error, Some(900)));
    }

    #[test]
    fn record_batches_count_where_the_broker_names_no_credible_timestamp() {
        let mut newest = named(5, NOW + 9);
        assert!(newest.is_open(5, NOW));
        newest.read(Some(5), Some(700));
        assert!(!newest.is_open(5, NOW) && newest.is_open(6, NOW));
        assert_eq!(newest.credible_ms(Some(5), NOW), Some(700));
        assert!(newest.is_future(NOW), "the partition is flagged although no timestamp is credible");
        assert!(!newest.named(Some(6), Some(600), NOW), "the named timestamp is not in the future");
        assert_eq!(
            newest.credible_ms(Some(6), NOW),
            Some(600),
            "the record with the timestamp that was read before may be deleted"
        );
        assert_eq!(
            newest.credible_ms(Some(7), NOW),
            Some(700),
            "for this log end the broker has named no timestamp"
        );
        newest.emptied(8);
        assert!(!newest.is_open(8, NOW), "an empty log has no record batch to read");
    }

    #[test]
    fn timestamp_in_the_future_is_requested_again_when_its_record_may_be_deleted() {
        let at = Duration::from_secs;
        let mut newest = named(5, NOW + 9);
        assert!(
            newest.is_wanted(log(0, 5), at(0), NOW),
            "the timestamp was never requested with this log start offset"
        );
        assert!(!newest.is_wanted(log(0, 5), at(30), NOW), "nothing has happened to the log");
        assert!(newest.is_wanted(log(3, 5), at(60), NOW), "retention may have removed the record");
        assert!(!newest.is_wanted(log(3, 5), at(659), NOW));
        assert!(newest.is_wanted(log(3, 5), at(660), NOW), "compaction may have removed the record");
        assert!(!newest.is_wanted(log(3, 5), at(690), NOW));
        assert!(
            !newest.is_wanted(log(4, 5), at(720), NOW + 9),
            "the timestamp is not in the future any more"
        );
        assert!(newest.is_wanted(log(4, 6), at(750), NOW + 9), "the log end has moved");
        // The broker names no timestamp in the future any more, so it gets no further request.
        assert!(!newest.named(Some(6), Some(700), NOW) && !newest.is_future(NOW));
        assert!(!newest.is_wanted(log(5, 6), at(9_999), NOW));
        // With record batches alone, the timestamp is dropped once the log start offset has passed the batch.
        let mut newest = Newest::default();
        newest.ahead(Some(FutureBatch { newest_ms: NOW + 9, last: 2 }));
        newest.begins(2);
        assert!(newest.is_future(NOW));
        newest.begins(3);
        assert!(!newest.is_future(NOW), "only other records remain");
    }

    #[test]
    fn timestamp_in_the_future_is_counted_once_and_is_credible_once_it_has_passed() {
        let mut newest = Newest::default();
        assert!(newest.named(Some(5), Some(NOW + 9), NOW));
        assert!(!newest.named(Some(6), Some(NOW + 9), NOW), "the same timestamp is not counted again");
        assert!(
            !newest.ahead(Some(FutureBatch { newest_ms: NOW + 9, last: 5 })),
            "the timestamp was already named by the broker"
        );
        // The broker names no timestamp. A timestamp that is not newer than the known one is not counted.
        let mut newest = Newest::default();
        let mut ahead =
            |ms: Option<i64>| newest.ahead(ms.map(|newest_ms| FutureBatch { newest_ms, last: 4 }));
        assert!(ahead(Some(NOW + 9)) && !ahead(Some(NOW + 9)) && !ahead(Some(NOW + 3)) && !ahead(None));
        newest.begins(4);
        newest.read(Some(5), Some(700));
        assert!(newest.is_future(NOW) && !newest.is_future(NOW + 9));
        assert_eq!(newest.credible_ms(Some(5), NOW), Some(700));
        assert_eq!(newest.credible_ms(Some(5), NOW + 9), Some(NOW + 9));
        let mut deleted = newest;
        deleted.begins(5);
        assert!(!deleted.is_future(NOW), "the record in the future was deleted");
        newest.emptied(5);
        assert!(!newest.is_future(NOW), "every record was deleted");
    }
}
