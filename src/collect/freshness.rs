//! How old a topic is: by the newest timestamps of its partitions. Pure.
//!
//! The broker names the newest record (Kafka 3.0, KIP-734). Before that, and where it names one from the future,
//! the last records are looked at.

use std::time::{Duration, SystemTime};

use crate::cluster::Ends;

/// How old a topic is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Freshness {
    /// All of it in one word.
    pub state: State,
    /// The newest timestamp of all partitions that does not lie in the future. Milliseconds since 1970.
    pub newest_ms: Option<i64>,
    /// The oldest of the newest timestamps of partitions that hold records.
    pub oldest_ms: Option<i64>,
    /// When our own samples last saw a log end move.
    pub appended_at: Option<SystemTime>,
}

/// What is to be said of a topic's age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its age is known.
    Ok,
    /// Nothing was ever written.
    Empty,
    /// All records have gone.
    Drained,
    /// The newest timestamp lies in the future.
    Future,
    /// The brokers cannot say.
    Unknown,
    /// A question failed.
    Error,
}

impl State {
    /// Every state, in the order of the labels.
    pub const ALL: [State; 6] =
        [State::Ok, State::Empty, State::Drained, State::Future, State::Unknown, State::Error];

    /// The state as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Empty => "empty",
            State::Drained => "drained",
            State::Future => "future",
            State::Unknown => "unknown",
            State::Error => "error",
        }
    }
}

/// A timestamp in the future is asked for again this often: compaction may have removed its record, of which nothing
/// else tells. Where the log start moves it is asked for at once.
const FUTURE_FOR: Duration = Duration::from_secs(600);

/// The newest timestamp of a partition, from both sources. Milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Newest {
    /// What the broker said.
    told_ms: Option<i64>,
    /// The end of the log when it did.
    told_at: Option<i64>,
    /// The log start when it was last asked, and when that was.
    asked: Option<(Option<i64>, Duration)>,
    /// What the last records said, of those that were not dated in the future.
    seen_ms: Option<i64>,
    /// What those said that were, and the last offset of their batch.
    ahead: Option<(i64, i64)>,
    /// The end of the log when they did.
    seen_at: Option<i64>,
}

impl Newest {
    /// The broker named a record, of which it may not know the time. Returns whether that is one from the future
    /// which was not known.
    pub(crate) fn told(&mut self, end: Option<i64>, newest_ms: Option<i64>, latest_ms: i64) -> bool {
        let before = std::mem::replace(&mut self.told_ms, newest_ms);
        self.told_at = end;
        newest_ms != before && newest_ms.is_some_and(|newest| newest > latest_ms)
    }

    /// Records from the future were seen, where the broker names none. Returns whether they are news.
    pub(crate) fn ahead(&mut self, ahead: Option<(i64, i64)>) -> bool {
        let Some((ahead_ms, last)) = ahead else { return false };
        let is_news = self.ahead.is_none_or(|(before, _)| ahead_ms > before);
        if is_news {
            self.ahead = Some((ahead_ms, last));
        }
        is_news && self.told_ms.is_none()
    }

    /// The log begins here now: what was there before has gone.
    pub(crate) fn begins(&mut self, start: i64) {
        self.ahead = self.ahead.filter(|(_, last)| start <= *last);
    }

    /// The last records were looked at.
    pub(crate) fn seen(&mut self, end: Option<i64>, newest_ms: Option<i64>) {
        (self.seen_at, self.seen_ms) = (end, newest_ms);
    }

    /// There are no records any more: what was known of the last one stays.
    pub(crate) fn none(&mut self, end: i64) {
        (self.told_at, self.seen_at, self.ahead) = (Some(end), Some(end), None);
    }

    /// Whether the broker is to be asked about the log as it is: if the log end has moved, or if the record from the
    /// future that it named may be gone. `now` counts from any moment.
    pub(crate) fn is_wanted(&mut self, ends: Ends, now: Duration, latest_ms: i64) -> bool {
        let may_be_gone = self.told_ms.is_some_and(|newest| newest > latest_ms)
            && self
                .asked
                .is_none_or(|(start, asked)| start != ends.start || now.saturating_sub(asked) >= FUTURE_FOR);
        let is_wanted = self.told_at != ends.end || may_be_gone;
        if is_wanted {
            self.asked = Some((ends.start, now));
        }
        is_wanted
    }

    fn is_told(&self, end: Option<i64>, latest_ms: i64) -> bool {
        self.told_at == end && self.told_ms.is_some_and(|newest| newest <= latest_ms)
    }

    /// Whether the last records are to be looked at.
    pub(crate) fn is_open(&self, end: i64, latest_ms: i64) -> bool {
        !self.is_told(Some(end), latest_ms) && self.seen_at != Some(end)
    }

    fn is_future(&self, latest_ms: i64) -> bool {
        let ahead_ms = self.ahead.map(|(ahead_ms, _)| ahead_ms);
        self.told_ms.or(ahead_ms).is_some_and(|newest| newest > latest_ms)
    }

    /// The newest timestamp that is not a wrong clock's.
    pub(crate) fn credible_ms(&self, end: Option<i64>, latest_ms: i64) -> Option<i64> {
        let seen = [self.seen_ms, self.ahead.map(|(ahead_ms, _)| ahead_ms)].into_iter().flatten();
        let seen = seen.filter(|_| !self.is_told(end, latest_ms));
        self.told_ms.into_iter().chain(seen).filter(|ms| *ms <= latest_ms).max()
    }
}

/// What the record batches from an offset on say of their dates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchDates {
    /// Whether the batches were read.
    pub(crate) known: bool,
    /// The newest credible timestamp, in milliseconds since 1970; absent if no batch has one.
    pub(crate) newest_ms: Option<i64>,
    /// The newest timestamp that lies in the future, in milliseconds since 1970, and the last offset of its batch; absent if
    /// no batch has one.
    pub(crate) ahead: Option<(i64, i64)>,
}

/// Both ends of a log, if there is a record between.
pub(crate) fn records(ends: Ends) -> Option<(i64, i64)> {
    ends.start.zip(ends.end).filter(|(start, end)| start < end)
}

impl Freshness {
    /// Of a topic's partitions, as far as they could be asked: their ends and newest timestamps. `failed` says that
    /// there are others; what is dated after `latest_ms` is dated by a wrong clock.
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

    fn told(end: i64, ms: i64) -> Newest {
        let mut newest = Newest::default();
        _ = newest.told(Some(end), Some(ms), NOW);
        newest
    }

    fn state(partitions: &[(Ends, Newest)]) -> (State, Option<i64>, Option<i64>) {
        let found = Freshness::of(partitions.iter().map(|(ends, newest)| (*ends, newest)), false, None, NOW);
        (found.state, found.newest_ms, found.oldest_ms)
    }

    #[test]
    fn a_topic_is_as_old_as_its_partitions_say() {
        let (empty, none) = (log(0, 0), Newest::default());
        assert_eq!(state(&[(empty, none), (empty, none)]), (State::Empty, None, None));
        assert_eq!(state(&[(empty, none), (log(7, 7), none)]), (State::Drained, None, None));
        assert_eq!(state(&[(empty, none), (log(0, 7), none)]), (State::Unknown, None, None));
        let both = [(log(0, 5), told(5, 900)), (log(0, 9), told(9, 400)), (empty, none)];
        assert_eq!(state(&both), (State::Ok, Some(900), Some(400)));
        let ahead = [(log(0, 5), told(5, NOW + 1)), (log(0, 9), told(9, 400))];
        assert_eq!(state(&ahead), (State::Future, Some(400), Some(400)), "a wrong clock's is not used");
        let mut gone = told(7, 800);
        gone.none(7);
        assert_eq!(
            state(&[(log(7, 7), gone)]),
            (State::Drained, Some(800), None),
            "it was seen, and is kept"
        );
        let failed = Freshness::of(both.iter().map(|(ends, newest)| (*ends, newest)), true, None, NOW);
        assert_eq!((failed.state, failed.newest_ms), (State::Error, Some(900)));
    }

    #[test]
    fn what_the_last_records_say_counts_where_the_broker_says_nothing_credible_of_the_log_as_it_is() {
        let mut newest = told(5, NOW + 9);
        assert!(newest.is_open(5, NOW));
        newest.seen(Some(5), Some(700));
        assert!(!newest.is_open(5, NOW) && newest.is_open(6, NOW));
        assert_eq!(newest.credible_ms(Some(5), NOW), Some(700));
        assert!(newest.is_future(NOW), "and is flagged all the same");
        assert!(!newest.told(Some(6), Some(600), NOW), "that is no record from the future");
        assert_eq!(newest.credible_ms(Some(6), NOW), Some(600), "what was seen once may be gone");
        assert_eq!(newest.credible_ms(Some(7), NOW), Some(700), "the broker has not spoken of this log yet");
        newest.none(8);
        assert!(!newest.is_open(8, NOW), "there is nothing to look at");
    }

    #[test]
    fn record_from_the_future_is_asked_for_again_where_it_may_be_gone() {
        let at = Duration::from_secs;
        let mut newest = told(5, NOW + 9);
        assert!(newest.is_wanted(log(0, 5), at(0), NOW), "it was not known where the log began then");
        assert!(!newest.is_wanted(log(0, 5), at(30), NOW), "nothing has happened to the log");
        assert!(newest.is_wanted(log(3, 5), at(60), NOW), "retention may have removed it");
        assert!(!newest.is_wanted(log(3, 5), at(659), NOW));
        assert!(newest.is_wanted(log(3, 5), at(660), NOW), "compaction may have removed it");
        assert!(!newest.is_wanted(log(3, 5), at(690), NOW));
        assert!(!newest.is_wanted(log(4, 5), at(720), NOW + 9), "its time has come");
        assert!(newest.is_wanted(log(4, 6), at(750), NOW + 9), "the log end has moved");
        // As the broker says that there is no record from the future any more, it is not asked again.
        assert!(!newest.told(Some(6), Some(700), NOW) && !newest.is_future(NOW));
        assert!(!newest.is_wanted(log(5, 6), at(9_999), NOW));
        // Where only the batches tell: gone as soon as the log begins behind its batch.
        let mut newest = Newest::default();
        newest.ahead(Some((NOW + 9, 2)));
        newest.begins(2);
        assert!(newest.is_future(NOW));
        newest.begins(3);
        assert!(!newest.is_future(NOW), "other records are left");
    }

    #[test]
    fn a_record_from_the_future_is_counted_once_and_counts_when_its_time_has_come() {
        let mut newest = Newest::default();
        assert!(newest.told(Some(5), Some(NOW + 9), NOW));
        assert!(!newest.told(Some(6), Some(NOW + 9), NOW), "it is the same");
        assert!(!newest.ahead(Some((NOW + 9, 5))), "the broker has named it");
        // A broker that names none; one that is older was known or does not matter.
        let mut newest = Newest::default();
        let mut ahead = |ms: Option<i64>| newest.ahead(ms.map(|ms| (ms, 4)));
        assert!(ahead(Some(NOW + 9)) && !ahead(Some(NOW + 9)) && !ahead(Some(NOW + 3)) && !ahead(None));
        newest.begins(4);
        newest.seen(Some(5), Some(700));
        assert!(newest.is_future(NOW) && !newest.is_future(NOW + 9));
        assert_eq!(newest.credible_ms(Some(5), NOW), Some(700));
        assert_eq!(newest.credible_ms(Some(5), NOW + 9), Some(NOW + 9));
        let mut gone = newest;
        gone.begins(5);
        assert!(!gone.is_future(NOW), "it was deleted");
        newest.none(5);
        assert!(!newest.is_future(NOW), "everything was");
    }
}
