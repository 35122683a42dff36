//! `[lag]`: which consumer groups are watched, and how their lag is counted.

use std::{path::PathBuf, time::Duration};

use super::{filter::Filter, reader::Reader};

/// `[lag]`
#[derive(Debug, Clone, PartialEq)]
pub struct Lag {
    /// Whether consumer groups are watched.
    pub enabled: bool,
    /// The time from one cycle to the next.
    pub interval: Duration,
    /// The listed groups that are watched: `groups.include` and `groups.exclude`.
    pub groups_filter: Filter,
    /// The begin of the names of the groups of the checks of coordinators, which are never watched. A number follows it. No key
    /// sets it.
    pub own_groups: String,
    /// The groups that are watched although the principal may not list them.
    pub groups: Vec<String>,
    /// The topics that are watched: `topics.include` and `topics.exclude`.
    pub topics: Filter,
    /// The file of groups and topics that are not watched; `None` without such a file.
    pub exclude_file: Option<PathBuf>,
    /// How fine the series are.
    pub granularity: Granularity,
    /// Up to which offset lag is counted.
    pub isolation: Isolation,
    /// If a time lag may be further from the truth than this, brokers are asked.
    pub max_error: Duration,
    /// Whether the members of groups are asked for. Some switches of `[compat]` need members, too.
    pub members: bool,
    /// Which partitions the sums of lag cover.
    pub partial_sums: SumOver,
    /// The largest number of series of partitions, and of groups by topic.
    pub max_series: usize,
}

/// `[lag] granularity`: how fine the series of lag are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// Series for each partition and for each topic.
    Partition,
    /// Series for each topic alone.
    Topic,
}

/// `[lag] partial_sums`: which partitions a sum of lag covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SumOver {
    /// All partitions: a sum is absent while the lag of one of them is not known.
    AllPartitions,
    /// The partitions whose lag is known: a sum is absent only while the lag of no partition is known.
    KnownPartitions,
}

/// `[lag] isolation`: the records that a consumer may read, in the words of Kafka's property `isolation.level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// A consumer reads up to the high watermark.
    #[default]
    ReadUncommitted,
    /// A consumer reads up to the last stable offset.
    ReadCommitted,
}

impl Lag {
    pub(super) fn read(mut lag: Reader<'_>) -> Self {
        Self {
            enabled: lag.switch("enabled"),
            interval: lag.duration("interval"),
            groups_filter: Filter::read(&mut lag, "groups"),
            own_groups: String::new(),
            groups: lag.text("groups").split_whitespace().map(str::to_owned).collect(),
            topics: Filter::read(&mut lag, "topics"),
            exclude_file: lag.path("exclude.file"),
            granularity: lag.choice(
                "granularity",
                ("partition", Granularity::Partition),
                ("topic", Granularity::Topic),
            ),
            isolation: lag.choice(
                "isolation",
                ("read_committed", Isolation::ReadCommitted),
                ("read_uncommitted", Isolation::ReadUncommitted),
            ),
            max_error: lag.duration("max.error"),
            members: lag.switch("members"),
            partial_sums: if lag.switch("partial_sums") {
                SumOver::KnownPartitions
            } else {
                SumOver::AllPartitions
            },
            max_series: lag.parsed("max.series", "a number"),
        }
    }

    /// Whether a group is watched, provided that Kafka lists it or that `groups` names it.
    pub fn watches(&self, group: &str) -> bool {
        let named = self.groups.iter().any(|name| name == group);
        let wanted = self.groups_filter.covers(group) || (named && !self.groups_filter.excludes(group));
        wanted && !self.is_own(group)
    }

    /// Whether the checks of coordinators commit offsets for a group of this name.
    pub fn is_own(&self, group: &str) -> bool {
        let number = group.strip_prefix(&*self.own_groups).filter(|_| !self.own_groups.is_empty());
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::test_support::{cluster, errors},
        *,
    };

    #[test]
    fn filter_include_all_covers_every_name_that_kafka_allows() {
        let lag = cluster(&[("lag", "groups.include", ".*"), ("lag", "groups.exclude", "team.x")]).lag;
        for name in ["", "plain", "new\nline", "\n", "\r\n", "ends with one\n", "\u{85}\u{2028}", "💥"] {
            assert!(lag.watches(name), "{name:?}");
        }
        assert!(!lag.watches("team\nx") && !lag.watches("team-x") && lag.watches("team\nx\n"));
    }

    #[test]
    fn group_that_is_named_is_watched_unless_the_file_excludes_it() {
        let set = [("lag", "groups", "a  b"), ("lag", "groups.include", "x"), ("lag", "groups.exclude", "a")];
        let mut lag = cluster(&set).lag;
        assert_eq!(["a", "b", "c", "x"].map(|group| lag.watches(group)), [true, true, false, true]);
        lag.groups_filter.exclude(["a".to_owned(), "x".to_owned()].into());
        assert_eq!(["a", "b", "c", "x"].map(|group| lag.watches(group)), [false, true, false, false]);
    }

    #[test]
    fn granularity_and_isolation_are_words() {
        let default = cluster(&[]).lag;
        assert_eq!(
            (default.granularity, default.isolation),
            (Granularity::Partition, Isolation::ReadUncommitted)
        );
        let lag = cluster(&[("lag", "granularity", "topic"), ("lag", "isolation", "read_committed")]).lag;
        assert_eq!((lag.granularity, lag.isolation), (Granularity::Topic, Isolation::ReadCommitted));
        let wrong = errors(&[("lag", "isolation", "committed")]);
        assert!(
            wrong.contains("expected read_committed or read_uncommitted, found \"committed\""),
            "{wrong}"
        );
    }

    #[test]
    fn expression_that_cannot_be_compiled_is_an_error() {
        let wrong = errors(&[("lag", "topics.include", "(")]);
        assert!(
            wrong.contains("[lag] topics.include: expected a regular expression, found \"(\""),
            "{wrong}"
        );
    }
}
