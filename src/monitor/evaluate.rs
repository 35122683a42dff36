//! The fourth step of a cycle: lag, freshness and verdicts from what was found. No broker is asked any more.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{context::Context, date::Dated, snapshot::Snapshot};
use crate::{
    cluster::{latest_ms, metadata},
    collect::{topics, visibility},
    config,
    evaluate::{groups::Group, judge, rebalances::Seen},
    timelag::best::Sources,
};

/// What a cycle found, complete but for the state of the history file.
pub(super) struct Evaluated {
    begun: Instant,
    snapshot: Snapshot,
}

impl Evaluated {
    /// Computes lag and freshness, and judges groups and traffic.
    pub(super) fn evaluate(context: &mut Context<'_>, dated: Dated) -> Self {
        let begun = dated.asked().begun();
        let visible = dated.asked().visible();
        let metadata = dated.asked().metadata();
        let described = visibility::described(visible, metadata.topics.is_empty());
        let filtered = filtered(context, metadata);
        let topology = context.memory.topology.view(metadata);
        let now = dated.now();
        let (groups, topics) = views(context, dated);
        let judging = Instant::now();
        let judged = judged(context, &groups, &topics, now);
        let memory = &context.memory;
        let listing = memory.groups.capability();
        let snapshot = Snapshot {
            topics,
            groups,
            judged,
            events: memory.events.view(),
            topology,
            faults: memory.faults.0.clone(),
            filtered,
            described,
            listing,
            hiding: visibility::hiding(visible, described, listing, memory.groups.is_listing()),
            reading: memory.batches.capability(),
            judging: judging.elapsed(),
            ..Snapshot::default()
        };
        Self { begun, snapshot }
    }

    /// The snapshot that the task publishes, with the state of the history file.
    pub(super) fn snapshot(self, history: &super::history_file::Writer) -> Snapshot {
        Snapshot {
            saving: history.last_duration(),
            written: history.written(),
            duration: self.begun.elapsed(),
            ..self.snapshot
        }
    }
}

type Views = (BTreeMap<Arc<str>, Group>, BTreeMap<Arc<str>, topics::Topic>);

/// The lag of every watched group, and the logs and freshness of every watched topic.
fn views(context: &mut Context<'_>, dated: Dated) -> Views {
    let Context { cluster, memory, .. } = context;
    let now = dated.now();
    let sources = Sources {
        topics: &memory.topics,
        batches: &memory.batches,
        searches: &memory.searches,
        now,
        now_ms: dated.now_ms(),
    };
    let commits = dated.into_asked().into_commits();
    let known = memory.groups.known();
    let mut groups = memory.lags.evaluate(known, commits, &sources, &cluster.lag, &mut memory.faults);
    let mut endless = Vec::new();
    for (name, group) in &mut groups {
        let seen = Seen { state: group.state, members: group.members.as_deref(), epoch: group.epoch };
        let (rebalances, change) = memory.rebalances.observe(name, &seen, now);
        group.rebalances = rebalances;
        endless.extend(change);
    }
    memory.rebalances.retain(|name| groups.contains_key(name));
    memory.events.rebalances(SystemTime::now(), &cluster.name, endless);
    (groups, memory.topics.views(&cluster.freshness, latest_ms()))
}

/// The verdicts on groups and traffic; a verdict that has changed becomes an event.
fn judged(
    context: &mut Context<'_>,
    groups: &BTreeMap<Arc<str>, Group>,
    topics: &BTreeMap<Arc<str>, topics::Topic>,
    now: Duration,
) -> judge::Judgement {
    let Context { cluster, memory, .. } = context;
    let at = judge::Moment { own: now, wall: SystemTime::now() };
    let age = |topic: &str, partition, offset| memory.topics.age(topic, partition, offset, now);
    let view = judge::CycleView { groups, listed: memory.groups.listed, topics, age: &age, at };
    let (judged, changes) = memory.judge.judge(&view, cluster);
    memory.events.judged(at.wall, &cluster.name, changes);
    judged
}

/// How many names each filter of the configuration leaves out of this cycle. Absent for a filter that has nothing to filter.
fn filtered(context: &Context<'_>, metadata: &metadata::Snapshot) -> BTreeMap<&'static str, usize> {
    let config::Cluster { lag, freshness, .. } = context.cluster;
    let left_out =
        |filter: &config::Filter| metadata.topics.keys().filter(|name| !filter.covers(name)).count();
    let filters = [
        ("lag.groups", context.memory.groups.filtered.filter(|_| lag.enabled)),
        ("lag.topics", lag.enabled.then(|| left_out(&lag.topics))),
        ("freshness.topics", freshness.enabled.then(|| left_out(&freshness.topics))),
    ];
    filters.into_iter().filter_map(|(filter, count)| Some((filter, count?))).collect()
}
