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
        judge::{Changes, CycleView, Judge, Judgement, Moment},
        lag::lag,
        rebalances::Rebalances,
    },
    kafka::{
        Fault,
        admin::{GroupKind, GroupState},
    },
};

/// Topics with one partition each, and the groups that read them.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// The log end offset of each topic.
    pub(crate) ends: BTreeMap<&'static str, i64>,
    /// The committed offset of each group on each topic.
    pub(crate) commits: BTreeMap<(&'static str, &'static str), i64>,
    /// Groups without members.
    pub(crate) empty: BTreeSet<&'static str>,
    /// Groups whose committed offsets cannot be read.
    pub(crate) failing: BTreeSet<&'static str>,
    /// Topics whose log end offset is not known.
    pub(crate) unknown: BTreeSet<&'static str>,
    /// Whether the brokers do not list their groups.
    pub(crate) unlisted: bool,
    /// Whether the brokers do not report the state of their groups.
    pub(crate) stateless: bool,
    /// Whether a committed offset beyond the log end was not yet seen in two cycles.
    pub(crate) unsure: bool,
}

impl World {
    /// The groups as a cycle sees them. `age` gives the time lag for a number of records.
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
                _ if self.stateless => GroupState::Unknown,
                true => GroupState::Empty,
                false => GroupState::Stable,
            };
            let group = found.entry((*name).into()).or_insert_with(|| groups::Group {
                state,
                kind: GroupKind::Consumer,
                members: None,
                epoch: None,
                topics: BTreeMap::new(),
                lost: BTreeMap::new(),
                unread: BTreeMap::new(),
                fault: failing.then_some(Fault::Timeout),
                rebalances: Rebalances::default(),
            });
            if !failing {
                group.topics.entry((*topic).into()).or_default().insert(0, lag);
            }
        }
        found
    }

    /// The topics as a cycle sees them.
    fn topics(&self) -> BTreeMap<Arc<str>, Log> {
        let log = |(name, end): (&&str, &i64)| {
            let ends = Ends { start: Some(0), end: Some(*end) };
            let log = Log {
                partitions: BTreeMap::from([(
                    0,
                    Partition { ends, stable: None, tiers: None, newest_ms: None },
                )]),
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

/// Judges one cycle. `own` and `wall` are seconds on the monotonic clock and on the wall clock.
pub(crate) fn judge_world(
    judge: &mut Judge,
    world: &World,
    own: u64,
    wall: u64,
    settings: &Cluster,
) -> (Judgement, Changes) {
    let moment = Moment { own: Duration::from_secs(own), wall: UNIX_EPOCH + Duration::from_secs(wall) };
    // One record is written each second.
    let age = |_: &str, records: i64| Duration::from_secs(u64::try_from(records).unwrap_or(0));
    let (groups, topics) = (world.groups(age), world.topics());
    let left = |_: &str, _: i32, _: i64| None;
    let view =
        CycleView { groups: &groups, listed: !world.unlisted, topics: &topics, age: &left, at: moment };
    judge.judge(&view, settings)
}
