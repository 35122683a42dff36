//! `[freshness]`: topics whose newest records are watched.

use std::time::Duration;

use super::{filter::Filter, reader::Reader};

/// `[freshness]`
#[derive(Debug, Clone, PartialEq)]
pub struct Freshness {
    /// Whether the ages of the newest records are watched.
    pub enabled: bool,
    /// The time from one cycle to the next.
    pub interval: Duration,
    /// The topics that are watched: `topics.include`, `topics.exclude` and `topics.prefix`.
    pub topics: Filter,
}

impl Freshness {
    pub(super) fn read(mut freshness: Reader<'_>) -> Self {
        Self {
            enabled: freshness.switch("enabled"),
            interval: freshness.duration("interval"),
            topics: Filter::read(&mut freshness, "topics").with_prefix(freshness.text("topics.prefix")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::cluster;

    #[test]
    fn topic_is_watched_if_it_has_one_of_the_prefixes_and_is_not_excluded() {
        let set = [("freshness", "topics.prefix", "pub-; sub- ;"), ("freshness", "topics.exclude", "pub-x")];
        let topics = cluster(&set).freshness.topics;
        let watched = ["pub-a", "sub-", "pub-x", "other"].map(|topic| topics.covers(topic));
        assert_eq!(watched, [true, true, false, false]);
    }
}
