//! Tables of groups and topics: the worst of them on the page, all of them, searched and by pages, on their own.

use std::{
    cmp::Reverse,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::words::{ago, before};
use crate::{
    board::Readings,
    clock::from_unix_ms,
    collect::{
        freshness::State,
        time_lag::{Method, TimeLag},
        topics::Topic,
        topology::{Health, Topology},
    },
    evaluate::{
        events::Event,
        groups::Group,
        judge::{self, Status, Verdict},
        lag::Sums,
    },
};

/// Rows on the page itself.
pub(super) const WORST: usize = 10;

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

pub(super) struct TopicRow {
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) age: String,
    pub(super) appended: String,
    pub(super) rate: String,
    pub(super) partitions: usize,
    pub(super) bad: bool,
}

pub(super) struct EventRow {
    pub(super) when: String,
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) words: String,
}

/// Rows, and how many there would be without a limit.
pub(super) struct Rows<T> {
    pub(super) rows: Vec<T>,
    pub(super) count: usize,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), count: 0 }
    }
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

/// Topics whose names hold `search`: those in trouble first, then those that have been silent for longest.
pub(super) fn topics(
    readings: &Readings,
    search: &str,
    skip: usize,
    limit: usize,
    now: SystemTime,
) -> Rows<TopicRow> {
    let Some(snapshot) = readings.collect.fresh() else { return Rows::default() };
    let mut found: Vec<_> = snapshot.topics.iter().filter(|(name, _)| name.contains(search)).collect();
    found.sort_by_key(|(name, topic)| {
        let state = topic.freshness.map(|found| found.state);
        let date = topic.freshness.and_then(|found| found.newest_ms);
        (Reverse(state.is_some_and(in_trouble)), date.is_none(), date, (*name).clone())
    });
    let count = found.len();
    let rows = found.into_iter().skip(skip).take(limit).map(|(name, topic)| topic_row(name, topic, now));
    Rows { rows: rows.collect(), count }
}

/// The last events, the newest first; told also while nothing newer is known.
pub(super) fn events(readings: &Readings) -> Vec<EventRow> {
    let row = |event: &Arc<Event>| EventRow {
        when: humantime::format_rfc3339_seconds(event.at).to_string().replace('T', " ").replace('Z', ""),
        kind: event.kind.replace('_', " "),
        subject: event.subject.clone(),
        words: event.words.clone(),
    };
    let snapshot = readings.collect.snapshot.as_ref();
    snapshot
        .map_or_else(Vec::new, |(snapshot, _)| snapshot.events.iter().rev().take(WORST).map(row).collect())
}

fn in_trouble(state: State) -> bool {
    matches!(state, State::Error | State::Future)
}

fn topic_row(name: &Arc<str>, topic: &Topic, now: SystemTime) -> TopicRow {
    let found = topic.freshness;
    let newest = found.and_then(|found| found.newest_ms);
    let newest = newest.and_then(from_unix_ms);
    let or_none = |words: Option<String>| words.unwrap_or_else(|| "–".to_owned());
    TopicRow {
        name: name.to_string(),
        state: found.map_or("not watched", |found| found.state.as_str()),
        age: or_none(newest.map(|at| before(at, now))),
        appended: or_none(found.and_then(|found| found.appended_at).map(|at| before(at, now))),
        rate: or_none(topic.rate.map(|rate| format!("{rate:.1}/s"))),
        partitions: topic.partitions.len(),
        bad: found.is_some_and(|found| in_trouble(found.state)),
    }
}

/// What is wrong with partitions, in words.
pub(super) fn sick(topology: &Topology) -> String {
    let sum = Health::sum(topology.health.values());
    let under_min_isr = topology.health.values().filter_map(|health| health.under_min_isr).sum();
    let counts = [
        (Some(sum.offline), "offline"),
        (Some(under_min_isr), "under min ISR"),
        (Some(sum.under_replicated), "under-replicated"),
        (sum.reassigning, "of these being moved"),
    ];
    let known =
        counts.into_iter().filter_map(|(count, what)| Some((count.filter(|count| *count > 0)?, what)));
    let mut words: Vec<_> = known.map(|(count, what)| format!("{count} {what}")).collect();
    if sum.under_min_isr.is_none() {
        let unknown = topology.health.values().filter(|health| health.under_min_isr.is_none()).count();
        words.push(format!("min.insync.replicas of {unknown} topics not known"));
    }
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
