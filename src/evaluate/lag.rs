//! The arithmetic of consumer lag: a commit against both ends of its log. Pure.
//!
//! Commits are read before log ends, so that a commit is never ahead of its end by a race. What is not
//! known is absent: no error becomes a 0.

use crate::{
    cluster::Ends,
    collect::time_lag::{Method, TimeLag},
};

/// Where a group stands on a partition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lag {
    /// The committed offset: of the next record that the group will read.
    pub committed: i64,
    /// Records between the committed offset and the log end offset. Absent if the log end offset is not known, or if the
    /// committed offset is beyond the log end.
    pub records: Option<i64>,
    /// Records that were deleted before the group read them; 0 if none were.
    pub lost: Option<i64>,
    /// Records between the log's start and the commit: what retention may still take before something is
    /// lost. Negative if something was.
    pub retention_margin: Option<i64>,
    /// Percent of the log that is not read yet; above 100 if records were lost. Absent for an empty log.
    pub retention_ratio: Option<f64>,
    /// Whether the committed offset is beyond the log end.
    pub beyond_end: bool,
    /// Whether the committed offset is beyond the log end in this cycle and was so in the cycle before: the log was
    /// truncated or recreated.
    pub reset: bool,
    /// The age of the next record to be read.
    pub time: Option<TimeLag>,
}

impl Lag {
    /// Records that there are to read. What only markers are left of, or nothing at all, is nothing to read, though
    /// offsets are left. Absent where that is not known.
    pub fn unread(&self) -> Option<i64> {
        let records = self.records?;
        let is_read = self.time.is_some_and(|time| time.method == Method::Current);
        let is_gone = self.lost.is_some_and(|lost| records <= lost);
        Some(if is_read || is_gone { 0 } else { records })
    }
}

/// The position of a committed offset between the log start offset and the log end offset. `was_beyond_end` says that the
/// committed offset was beyond the log end in the cycle before. Once may be a leader that has not caught up yet; twice is a
/// reset.
pub fn lag(committed: i64, ends: Ends, was_beyond_end: bool) -> Lag {
    let beyond_end = is_beyond_end(committed, ends);
    let records = ends.end.filter(|_| !beyond_end).map(|end| end - committed);
    let known = ends.start.filter(|_| !beyond_end);
    let ratio = match (known, ends.end, records) {
        (Some(start), Some(end), Some(records)) if end > start => {
            Some(100.0 * records as f64 / (end - start) as f64)
        }
        _ => None,
    };
    Lag {
        committed,
        records,
        lost: known.map(|start| (start - committed).max(0)),
        retention_margin: known.map(|start| committed - start),
        retention_ratio: ratio,
        beyond_end,
        reset: beyond_end && was_beyond_end,
        time: None,
    }
}

/// Records that were deleted unread between two looks, of which each saw a commit and the start of its log: by so
/// much the start has passed the commit. A commit that was set back to before the start loses nothing.
pub fn lost_since((committed, start): (i64, i64), (committed_now, start_now): (i64, i64)) -> u64 {
    let lost = |committed: i64, start: i64| (start - committed).max(0);
    let more = lost(committed_now, start_now) - lost(committed, start);
    u64::try_from(more.min(start_now - start)).unwrap_or(0)
}

/// Whether a committed offset is beyond the log end, where no record can be. False if the log end offset is not known.
pub fn is_beyond_end(committed: i64, ends: Ends) -> bool {
    ends.end.is_some_and(|end| committed > end)
}

/// Sums over partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// Of all partitions.
    pub records: Option<i64>,
    /// Largest lag of a partition, in records.
    pub most: Option<i64>,
    /// Of the one whose next record is oldest.
    pub oldest: Option<TimeLag>,
    /// Partitions that have no lag, or of which a part is not known.
    pub(crate) lacking: usize,
    /// Of these, those that ought to have one.
    unknown: usize,
    /// Partitions with something to read of which it is not known how old it is.
    undated: usize,
}

impl Sums {
    /// Over these partitions, and so many of which nothing is known; absent if there are none.
    pub(crate) fn of<'a>(lags: impl Iterator<Item = &'a Lag>, unread: usize) -> Self {
        let mut sums = Self { lacking: unread, unknown: unread, ..Self::default() };
        for lag in lags {
            sums.lacking += usize::from(lag.records.is_none() || lag.lost.is_none());
            // A committed offset beyond the log end is known, and has no lag.
            let known = lag.beyond_end || (lag.records.is_some() && lag.lost.is_some());
            sums.unknown += usize::from(!known);
            sums.undated += usize::from(lag.time.is_none() && !lag.beyond_end);
            if let Some(records) = lag.records {
                sums.records = Some(sums.records.unwrap_or(0) + records);
                sums.most = sums.most.max(Some(records));
            }
            if let Some(time) = lag.time
                && sums.oldest.is_none_or(|oldest| time.age > oldest.age)
            {
                sums.oldest = Some(time);
            }
        }
        sums
    }

    /// What is told of it: parts, only if they are good enough.
    pub(crate) fn told(self, parts: bool) -> Self {
        let whole = parts || self.unknown == 0;
        Self {
            records: self.records.filter(|_| whole),
            most: self.most.filter(|_| whole),
            oldest: self.oldest.filter(|_| parts || self.unknown + self.undated == 0),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(start: i64, end: i64) -> Ends {
        Ends { start: Some(start), end: Some(end) }
    }

    #[test]
    fn within_the_log_all_is_a_difference() {
        let lag = lag(40, ends(10, 110), false);
        assert_eq!((lag.records, lag.lost, lag.retention_margin), (Some(70), Some(0), Some(30)));
        assert_eq!((lag.retention_ratio, lag.reset), (Some(70.0), false));
        let done = super::lag(110, ends(10, 110), false);
        assert_eq!((done.records, done.retention_ratio), (Some(0), Some(0.0)));
        let empty = super::lag(110, ends(110, 110), false);
        assert_eq!(
            (empty.records, empty.retention_ratio),
            (Some(0), None),
            "nothing of nothing is no percentage"
        );
    }

    #[test]
    fn before_the_start_records_are_lost_and_the_lag_still_counts_them() {
        let lag = lag(5, ends(20, 120), false);
        assert_eq!((lag.records, lag.lost, lag.retention_margin), (Some(115), Some(15), Some(-15)));
        assert_eq!(lag.retention_ratio, Some(115.0), "above 100: more than there is");
    }

    #[test]
    fn only_a_start_that_passes_the_commit_loses_records() {
        let table = [
            ((10, 5), (10, 30), 20),
            ((10, 30), (10, 50), 20),
            ((10, 30), (10, 30), 0),
            ((10, 50), (50, 50), 0),
            ((100, 50), (10, 50), 0),
            ((100, 50), (10, 60), 10),
            ((10, 5), (40, 30), 0),
            ((10, 5), (20, 30), 10),
        ];
        for (before, now, lost) in table {
            assert_eq!(lost_since(before, now), lost, "{before:?} {now:?}");
        }
    }

    #[test]
    fn committed_offset_beyond_the_log_end_twice_is_a_reset_and_never_a_number() {
        let once = lag(121, ends(20, 120), false);
        assert_eq!((once.records, once.lost, once.retention_margin, once.reset), (None, None, None, false));
        assert!(lag(121, ends(20, 120), true).reset);
        assert!(!lag(120, ends(20, 120), true).reset, "a committed offset at the log end is not beyond it");
    }

    #[test]
    fn an_end_that_is_not_known_is_not_made_up() {
        let lag = lag(40, Ends { start: Some(10), end: None }, false);
        assert_eq!((lag.records, lag.retention_ratio, lag.reset), (None, None, false));
        assert_eq!((lag.lost, lag.retention_margin), (Some(0), Some(30)), "the start is known");
        let lag = super::lag(40, Ends { start: None, end: Some(50) }, false);
        assert_eq!(
            (lag.records, lag.lost, lag.retention_margin, lag.retention_ratio),
            (Some(10), None, None, None)
        );
    }
}
