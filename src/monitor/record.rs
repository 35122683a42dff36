//! The second step of a cycle: both ends of every watched log, and the newest timestamps.

use std::{collections::BTreeMap, sync::Arc};

use super::{ask::Asked, context::Context};
use crate::{
    cluster::{Api, latest_ms},
    collect::topics::{Leaderless, LogOffsets},
    config::{self, Isolation},
    kafka::{
        BrokerId, Fault, TopicPartition,
        admin::{ByLeader, FoundOffsets, OffsetSpec, offsets},
    },
};

/// What the first two steps found. The topics in the memory know their log ends of this cycle.
pub(super) struct Recorded {
    asked: Asked,
}

impl Recorded {
    /// Asks for the ends of the logs, and where a log end has moved, for the newest timestamp.
    pub(super) async fn record(context: &mut Context<'_>, mut asked: Asked) -> Self {
        let (wanted, leaderless) = partitions(context, &asked);
        let Context { cluster, connections, memory, clock } = context;
        let is_watched = |name: &str| wants_lag(cluster, name) || wants_freshness(cluster, name);
        memory.topics.list(asked.metadata(), &leaderless, asked.is_new(), is_watched);
        // A broker that answers at all answers in a moment: a log end is of about this time, whichever broker hangs.
        let sampled = clock.now();
        let wire = &connections.by_role;
        let last_stable = async {
            match cluster.lag.isolation {
                Isolation::ReadCommitted => offsets(wire, &wanted, OffsetSpec::LastStable).await,
                Isolation::ReadUncommitted => FoundOffsets::default(),
            }
        };
        let tiered = tiered(&wanted, |name| memory.topology.is_tiered(name));
        let (latest, earliest, last_stable, local, remote) = tokio::join!(
            offsets(wire, &wanted, OffsetSpec::Latest),
            offsets(wire, &wanted, OffsetSpec::Earliest),
            last_stable,
            offsets(wire, &tiered, OffsetSpec::EarliestLocal),
            offsets(wire, &tiered, OffsetSpec::LatestTiered)
        );
        let found = LogOffsets { latest, earliest, last_stable };
        let mut observed = memory.topics.observe(asked.metadata(), &found, sampled, &mut memory.faults);
        let moved = observed.moved(|name| wants_freshness(cluster, name));
        let newest = offsets(wire, moved, OffsetSpec::MaxTimestamp).await;
        memory.topics.date(observed, &newest, latest_ms(), &mut memory.faults);
        memory.topics.tiers(&local, &remote, &mut memory.faults);
        memory.topics.compacted(|name| memory.topology.is_compacted(name));
        asked
            .commits_mut()
            .place_share_groups(|topic, number| memory.topics.of(topic)?.log(number)?.ends.end);
        Self { asked }
    }

    pub(super) fn asked(&self) -> &Asked {
        &self.asked
    }

    pub(super) fn into_asked(self) -> Asked {
        self.asked
    }
}

fn wants_lag(cluster: &config::Cluster, topic: &str) -> bool {
    cluster.lag.enabled && cluster.lag.topics.covers(topic)
}

fn wants_freshness(cluster: &config::Cluster, topic: &str) -> bool {
    cluster.freshness.enabled && cluster.freshness.topics.covers(topic)
}

/// The partitions of tiered topics, by leader.
fn tiered(wanted: &ByLeader, is_tiered: impl Fn(&str) -> bool) -> ByLeader {
    let of_leader = |(leader, topics): (&BrokerId, &BTreeMap<Arc<str>, Vec<i32>>)| {
        let topics = topics.iter().filter(|(name, _)| is_tiered(name));
        let topics: BTreeMap<_, _> = topics.map(|(name, numbers)| (name.clone(), numbers.clone())).collect();
        (!topics.is_empty()).then_some((*leader, topics))
    };
    wanted.iter().filter_map(of_leader).collect()
}

/// The watched partitions by leader, and those without a leader, each of which is counted as a failure.
fn partitions(context: &mut Context<'_>, asked: &Asked) -> (ByLeader, Leaderless) {
    let Context { cluster, memory, .. } = context;
    let mut wanted = ByLeader::new();
    let mut leaderless = Leaderless::new();
    for (name, topic) in asked.metadata().topics.iter() {
        if !(wants_lag(cluster, name) || wants_freshness(cluster, name)) {
            continue;
        }
        let topic = match topic {
            Ok(topic) => topic,
            Err(fault) => {
                memory.faults.count(Api::ListOffsets, *fault);
                continue;
            }
        };
        let name: Arc<str> = memory.topics.name(name);
        for (number, partition) in &topic.partitions {
            match partition.leader {
                Some(leader) => {
                    wanted.entry(leader).or_default().entry(name.clone()).or_default().push(*number);
                }
                None => {
                    memory.faults.count(Api::ListOffsets, Fault::NoLeader);
                    leaderless.push(TopicPartition::new(&name, *number));
                }
            }
        }
    }
    (wanted, leaderless)
}
