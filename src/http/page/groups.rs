//! The table of consumer groups.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use super::{
    rows::Rows,
    words::{UNKNOWN, count, two_units},
};
use crate::{
    board::Readings,
    collect::time_lag::{Method, TimeLag},
    config::SumOver,
    evaluate::{
        groups::Group,
        judge::{self, Progress, Status},
        lag::Sums,
    },
    kafka::admin::GroupState,
};

/// The progress of a group that was not seen often enough.
const NOT_JUDGED: &str = "not judged yet";

/// A consumer group in words.
pub(super) struct GroupRow {
    pub(super) name: String,
    /// The state that Kafka reports.
    pub(super) state: &'static str,
    /// How the group gets on with its topics, and on how many topics it is not online.
    pub(super) progress: String,
    /// Whether the group is offline on a topic.
    pub(super) offline: bool,
    pub(super) lag: String,
    pub(super) time_lag: String,
    /// How the time lag was found, and how far it may be off; empty without a time lag.
    pub(super) method: String,
    /// The partition with the largest time lag; empty without one.
    pub(super) worst: String,
    /// What is wrong with the group; empty if nothing is.
    pub(super) remark: String,
    pub(super) bad: bool,
}

/// A consumer group and what is summed over its partitions.
struct Summed<'a> {
    name: &'a Arc<str>,
    group: &'a Group,
    sums: Sums,
    /// The number of records that were deleted before the group consumed them.
    lost: i64,
    /// The number of committed offsets beyond the log end.
    resets: usize,
}

impl<'a> Summed<'a> {
    fn new(name: &'a Arc<str>, group: &'a Group, over: SumOver) -> Self {
        let lags = || group.topics.values().flat_map(|lags| lags.values());
        Self {
            name,
            group,
            sums: group.sums(over),
            lost: lags().filter_map(|lag| lag.lost).sum(),
            resets: lags().filter(|lag| lag.reset).count(),
        }
    }

    fn is_bad(&self) -> bool {
        self.lost > 0 || self.resets > 0 || self.group.fault.is_some() || self.group.rebalances.is_endless()
    }

    /// What is wrong with the group; empty if nothing is.
    fn remark(&self) -> String {
        let unknown = self.group.unknown();
        let mut remarks = Vec::new();
        if self.lost > 0 {
            remarks.push(format!("{} deleted unread", count(self.lost, "record")));
        }
        if self.resets > 0 {
            remarks.push(format!("{} beyond the log end", count(self.resets as u64, "committed offset")));
        }
        if let Some(lasting) = self.group.rebalances.lasting.filter(|lasting| !lasting.is_zero()) {
            remarks.push(format!("it has been rebalancing for {}", two_units(lasting)));
        }
        match self.group.fault {
            Some(fault) if self.group.topics.is_empty() => {
                remarks.push(format!("the committed offsets cannot be read: {fault}"));
            }
            Some(_) => {
                let remark =
                    "the group has no coordinator: the lag is that of its last known committed offsets";
                remarks.push(remark.to_owned());
            }
            None => {}
        }
        if unknown > 0 {
            remarks.push(format!("the lag of {} is not known", count(unknown as u64, "partition")));
        }
        remarks.join(", ")
    }
}

/// Groups whose names hold `search`: those that lost records, were reset or cannot be read first, then those with the
/// largest time lag.
pub(super) fn groups(readings: &Readings, search: &str, skip: usize, limit: usize) -> Rows<GroupRow> {
    let Some(snapshot) = readings.collect.fresh() else {
        return Rows::not_known(readings.settings.lag.enabled, readings.collect.waits);
    };
    let over = readings.settings.lag.partial_sums;
    let named = snapshot.groups.iter().filter(|(name, _)| name.contains(search));
    let mut found: Vec<_> = named.map(|(name, group)| Summed::new(name, group, over)).collect();
    found.sort_by_key(|Summed { name, group, sums, lost, resets }| {
        let trouble = *lost > 0
            || *resets > 0
            || group.fault.is_some()
            || group.unknown() > 0
            || group.rebalances.is_endless();
        (
            Reverse(trouble),
            Reverse(sums.oldest.map(|oldest| oldest.age)),
            Reverse(sums.records),
            (*name).clone(),
        )
    });
    let count = found.len();
    let rows = found.iter().skip(skip).take(limit);
    Rows {
        rows: rows.map(|summed| row(summed, snapshot.judged.groups.get(summed.name))).collect(),
        count,
        empty: readings.settings.lag.enabled.then_some("There is no such consumer group."),
    }
}

fn row(summed: &Summed<'_>, judged: Option<&judge::GroupJudgement>) -> GroupRow {
    let Summed { name, group, sums, .. } = summed;
    let (progress, offline) = judged.map_or_else(|| (NOT_JUDGED.to_owned(), false), progress);
    GroupRow {
        name: name.to_string(),
        state: match group.state {
            GroupState::Unknown => UNKNOWN,
            state => state.as_str(),
        },
        progress,
        offline,
        lag: sums.records.map_or_else(|| UNKNOWN.to_owned(), |records| count(records, "record")),
        time_lag: sums.oldest.map_or_else(|| UNKNOWN.to_owned(), time_lag),
        method: sums.oldest.map_or_else(String::new, method),
        worst: group.worst().map_or_else(String::new, |(topic, number)| format!("{topic}-{number}")),
        remark: summed.remark(),
        bad: summed.is_bad(),
    }
}

/// How a group gets on with its topics, and whether it is offline on one of them.
fn progress(judged: &judge::GroupJudgement) -> (String, bool) {
    let topics = |status| judged.topics.values().filter(|topic| topic.status == status).count();
    let (offline, recovering) = (topics(Status::Offline), topics(Status::Recovering));
    let all = judged.topics.len();
    let part = |count: usize, words: &str| match count {
        0 => None,
        count if count == all => Some(words.to_owned()),
        count => Some(format!("{words} on {count} of {all} topics")),
    };
    let verdict = judged.verdict.filter(|verdict| *verdict != Progress::Ok).map(verdict_words);
    let parts = [part(offline, "offline"), part(recovering, "recovering"), verdict.map(str::to_owned)];
    let words: Vec<_> = parts.into_iter().flatten().collect();
    match (words.is_empty(), judged.verdict) {
        (true, None) => (NOT_JUDGED.to_owned(), false),
        (true, Some(_)) => ("ok".to_owned(), false),
        _ => (words.join(", "), offline > 0),
    }
}

/// The verdict on a group in a word or two.
fn verdict_words(verdict: Progress) -> &'static str {
    match verdict {
        Progress::Ok => "ok",
        Progress::Warn => "lag grows",
        Progress::Stall => "stalled",
        Progress::Stop => "stopped",
        Progress::Rewind => "rewound",
        Progress::Reset => "reset",
        Progress::Lost => "lost records",
    }
}

/// How old the oldest record is that the group has not consumed.
fn time_lag(lag: TimeLag) -> String {
    let words = two_units(lag.age);
    match lag.method {
        Method::Current => "none".to_owned(),
        Method::Clamped => format!("more than {words}"),
        _ => words,
    }
}

/// How a time lag was found, and how far it may be off if that is a second or more.
fn method(lag: TimeLag) -> String {
    let method = match lag.method {
        Method::Current => return String::new(),
        Method::History => "samples of the log end",
        Method::Search => "search by timestamp",
        Method::Record => "timestamp of the record",
        Method::Clamped => "older than all samples",
    };
    match lag.error {
        Some(error) if error >= Duration::from_secs(1) => format!("{method}, ± {}", two_units(error)),
        Some(_) | None => method.to_owned(),
    }
}
