//! The arithmetic of consumer lag: a committed offset, the log start offset and the log end offset. Pure.
//!
//! Committed offsets are read before log end offsets, so that no race puts a committed offset beyond the log end. A value
//! that is not known is absent: no error becomes a 0.

use crate::{
    cluster::Ends,
    collect::time_lag::{Method, TimeLag},
    config::SumOver,
};

/// The lag of a group on a partition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lag {
    /// The committed offset: the offset of the next record that the group will read.
    pub committed: i64,
    /// Records between the committed offset and the log end offset. Absent if the log end offset is not known, or if the
    /// committed offset is beyond the log end.
    pub records: Option<i64>,
    /// Records that were deleted before the group read them; 0 if none were. Absent if the log start offset is not known, or
    /// if the committed offset is beyond the log end.
    pub lost: Option<i64>,
    /// Records between the log start offset and the committed offset: retention may delete these before the group loses a
    /// record. Negative if records were lost. Absent in the same cases as `lost`.
    pub retention_margin: Option<i64>,
    /// The part of the log that is not read yet, in percent; above 100 if records were lost. Absent for an empty log, and if
    /// one of the offsets is not known.
    pub retention_ratio: Option<f64>,
    /// Whether the committed offset is beyond the log end.
    pub beyond_end: bool,
    /// Whether the committed offset is beyond the log end in this cycle and was so in the cycle before: the log was
    /// truncated or recreated.
    pub reset: bool,
    /// The time lag: the age of the next record that the group will read. Absent if it is not known.
    pub time: Option<TimeLag>,
}

impl Lag {
    /// Number of records that are waiting. It is 0 if only control batches or no records at all follow the committed offset,
    /// although the log end offset is larger. Absent if the lag is not known.
    pub fn unread(&self) -> Option<i64> {
        let records = self.records?;
        let is_read = self.time.is_some_and(|time| time.method == Method::Current);
        let is_deleted = self.lost.is_some_and(|lost| records <= lost);
        Some(if is_read || is_deleted { 0 } else { records })
    }
}

/// The position of a committed offset between the log start offset and the log end offset. `was_beyond_end` says that the
/// committed offset was beyond the log end in the cycle before. One cycle beyond the log end may be a stale leader; two
/// cycles in a row are a reset.
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

/// The offsets of a partition in one cycle by which the loss of records is counted. Both are known in that cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LossOffsets {
    /// The committed offset: the offset of the next record that the group will read.
    pub committed: i64,
    /// The log start offset: the offset of the first record that is not deleted.
    pub log_start: i64,
}

impl LossOffsets {
    /// Number of records that were deleted unread between the cycle `before` and this one: how far the log start offset has
    /// passed the committed offset. A committed offset that is reset to before the log start offset loses nothing.
    pub fn lost_since(self, before: Self) -> u64 {
        let lost = |offsets: Self| (offsets.log_start - offsets.committed).max(0);
        let more = lost(self) - lost(before);
        u64::try_from(more.min(self.log_start - before.log_start)).unwrap_or(0)
    }
}

/// Whether a committed offset is beyond the log end, where no record can be. False if the log end offset is not known.
pub fn is_beyond_end(committed: i64, ends: Ends) -> bool {
    ends.end.is_some_and(|end| committed > end)
}

/// The lag of a group, summed over partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// Sum of the lags of all partitions, in records. Absent if no lag is known.
    pub records: Option<i64>,
    /// Largest lag of a partition, in records. Absent if no lag is known.
    pub most: Option<i64>,
    /// Largest time lag of a partition. Absent if no time lag is known.
    pub oldest: Option<TimeLag>,
    /// Number of partitions that have no lag, or whose lag is known only in part.
    pub(crate) lacking: usize,
    /// Number of these partitions whose committed offset is not beyond the log end.
    unknown: usize,
    /// Number of partitions whose time lag is not known.
    undated: usize,
}

impl Sums {
    /// Sums over partitions. `unread` is the number of further partitions whose committed offset could not be read.
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

    /// The sums that may be published. A sum over all partitions is absent if one partition is not known.
    pub(crate) fn published(self, over: SumOver) -> Self {
        let known = over == SumOver::KnownPartitions;
        let whole = known || self.unknown == 0;
        Self {
            records: self.records.filter(|_| whole),
            most: self.most.filter(|_| whole),
            oldest: self.oldest.filter(|_| known || self.unknown + self.undated == 0),
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
    fn offset_within_the_log_has_its_differences_as_lag() {
        let lag = lag(40, ends(10, 110), false);
        assert_eq!((lag.records, lag.lost, lag.retention_margin), (Some(70), Some(0), Some(30)));
        assert_eq!((lag.retention_ratio, lag.reset), (Some(70.0), false));
        let done = super::lag(110, ends(10, 110), false);
        assert_eq!((done.records, done.retention_ratio), (Some(0), Some(0.0)));
        let empty = super::lag(110, ends(110, 110), false);
        assert_eq!((empty.records, empty.retention_ratio), (Some(0), None), "an empty log has no percentage");
    }

    #[test]
    fn offset_before_the_log_start_has_lost_records_that_still_count_as_lag() {
        let lag = lag(5, ends(20, 120), false);
        assert_eq!((lag.records, lag.lost, lag.retention_margin), (Some(115), Some(15), Some(-15)));
        assert_eq!(lag.retention_ratio, Some(115.0), "above 100: more than the log holds");
    }

    #[test]
    fn log_start_that_passes_the_committed_offset_loses_records() {
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
        let offsets = |(committed, log_start)| LossOffsets { committed, log_start };
        for (before, now, lost) in table {
            assert_eq!(offsets(now).lost_since(offsets(before)), lost, "{before:?} {now:?}");
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
    fn lag_with_an_unknown_log_end_is_absent() {
        let lag = lag(40, Ends { start: Some(10), end: None }, false);
        assert_eq!((lag.records, lag.retention_ratio, lag.reset), (None, None, false));
        assert_eq!((lag.lost, lag.retention_margin), (Some(0), Some(30)), "the log start offset is known");
        let lag = super::lag(40, Ends { start: None, end: Some(50) }, false);
        assert_eq!(
            (lag.records, lag.lost, lag.retention_margin, lag.retention_ratio),
            (Some(10), None, None, None)
        );
    }
}
