//! The task: one cycle after the other.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;

use super::{
    excluded,
    saved::{self, Written},
};
use crate::{
    cluster::{Api, Faults, OffsetSet, latest_ms, metadata, now_ms},
    collect::{
        groups::{self, Commits},
        topics, topology, visibility,
    },
    config,
    evaluate::{
        events,
        groups::{Group, Lags},
        judge,
    },
    kafka::{
        Capability, Error, Fault, Request,
        admin::{At, ByLeader, FoundOffsets, offsets},
        wire,
    },
    store::Store,
    task::{Cycle, Latest},
    timelag::{batches as heads, best as ages, search},
};

/// One cycle's word.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Watched topics.
    pub topics: BTreeMap<Arc<str>, topics::Topic>,
    /// Watched groups.
    pub groups: BTreeMap<Arc<str>, Group>,
    /// Partitions that are not where they should be, and changes.
    pub topology: topology::Topology,
    /// Who is alive, who gets on, and which traffic is odd.
    pub judged: judge::Judged,
    /// What has happened, the oldest first.
    pub events: events::Events,
    /// Questions that failed since the start, one for each item and question, by request and kind.
    pub faults: BTreeMap<(Api, Fault), u64>,
    /// How many of the names that Kafka lists a filter leaves out, by filter.
    pub filtered: BTreeMap<&'static str, usize>,
    /// Whether all topics are visible.
    pub described: Capability,
    /// Whether all groups are listed.
    pub listing: Capability,
    /// Whether heads of records may be read.
    pub reading: Capability,
    /// Requests that Kafka answers and may answer in part, because the principal may not see everything or, with brokers
    /// that do not say so, because the answer is empty. A request that was not answered is not among them.
    pub hiding: Vec<Request>,
    /// How long the questions and the arithmetic took.
    pub duration: Duration,
    /// Of that, judging.
    pub judging: Duration,
    /// How long it took to write what was last written, which no look waits for.
    pub saving: Duration,
    /// How the history is written; absent where there is no file.
    pub written: Option<Written>,
}

/// The task.
pub struct Probe {
    pub(super) cluster: Arc<config::Cluster>,
    /// Connections of its own: a long answer must not hold up the short questions of others.
    pub(super) wire: wire::Cluster,
    /// For what any broker may be asked: who is slow at that is not slow at all.
    pub(super) side: wire::Cluster,
    /// The answer that was looked at last.
    pub(super) seen: Option<Arc<metadata::Snapshot>>,
    /// Knows where the brokers are.
    pub(super) known: Arc<wire::Cluster>,
    pub(super) metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    pub(super) begin: Instant,
    /// From the time that histories count from to `begin`.
    pub(super) before: Duration,
    pub(super) store: Option<Arc<Store>>,
    pub(super) saved: Instant,
    /// What was last to be saved, could not be.
    pub(super) unsaved: bool,
    pub(super) writing: Option<saved::Writing>,
    pub(super) written: Option<Written>,
    pub(super) target: saved::Target,
    /// How long it took to write what was last written.
    pub(super) saving: Duration,
    pub(super) topics: topics::Watched,
    pub(super) groups: groups::Watched,
    pub(super) lags: Lags,
    pub(super) searches: search::Searches,
    pub(super) heads: heads::Heads,
    pub(super) sight: visibility::Sight,
    pub(super) topology: topology::Watched,
    pub(super) judge: judge::Judge,
    pub(super) events: events::Log,
    pub(super) excluded: Option<excluded::Excluded>,
    pub(super) faults: Faults,
}

impl Probe {
    /// A probe that has asked nothing yet.
    pub fn new(
        cluster: Arc<config::Cluster>,
        known: Arc<wire::Cluster>,
        metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    ) -> Self {
        let (mut topics, groups) = (topics::Watched::default(), groups::Watched::default());
        topics.committed_only(cluster.lag.committed_only);
        // A broker that hangs takes half of a cycle at most, so that the others' numbers still come in time.
        let patience = cluster.metadata.timeout.min(interval(&cluster) / 2);
        let wire = known.with_own_connections(patience).with_circuit_breakers();
        let (side, seen) = (known.with_own_connections(patience), None);
        let (before, store, saved) = (Duration::ZERO, None, Instant::now());
        let (begin, searches, faults) = (Instant::now(), search::Searches::default(), Faults::default());
        let topology = topology::Watched::default();
        let (heads, sight) = (heads::Heads::default(), visibility::Sight::default());
        let excluded = cluster.lag.exclude_file.as_deref().map(excluded::Excluded::of);
        let (judge, events) = (judge::Judge::default(), events::Log::default());
        Self {
            cluster,
            wire,
            side,
            seen,
            known,
            metadata,
            begin,
            before,
            store,
            saved,
            unsaved: false,
            writing: None,
            written: None,
            target: saved::Target::default(),
            saving: Duration::ZERO,
            topics,
            groups,
            lags: Lags::default(),
            searches,
            heads,
            sight,
            topology,
            judge,
            events,
            excluded,
            faults,
        }
    }

    /// Looks at the heads of the last records: what is newest, and what is left to read.
    async fn look(&mut self, metadata: &metadata::Snapshot, committed: &OffsetSet, until: Instant) {
        self.heads.turn(until, |topic| self.topology.is_compacted(topic));
        for topic in self.topics.anew() {
            self.heads.forget(&topic);
            self.searches.forget(&topic);
            self.judge.forget(&topic);
        }
        let almost = ages::almost(committed, &self.topics);
        self.heads.ask(&self.wire, metadata, &almost, &self.topics, &mut self.faults).await;
        let latest_ms = latest_ms();
        for back in topics::STEPS_BACK {
            let undated = self.topics.undated(&self.cluster.freshness, latest_ms, back);
            if undated.is_empty() {
                return;
            }
            self.heads.ask(&self.wire, metadata, &undated, &self.topics, &mut self.faults).await;
            self.topics.date_by(self.heads.dates(&undated, latest_ms), back);
        }
    }

    /// Finds out how old records are that our own samples know too little of: by their own heads, and where these
    /// do not tell, or not well enough, by searching.
    async fn date(
        &mut self,
        metadata: &metadata::Snapshot,
        committed: &OffsetSet,
        now: Duration,
        (now_ms, until): (i64, Instant),
    ) {
        let mut unclear = ages::unclear(committed, &self.topics, &self.heads, &self.cluster.lag, now);
        self.heads.ask(&self.wire, metadata, &unclear, &self.topics, &mut self.faults).await;
        unclear.retain(|topic, places| {
            let heads = self.heads.of(topic);
            places.retain(|(partition, offset)| {
                !heads.age(*partition, *offset, now_ms).is_some_and(search::is_close)
            });
            !places.is_empty()
        });
        let times = (now_ms, until);
        self.searches.run(&self.wire, metadata, unclear, &self.topics, times, &mut self.faults).await;
    }

    /// Partitions to ask for, by leader, and those without one: that is a fault of its own.
    fn by_leader(&mut self, metadata: &metadata::Snapshot) -> (ByLeader, topics::Leaderless) {
        let (mut wanted, mut leaderless) = (ByLeader::new(), topics::Leaderless::new());
        let (lag, freshness) = (&self.cluster.lag, &self.cluster.freshness);
        for (name, topic) in metadata.topics.iter() {
            let lags = lag.enabled && lag.topics.covers(name);
            let ages = freshness.enabled && freshness.topics.covers(name);
            if !(lags || ages) {
                continue;
            }
            let topic = match topic {
                Ok(topic) => topic,
                Err(fault) => {
                    self.faults.count(Api::ListOffsets, *fault);
                    continue;
                }
            };
            let name: Arc<str> = self.topics.name(name);
            for (number, partition) in &topic.partitions {
                match partition.leader {
                    Some(leader) => {
                        wanted.entry(leader).or_default().entry(name.clone()).or_default().push(*number);
                    }
                    None => {
                        self.faults.count(Api::ListOffsets, Fault::NoLeader);
                        leaderless.push((name.clone(), *number));
                    }
                }
            }
        }
        (wanted, leaderless)
    }

    /// What is to be made of it all.
    fn judged(
        &mut self,
        groups: &BTreeMap<Arc<str>, Group>,
        topics: &BTreeMap<Arc<str>, topics::Topic>,
        own: Duration,
    ) -> judge::Judged {
        let at = judge::Moment { own, wall: SystemTime::now() };
        let age = |topic: &str, partition, offset| self.topics.age(topic, partition, offset, own);
        let seen = judge::Seen { groups, listed: self.groups.listed, topics, age: &age, at };
        let (judged, changes) = self.judge.judge(&seen, &self.cluster);
        self.events.judged(at.wall, &self.cluster.name, changes);
        judged
    }
}

/// From one look to the next.
pub fn interval(cluster: &config::Cluster) -> Duration {
    match (cluster.lag.enabled, cluster.freshness.enabled) {
        (true, false) => cluster.lag.interval,
        (false, true) => cluster.freshness.interval,
        _ => cluster.lag.interval.min(cluster.freshness.interval),
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn end(&mut self) {
        self.save_all().await;
    }

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        if let Some(excluded) = &mut self.excluded {
            excluded.apply(Arc::make_mut(&mut self.cluster)).await;
        }
        let cluster = self.cluster.clone();
        let patience = cluster.metadata.timeout.min(interval(&cluster) / 2);
        let metadata = metadata::fresh(&mut self.metadata, patience).await?;
        let begun = Instant::now();
        self.wire.close_circuit_breakers();
        self.wire.learn_from(&self.known);
        self.side.learn_from(&self.known);
        let anew = !self.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &metadata));
        if anew {
            let changes = self.topology.observe(&metadata);
            self.events.topology(SystemTime::now(), &cluster.name, changes);
            self.seen = Some(metadata.clone());
        }
        // Commits before ends: else a group that reads on in between would be ahead of its log.
        let (topology, groups, faults) = (&mut self.topology, &mut self.groups, &mut self.faults);
        let commits = async {
            match cluster.lag.enabled {
                true => groups.ask(&self.wire, &metadata, &cluster.lag, faults).await,
                false => Commits::default(),
            }
        };
        let (mut commits, failed, visible) = tokio::join!(
            commits,
            topology.ask(&self.side, &metadata),
            Box::pin(self.sight.ask(&self.side, &metadata))
        );
        self.groups.sees_all = visible.and_then(|visible| visible.groups);
        failed.into_iter().for_each(|(api, fault)| self.faults.count(api, fault));
        let (wanted, leaderless) = self.by_leader(&metadata);
        let lags = |name: &str| cluster.lag.enabled && cluster.lag.topics.covers(name);
        let ages = |name: &str| cluster.freshness.enabled && cluster.freshness.topics.covers(name);
        self.topics.list(&metadata, &leaderless, anew, |name| lags(name) || ages(name));
        // Who answers at all answers in a moment: a log's end is of about now, whoever hangs.
        let sampled = self.before + self.begin.elapsed();
        let stable = async {
            match cluster.lag.committed_only {
                true => offsets(&self.wire, &wanted, At::Stable).await,
                false => FoundOffsets::default(),
            }
        };
        let (ends, starts, stable) = tokio::join!(
            offsets(&self.wire, &wanted, At::Latest),
            offsets(&self.wire, &wanted, At::Earliest),
            stable
        );
        let found = [&ends, &starts, &stable];
        let mut moved = self.topics.observe(&metadata, found, sampled, &mut self.faults);
        for topics in moved.values_mut() {
            topics.retain(|name, _| cluster.freshness.enabled && cluster.freshness.topics.covers(name));
        }
        moved.retain(|_, topics| !topics.is_empty());
        let newest = offsets(&self.wire, &moved, At::MaxTimestamp).await;
        self.topics.date(&newest, latest_ms(), &mut self.faults);
        self.topics.compacted(|name| self.topology.is_compacted(name));
        commits.last = self.lags.last_offsets(self.groups.known());
        let committed = commits.places(&cluster.lag);
        // What is slow to be told must not cost what is known: later is the next look's.
        let until = begun + interval(&cluster) / 2;
        self.look(&metadata, &committed, until).await;
        let (now, now_ms) = (self.before + self.begin.elapsed(), now_ms());
        self.date(&metadata, &committed, now, (now_ms, until)).await;
        self.heads.end();
        let known =
            ages::Sources { topics: &self.topics, heads: &self.heads, searches: &self.searches, now, now_ms };
        let groups = self.lags.evaluate(self.groups.known(), commits, &known, &cluster.lag, &mut self.faults);
        let topics = self.topics.views(&cluster.freshness, latest_ms());
        let asked = begun.elapsed();
        let judged = self.judged(&groups, &topics, now);
        let judging = begun.elapsed() - asked;
        self.save().await;
        let described = visibility::described(visible, metadata.topics.is_empty());
        let listing = self.groups.capability();
        Ok(Snapshot {
            topics,
            groups,
            judged,
            events: self.events.view(),
            topology: self.topology.view(&metadata),
            faults: self.faults.0.clone(),
            filtered: self.filtered(&metadata),
            described,
            listing,
            hiding: visibility::hiding(visible, described, listing, self.groups.is_listing()),
            reading: self.heads.capability(),
            judging,
            saving: self.saving,
            written: self.written.clone(),
            duration: begun.elapsed(),
        })
    }
}
