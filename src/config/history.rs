//! `[history]`: the history file, and when a consumer group is offline.
//!
//! The keys about groups keep the names that they have in an older lag monitor.

use std::{path::PathBuf, time::Duration};

use super::reader::Reader;

/// `[history]`
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The file in which measurements and judgements survive a restart; `None` keeps them in memory.
    pub path: Option<PathBuf>,
    /// The time from one sample of a group to the next. Cycles in between are not counted.
    pub sample_interval: Duration,
    /// A group is offline after this many samples in a row in which nothing was committed although there was lag.
    pub offline_detection_consecutive_samples: u32,
    /// A group is recovering for at least this time.
    pub recovering_minimum_duration: Duration,
    /// A group is online again only when its oldest unread record is younger than this.
    pub online_lag_threshold: Duration,
    /// A group that Kafka does not list any more is remembered for this time.
    pub absent_group_retention: Duration,
    /// The largest number of deleted groups that are remembered. The groups that were deleted last are kept.
    pub absent_group_limit: usize,
}

impl History {
    pub(super) fn read(mut history: Reader<'_>) -> Self {
        Self {
            path: history.path("path"),
            sample_interval: history.seconds("sample_interval_seconds", 1),
            offline_detection_consecutive_samples: history
                .at_least("offline_detection_consecutive_samples", 1),
            recovering_minimum_duration: history.seconds("recovering_minimum_duration_seconds", 0),
            online_lag_threshold: history.seconds("online_lag_threshold_seconds", 0),
            absent_group_retention: history.seconds("absent_group_retention_seconds", 1),
            absent_group_limit: history.at_least("absent_group_limit", 0) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{config, errors};

    #[test]
    fn path_that_is_empty_keeps_the_history_in_memory() {
        assert_eq!(config(&[]).history.path, None);
        let history = config(&[("history", "path", "/var/lib/history.db")]).history;
        assert_eq!(history.path, Some("/var/lib/history.db".into()));
    }

    #[test]
    fn number_of_samples_below_one_is_an_error() {
        let wrong = errors(&[("history", "offline_detection_consecutive_samples", "0")]);
        assert!(wrong.contains("expected a whole number of at least 1, found \"0\""), "{wrong}");
    }
}
