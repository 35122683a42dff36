//! What the cluster's real topics and consumer groups do: lag, freshness, rates.
//!
//! Everything is asked in a few batched questions a cycle; nothing is joined, committed or read. One topic,
//! group, partition or broker that cannot be asked is absent and counted; the others are as fresh as ever.

pub mod groups;
pub mod history;
pub mod lag;
mod search;
pub mod store;
mod tail;
pub mod topics;
pub mod topology;

use std::{
    collections::BTreeMap,
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

/// One cycle's word.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Watched topics.
    pub topics: BTreeMap<Arc<str>, topics::Topic>,
    /// Watched groups.
    pub groups: BTreeMap<Arc<str>, groups::Group>,
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
    tails: tail::Tails,
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
        let wire = known.beside(cluster.metadata.timeout).shunning();
        let (before, store, saved) = (Duration::ZERO, None, Instant::now());
        let (begin, searches, faults) = (Instant::now(), search::Searches::default(), Faults::default());
        let topology = topology::Watched::default();
        let tails = tail::Tails::default();
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
            tails,
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

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let cluster = self.cluster.clone();
        let interval = cluster.lag.interval.min(cluster.freshness.interval);
        let metadata =
            metadata::first(&mut self.metadata, cluster.metadata.timeout.min(interval / 2)).await?;
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
        let almost = self.groups.almost(&commits, &self.topics, &cluster.lag);
        self.tails.run(&self.wire, &metadata, almost, &mut self.faults).await;
        let now_ms = now_ms();
        let unclear = self.groups.unclear(&commits, &self.topics, &cluster.lag, now);
        let end = |topic: &str, partition| self.topics.ends(topic, partition)?.0.end;
        self.searches.run(&self.wire, &metadata, unclear, end, now_ms, &mut self.faults).await;
        let found = |topic: &Arc<str>, partition, offset| self.searches.age(topic, partition, offset, now_ms);
        let groups = self.groups.judge(commits, &self.topics, (&self.tails, found), &cluster.lag, now);
        self.save().await;
        Ok(Snapshot {
            topics: self.topics.views(&cluster.freshness),
            groups,
            topology: self.topology.view(&metadata),
            faults: self.faults.0.clone(),
            listing: self.groups.listing,
            duration: begun.elapsed(),
        })
    }
}
