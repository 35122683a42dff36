//! A small cluster whose offsets and groups a test sets by hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use crate::{
    cluster::Ends,
    collect::{
        time_lag::{Method, TimeLag},
        topics::{Partition, Topic as Log},
    },
    config::Cluster,
    evaluate::{
        groups,
        judge::{Changes, Judge, Judged, Moment, Seen},
        lag::lag,
    },
    kafka::{
        Fault,
        admin::{GroupKind, GroupState},
    },
};

/// A topic of one partition, and who reads it.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// By topic: records, and when each look found how many.
    pub(crate) ends: BTreeMap<&'static str, i64>,
    /// By group and topic.
    pub(crate) commits: BTreeMap<(&'static str, &'static str), i64>,
    /// Nobody is in the group.
    pub(crate) empty: BTreeSet<&'static str>,
    /// Commits of the group cannot be read.
    pub(crate) failing: BTreeSet<&'static str>,
    /// Nobody knows where the log ends.
    pub(crate) unknown: BTreeSet<&'static str>,
    /// Brokers do not list their groups.
    pub(crate) unlisted: bool,
    /// They do not tell whether somebody is in them.
    pub(crate) untold: bool,
    /// A committed offset beyond the log end was not seen in two cycles.
    pub(crate) unsure: bool,
}

impl World {
    /// What a look at it sees. Each record is as old as `age` says.
    fn groups(&self, age: impl Fn(&str, i64) -> Duration) -> BTreeMap<Arc<str>, groups::Group> {
        let mut found = BTreeMap::<Arc<str>, groups::Group>::new();
        for ((name, topic), committed) in &self.commits {
            let end = Some(self.ends[topic]).filter(|_| !self.unknown.contains(topic));
            let ends = Ends { start: Some(0), end };
            let mut lag = lag(*committed, ends, !self.unsure);
            let method = Method::History;
            lag.time = lag.records.map(|records| TimeLag { age: age(topic, records), error: None, method });
            let failing = self.failing.contains(name);
            let state = match self.empty.contains(name) {
                _ if self.untold => GroupState::Unknown,
                true => GroupState::Empty,
                false => GroupState::Stable,
            };
            let group = found.entry((*name).into()).or_insert_with(|| groups::Group {
                state,
                kind: GroupKind::Consumer,
                members: None,
                topics: BTreeMap::new(),
                lost: BTreeMap::new(),
                unread: BTreeMap::new(),
                fault: failing.then_some(Fault::Timeout),
            });
            if !failing {
                group.topics.entry((*topic).into()).or_default().insert(0, lag);
            }
        }
        found
    }

    fn topics(&self) -> BTreeMap<Arc<str>, Log> {
        let log = |(name, end): (&&str, &i64)| {
            let ends = Ends { start: Some(0), end: Some(*end) };
            let log = Log {
                partitions: BTreeMap::from([(0, Partition { ends, stable: None, newest_ms: None })]),
                freshness: None,
                compacted: false,
                appended: u64::try_from(*end).expect("some"),
                rate: Some(0.0),
                future: 0,
            };
            ((*name).into(), log)
        };
        self.ends.iter().map(log).collect()
    }
}

/// Judges one look of a world.
pub(crate) fn look(
    judge: &mut Judge,
    world: &World,
    own: u64,
    wall: u64,
    settings: &Cluster,
) -> (Judged, Changes) {
    let moment = Moment { own: Duration::from_secs(own), wall: UNIX_EPOCH + Duration::from_secs(wall) };
    // A record a second.
    let age = |_: &str, records: i64| Duration::from_secs(u64::try_from(records).unwrap_or(0));
    let (groups, topics) = (world.groups(age), world.topics());
    let left = |_: &str, _: i32, _: i64| None;
    let seen = Seen { groups: &groups, listed: !world.unlisted, topics: &topics, age: &left, at: moment };
    judge.judge(&seen, settings)
}
