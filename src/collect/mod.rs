//! What the cluster's real topics and consumer groups do: lag, freshness, rates.
//!
//! Everything is asked in a few batched questions a cycle; nothing is joined, committed or read. One topic,
//! group, partition or broker that cannot be asked is absent and counted; the others are as fresh as ever.

mod ages;
pub mod freshness;
pub mod groups;
mod heads;
pub mod history;
pub mod lag;
mod search;
pub mod store;
pub mod topics;
pub mod topology;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use store::Store;
use tokio::sync::watch;

use crate::{
    config,
    kafka::{
        Error, Fault,
        admin::{At, ByLeader, offsets},
        wire,
    },
    probe::metadata::{self, Capability},
    task::{Cycle, Latest},
};

/// Histories are written this often, or after two looks.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// A timestamp further in the future than this is a wrong clock's.
const MAX_SKEW: Duration = Duration::from_secs(60);

/// A topic and a partition.
type Place = (Arc<str>, i32);

/// Partitions and offsets of which something is wanted, by topic.
type Places = BTreeMap<Arc<str>, BTreeSet<(i32, i64)>>;

/// One cycle's word.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Watched topics.
    pub topics: BTreeMap<Arc<str>, topics::Topic>,
    /// Watched groups.
    pub groups: Arc<BTreeMap<Arc<str>, groups::Group>>,
    /// Partitions that are not where they should be, and changes.
    pub topology: topology::Topology,
    /// Questions that failed since the start, one for each item, by request and kind.
    pub faults: BTreeMap<(Api, Fault), u64>,
    /// Whether groups may be listed.
    pub listing: Capability,
    /// How long the questions and the arithmetic took.
    pub duration: Duration,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    /// Groups of a broker.
    ListGroups,
    /// The coordinator of a group.
    FindCoordinator,
    /// Committed offsets of a group.
    OffsetFetch,
    /// Members of a group.
    DescribeGroups,
    /// Offsets of a partition.
    ListOffsets,
    /// Heads of record batches.
    Fetch,
}

impl Api {
    /// The request as a label value, in Kafka's words.
    pub fn as_str(self) -> &'static str {
        match self {
            Api::ListGroups => "ListGroups",
            Api::FindCoordinator => "FindCoordinator",
            Api::OffsetFetch => "OffsetFetch",
            Api::DescribeGroups => "DescribeGroups",
            Api::ListOffsets => "ListOffsets",
            Api::Fetch => "Fetch",
        }
    }
}

/// Counts of failed questions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults(BTreeMap<(Api, Fault), u64>);

impl Faults {
    pub(crate) fn count(&mut self, api: Api, fault: Fault) {
        *self.0.entry((api, fault)).or_default() += 1;
    }
}

/// The task.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    /// Connections of its own: a long answer must not hold up the short questions of others.
    wire: wire::Cluster,
    /// Knows where the brokers are.
    known: Arc<wire::Cluster>,
    metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    begin: Instant,
    /// From the time that histories count from to `begin`.
    before: Duration,
    store: Option<Arc<Store>>,
    saved: Instant,
    topics: topics::Watched,
    groups: groups::Watched,
    searches: search::Searches,
    heads: heads::Heads,
    topology: topology::Watched,
    faults: Faults,
}

impl Probe {
    /// A probe that has asked nothing yet.
    pub fn new(
        cluster: Arc<config::Cluster>,
        known: Arc<wire::Cluster>,
        metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    ) -> Self {
        let (topics, groups) = (topics::Watched::default(), groups::Watched::default());
        // A broker that hangs takes half of a cycle at most, so that the others' numbers still come in time.
        let patience = cluster.metadata.timeout.min(interval(&cluster) / 2);
        let wire = known.beside(patience).shunning();
        let (before, store, saved) = (Duration::ZERO, None, Instant::now());
        let (begin, searches, faults) = (Instant::now(), search::Searches::default(), Faults::default());
        let topology = topology::Watched::default();
        let heads = heads::Heads::default();
        Self {
            cluster,
            wire,
            known,
            metadata,
            begin,
            before,
            store,
            saved,
            topics,
            groups,
            searches,
            heads,
            topology,
            faults,
        }
    }

    /// Goes on with the histories of an earlier run, and keeps them.
    #[must_use]
    pub fn with(mut self, store: Option<Arc<Store>>) -> Self {
        if let Some(store) = &store {
            match store.load(&self.cluster.name) {
                Ok(saved) => {
                    self.before = saved.age;
                    self.topics.remember(saved.by_topic());
                }
                Err(error) => {
                    tracing::warn!(cluster = self.cluster.name, "the history cannot be read: {error}")
                }
            }
        }
        self.store = store;
        self
    }

    /// Writes what has changed, once a minute; a cycle waits for it, no answer does.
    async fn save(&mut self) {
        let every = SAVE_EVERY.min(2 * self.cluster.lag.interval);
        let Some(store) = self.store.clone().filter(|_| self.saved.elapsed() > every) else { return };
        self.saved = Instant::now();
        let (name, rows) = (self.cluster.name.clone(), self.topics.unsaved());
        let saved = tokio::task::spawn_blocking(move || store.save(&name, &rows)).await;
        if let Err(words) =
            saved.map_err(|error| error.to_string()).and_then(|saved| saved.map_err(|e| e.to_string()))
        {
            tracing::warn!(cluster = self.cluster.name, "the history cannot be kept: {words}");
        }
    }

    /// Looks at the heads of the last records: what is newest, and what is left to read.
    async fn look(&mut self, metadata: &metadata::Snapshot, committed: &Places) {
        self.heads.turn(|topic| self.topology.is_compacted(topic));
        for topic in self.topics.anew() {
            self.heads.forget(&topic);
            self.searches.forget(&topic);
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
            self.topics.date_by(&self.heads, &undated, back, latest_ms);
        }
    }

    /// Finds out how old records are that our own samples know too little of: by their own heads, and where these
    /// do not tell, or not well enough, by searching.
    async fn date(&mut self, metadata: &metadata::Snapshot, committed: &Places, now: Duration, now_ms: i64) {
        let mut unclear = ages::unclear(committed, &self.topics, &self.heads, &self.cluster.lag, now);
        self.heads.ask(&self.wire, metadata, &unclear, &self.topics, &mut self.faults).await;
        unclear.retain(|topic, places| {
            let heads = self.heads.of(topic);
            places.retain(|(partition, offset)| {
                !heads.age(*partition, *offset, now_ms).is_some_and(search::is_close)
            });
            !places.is_empty()
        });
        self.searches.run(&self.wire, metadata, unclear, &self.topics, now_ms, &mut self.faults).await;
    }

    /// Partitions to ask for, by leader; one without a leader is a fault of its own.
    fn by_leader(&mut self, metadata: &metadata::Snapshot) -> ByLeader {
        let mut wanted = ByLeader::new();
        for (name, topic) in metadata.topics.iter() {
            let Ok(topic) = topic else { continue };
            if !self.cluster.lag.topics.covers(name) && !self.cluster.freshness.topics.covers(name) {
                continue;
            }
            let name: Arc<str> = self.topics.name(name);
            for (number, partition) in &topic.partitions {
                match partition.leader {
                    Some(leader) => {
                        wanted.entry(leader).or_default().entry(name.clone()).or_default().push(*number);
                    }
                    None => self.faults.count(Api::ListOffsets, Fault::NoLeader),
                }
            }
        }
        wanted
    }
}

/// What is dated later is dated by a wrong clock.
fn latest_ms() -> i64 {
    now_ms() + i64::try_from(MAX_SKEW.as_millis()).unwrap_or(0)
}

/// From one look to the next.
pub fn interval(cluster: &config::Cluster) -> Duration {
    cluster.lag.interval.min(cluster.freshness.interval)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let cluster = self.cluster.clone();
        let patience = cluster.metadata.timeout.min(interval(&cluster) / 2);
        let metadata = metadata::first(&mut self.metadata, patience).await?;
        let begun = Instant::now();
        self.wire.forgive();
        self.wire.learn_from(&self.known);
        self.topology.observe(&cluster.name, &metadata);
        self.topology.ask(&self.wire, &metadata).await;
        // Commits before ends: else a group that reads on in between would be ahead of its log.
        let commits = if cluster.lag.enabled {
            self.groups.ask(&self.wire, &metadata, &cluster.lag, &mut self.faults).await
        } else {
            groups::Commits::default()
        };
        let wanted = self.by_leader(&metadata);
        let end = if cluster.lag.committed_only { At::Stable } else { At::Latest };
        let (ends, starts) =
            tokio::join!(offsets(&self.wire, &wanted, end), offsets(&self.wire, &wanted, At::Earliest));
        let now = self.before + self.begin.elapsed();
        let moved = self.topics.observe(&metadata, &ends, &starts, now, &mut self.faults);
        let newest = if cluster.freshness.enabled && !moved.is_empty() {
            offsets(&self.wire, &moved, At::MaxTimestamp).await
        } else {
            BTreeMap::new()
        };
        self.topics.date(&newest, &mut self.faults);
        self.topics.compacted(|name| self.topology.is_compacted(name));
        let committed = commits.places(&cluster.lag);
        self.look(&metadata, &committed).await;
        let now_ms = now_ms();
        self.date(&metadata, &committed, now, now_ms).await;
        let known =
            ages::Sources { topics: &self.topics, heads: &self.heads, searches: &self.searches, now, now_ms };
        let groups = self.groups.judge(commits, &known, &cluster.lag);
        self.save().await;
        Ok(Snapshot {
            topics: self.topics.views(&cluster.freshness, latest_ms()),
            groups,
            topology: self.topology.view(&metadata),
            faults: self.faults.0.clone(),
            listing: self.groups.listing,
            duration: begun.elapsed(),
        })
    }
}
