//! One minute, one quarter of an hour or one day.

use std::{collections::BTreeMap, time::Duration};

use super::{
    audit::Audit,
    counts::Counts,
    minutes::{BadMinute, Minutes},
};
use crate::{closed_enum::closed_enum, store::IntervalRow};

closed_enum! {
    /// The length of an interval. Intervals begin at multiples of their length since 1970, so a day is a day of UTC.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Resolution {
        /// 60 seconds.
        Minute = "minute",
        /// 900 seconds.
        Quarter = "quarter",
        /// 86,400 seconds.
        Day = "day",
    }
}

impl Resolution {
    /// The length of an interval in seconds.
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Quarter => 900,
            Self::Day => 86_400,
        }
    }

    /// The beginning of the interval that holds this time. Both are in seconds since 1970.
    pub const fn begin(self, at: i64) -> i64 {
        at - at.rem_euclid(self.seconds())
    }

    /// The number of intervals that are kept in memory, the newest ones: a day, eight days and three years.
    pub const fn in_memory(self) -> usize {
        match self {
            Self::Minute => 1440,
            Self::Quarter => 8 * 96,
            Self::Day => 3 * 366,
        }
    }

    /// The number of intervals that are kept in the history file, the newest ones: eight days, 100 days and three years.
    pub const fn in_file(self) -> usize {
        match self {
            Self::Minute => 8 * 1440,
            Self::Quarter => 100 * 96,
            Self::Day => 3 * 366,
        }
    }
}

/// What was measured in some time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interval {
    /// For how long heartbeats were measured in it. The rest was not measured.
    pub measured: Duration,
    /// By partition of the heartbeat topic. A partition without a judgement and without an outcome is absent.
    pub partitions: BTreeMap<i32, Counts>,
    /// The minutes of a day. Empty for an interval that is shorter than a day.
    pub minutes: Minutes,
    /// What the durability audit found.
    pub audit: Audit,
}

impl Interval {
    /// Adds what was measured in another part of the same time.
    pub fn add(&mut self, other: &Interval) {
        self.measured += other.measured;
        for (partition, counts) in &other.partitions {
            self.partitions.entry(*partition).or_default().add(counts);
        }
        self.minutes.add(&other.minutes);
        self.audit.add(&other.audit);
    }

    /// The minutes of a day that has nothing but this minute, which begins then, in seconds since 1970.
    pub fn as_minute(&self, begin: i64) -> Minutes {
        let number = (begin - Resolution::Day.begin(begin)) / Resolution::Minute.seconds();
        let total = self.total();
        let counts = BadMinute { judged: total.judged(), bad: total.bad };
        u16::try_from(number).map(|number| Minutes::one(number, counts)).unwrap_or_default()
    }

    /// The interval of a row of the history file. `None` if it cannot be decoded.
    pub fn from_row(row: &IntervalRow) -> Option<Self> {
        Self::from_bytes(&row.bytes)
    }

    /// The interval as the history file keeps it.
    pub fn row(&self, resolution: Resolution, begin: i64) -> IntervalRow {
        IntervalRow { resolution: resolution.as_str().to_owned(), begin, bytes: self.to_bytes().into() }
    }

    /// The counts of all partitions together.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.partitions.values().for_each(|counts| total.add(counts));
        total
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.measured.is_zero() && self.partitions.is_empty() && self.audit.is_empty()
    }
}
