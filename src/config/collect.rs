//! `[lag]` and `[freshness]`: which topics and groups are watched.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use regex::Regex;

use super::load::Reader;

/// `[lag]`
#[derive(Debug, Clone)]
pub struct Lag {
    /// Whether consumer groups are watched.
    pub enabled: bool,
    /// From one look to the next.
    pub interval: Duration,
    /// Groups to watch, of those that are listed.
    pub groups: Filter,
    /// Groups to watch whether they are listed or not.
    pub names: Vec<String>,
    /// Topics to watch.
    pub topics: Filter,
    /// Names groups and topics that are left out while the service runs.
    pub exclude_file: Option<PathBuf>,
    /// Series for each partition, or for each topic alone.
    pub partitions: bool,
    /// Count up to the last stable offset instead of the high watermark.
    pub committed_only: bool,
    /// A time lag that may be further from the truth is looked for with the brokers.
    pub max_error: Duration,
    /// Groups are described: who is in them, and reads what.
    pub members: bool,
    /// Sums of groups of which a part is not known.
    pub partial_sums: bool,
    /// At most so many series of partitions.
    pub max_series: usize,
}

impl Lag {
    /// Whether a group is watched, if it is listed.
    pub fn watches(&self, group: &str) -> bool {
        let named = self.names.iter().any(|name| name == group);
        self.groups.covers(group) || (named && !self.groups.left_out.contains(group))
    }
}

/// `[freshness]`
#[derive(Debug, Clone)]
pub struct Freshness {
    /// Whether topics' ages are watched.
    pub enabled: bool,
    /// From one look to the next.
    pub interval: Duration,
    /// Topics to watch.
    pub topics: Filter,
}

/// `[log_dirs]`
#[derive(Debug, Clone, Copy)]
pub struct LogDirs {
    /// Whether brokers are asked for the sizes of their logs.
    pub enabled: bool,
    /// From one look to the next.
    pub interval: Duration,
    /// For one look.
    pub timeout: Duration,
}

/// `[transactions]`
#[derive(Debug, Clone, Copy)]
pub struct Transactions {
    /// Whether it is watched where transactions hold back readers.
    pub enabled: bool,
    /// From one look to the next.
    pub interval: Duration,
    /// For one look.
    pub timeout: Duration,
    /// Who holds back readers for less is not asked for.
    pub least: Duration,
}

/// A choice of names.
#[derive(Debug, Clone)]
pub struct Filter {
    include: Option<Expression>,
    exclude: Option<Expression>,
    prefixes: Vec<String>,
    left_out: BTreeSet<String>,
}

/// An expression as it was written, and as it is matched.
#[derive(Debug, Clone)]
struct Expression {
    written: String,
    whole: Regex,
}

impl Filter {
    /// Whether a name is chosen: by its beginning or the one expression, and not left out by the other.
    pub fn covers(&self, name: &str) -> bool {
        let begins = self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| name.starts_with(prefix));
        begins
            && self.include.as_ref().is_none_or(|include| include.whole.is_match(name))
            && !self.exclude.as_ref().is_some_and(|exclude| exclude.whole.is_match(name))
            && !self.left_out.contains(name)
    }

    /// Leaves these names out, and no longer those of before.
    pub fn leave_out(&mut self, names: BTreeSet<String>) {
        self.left_out = names;
    }

    pub(super) fn include(&self) -> String {
        self.include.as_ref().map_or_else(String::new, |include| include.written.clone())
    }

    pub(super) fn exclude(&self) -> String {
        self.exclude.as_ref().map_or_else(String::new, |exclude| exclude.written.clone())
    }

    pub(super) fn prefix(&self) -> String {
        self.prefixes.join(";")
    }
}

impl Reader {
    pub(super) fn lag(&mut self) -> Lag {
        let names = self.text("lag", "groups");
        Lag {
            enabled: self.parsed("lag", "enabled", "true or false"),
            interval: self.duration("lag", "interval"),
            groups: self.filter("lag", "groups"),
            names: names.split_whitespace().map(str::to_owned).collect(),
            topics: self.filter("lag", "topics"),
            exclude_file: Some(self.text("lag", "exclude.file"))
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            partitions: self.is_first("lag", "granularity", "partition", "topic"),
            committed_only: self.is_first("lag", "isolation", "read_committed", "read_uncommitted"),
            max_error: self.duration("lag", "max.error"),
            members: self.parsed("lag", "members", "true or false"),
            partial_sums: self.parsed("lag", "partial_sums", "true or false"),
            max_series: self.parsed("lag", "max.series", "a number"),
        }
    }

    pub(super) fn log_dirs(&mut self) -> LogDirs {
        LogDirs {
            enabled: self.parsed("log_dirs", "enabled", "true or false"),
            interval: self.duration("log_dirs", "interval"),
            timeout: self.timeout("log_dirs"),
        }
    }

    pub(super) fn transactions(&mut self) -> Transactions {
        Transactions {
            enabled: self.parsed("transactions", "enabled", "true or false"),
            interval: self.duration("transactions", "interval"),
            timeout: self.timeout("transactions"),
            least: self.duration("transactions", "min.age"),
        }
    }

    pub(super) fn freshness(&mut self) -> Freshness {
        let prefixes = self.text("freshness", "topics.prefix");
        let mut topics = self.filter("freshness", "topics");
        topics.prefixes = prefixes
            .split(';')
            .map(str::trim)
            .filter(|prefix| !prefix.is_empty())
            .map(str::to_owned)
            .collect();
        Freshness {
            enabled: self.parsed("freshness", "enabled", "true or false"),
            interval: self.duration("freshness", "interval"),
            topics,
        }
    }

    /// `WHAT.include` and `WHAT.exclude`; each must match the whole name, of whatever characters it is made.
    fn filter(&mut self, section: &str, what: &str) -> Filter {
        let mut expression = |key: &str| {
            let text = self.text(section, &format!("{what}.{key}"));
            if text.is_empty() {
                return None;
            }
            // Kafka allows a group to have any name: `.` stands for every character, a line break too.
            let whole = Regex::new(&format!("(?s)^(?:{text})$"));
            if whole.is_err() {
                self.expected(section, &format!("{what}.{key}"), "a regular expression");
            }
            Some(Expression { written: text, whole: whole.ok()? })
        };
        let (include, exclude) = (expression("include"), expression("exclude"));
        Filter { include, exclude, prefixes: Vec::new(), left_out: BTreeSet::new() }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Sources, load};

    #[test]
    fn filter_include_all_covers_every_name_that_kafka_allows() {
        let set = |key: &str, value: &str| ("lag", key.to_owned(), value.to_owned(), "test");
        let sources = Sources {
            bootstrap: Some("b:1".to_owned()),
            settings: vec![set("groups.include", ".*"), set("groups.exclude", "team.x")],
            ..Sources::default()
        };
        let lag = load(&sources).expect("valid").clusters.remove(0).lag;
        for name in ["", "plain", "new\nline", "\n", "\r\n", "ends with one\n", "\u{85}\u{2028}", "💥"] {
            assert!(lag.watches(name), "{name:?}");
        }
        assert!(!lag.watches("team\nx") && !lag.watches("team-x") && lag.watches("team\nx\n"));
    }
}
