//! The table of consumer groups.

use std::{
    cmp::Reverse,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use super::{rows::Rows, words::ago};
use crate::{
    board::Readings,
    collect::time_lag::{Method, TimeLag},
    evaluate::{
        groups::Group,
        judge::{self, Status, Verdict},
        lag::Sums,
    },
};

pub(super) struct GroupRow {
    pub(super) name: String,
    pub(super) state: &'static str,
    /// Its verdict, and on how many topics it is not online.
    pub(super) reads: String,
    pub(super) offline: bool,
    pub(super) lag: String,
    pub(super) time: String,
    pub(super) method: String,
    pub(super) worst: String,
    pub(super) remark: String,
    pub(super) bad: bool,
}

/// Groups whose names hold `search`: lost and reset ones first, then those with the oldest unread record.
pub(super) fn groups(readings: &Readings, search: &str, skip: usize, limit: usize) -> Rows<GroupRow> {
    let Some(snapshot) = readings.collect.fresh() else { return Rows::default() };
    let mut found: Vec<_> = snapshot
        .groups
        .iter()
        .filter(|(name, _)| name.contains(search))
        .map(|(name, group)| {
            let lags = || group.topics.values().flat_map(|lags| lags.values());
            let lost: i64 = lags().filter_map(|lag| lag.lost).sum();
            let resets = lags().filter(|lag| lag.reset).count();
            (name, group, group.sums(readings.settings.lag.partial_sums), lost, resets)
        })
        .collect();
    found.sort_by_key(|(name, group, sums, lost, resets)| {
        let trouble = *lost > 0 || *resets > 0 || group.fault.is_some() || group.unknown() > 0;
        (
            Reverse(trouble),
            Reverse(sums.oldest.map(|oldest| oldest.age)),
            Reverse(sums.records),
            (*name).clone(),
        )
    });
    let count = found.len();
    let rows = found.into_iter().skip(skip).take(limit);
    Rows {
        rows: rows
            .map(|(name, group, sums, lost, resets)| {
                let judged = snapshot.judged.groups.get(name);
                row(name, group, judged, (sums, lost, resets))
            })
            .collect(),
        count,
    }
}

fn row(
    name: &Arc<str>,
    group: &Group,
    judged: Option<&judge::Group>,
    (sums, lost, resets): (Sums, i64, usize),
) -> GroupRow {
    let (reads, offline) = judged.map_or_else(|| ("–".to_owned(), false), reads);
    let remarks = [
        (lost > 0).then(|| format!("{lost} records deleted unread")),
        (resets > 0).then(|| format!("{resets} committed offsets beyond the log end")),
        group.fault.map(|fault| match group.topics.is_empty() {
            true => format!("cannot be read: {fault}"),
            false => {
                "the group has no coordinator: the lag is that of its last known committed offsets".to_owned()
            }
        }),
        (group.unknown() > 0).then(|| format!("{} partitions not known", group.unknown())),
    ];
    GroupRow {
        name: name.to_string(),
        state: group.state.as_str(),
        reads,
        offline,
        lag: sums.records.map_or_else(|| "–".to_owned(), |records| records.to_string()),
        time: sums.oldest.map_or_else(|| "–".to_owned(), age),
        method: sums.oldest.map_or_else(String::new, how),
        worst: group.worst().map_or_else(String::new, |(topic, number)| format!("{topic}-{number}")),
        remark: remarks.into_iter().flatten().collect::<Vec<_>>().join(", "),
        bad: lost > 0 || resets > 0 || group.fault.is_some(),
    }
}

/// How a group gets on, in words, and whether it does not read something that it should.
fn reads(judged: &judge::Group) -> (String, bool) {
    let count = |status| judged.topics.values().filter(|topic| topic.status == status).count();
    let (offline, recovering) = (count(Status::Offline), count(Status::Recovering));
    let all = judged.topics.len();
    let part = |count: usize, words: &str| match count {
        0 => None,
        count if count == all => Some(words.to_owned()),
        count => Some(format!("{words} on {count} of {all} topics")),
    };
    let verdict = judged.verdict.filter(|verdict| *verdict != Verdict::Ok).map(|verdict| verdict.as_str());
    let parts = [part(offline, "offline"), part(recovering, "recovering"), verdict.map(str::to_owned)];
    let words: Vec<_> = parts.into_iter().flatten().collect();
    match (words.is_empty(), judged.verdict) {
        (true, None) => ("–".to_owned(), false),
        (true, Some(_)) => ("ok".to_owned(), false),
        _ => (words.join(", "), offline > 0),
    }
}

fn age(lag: TimeLag) -> String {
    let words = duration(lag.age);
    match lag.method {
        Method::Current => "none".to_owned(),
        Method::Clamped => format!("over {words}"),
        _ => words,
    }
}

fn how(lag: TimeLag) -> String {
    match (lag.method, lag.error) {
        (Method::Current, _) => String::new(),
        (method, Some(error)) => format!("{} ± {}", method.as_str(), duration(error)),
        (method, None) => method.as_str().to_owned(),
    }
}

fn duration(time: Duration) -> String {
    ago(UNIX_EPOCH, UNIX_EPOCH + time)
}
