//! The topic of the records, and the partition of the next record.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    config,
    kafka::{
        BrokerId, Error, Fault,
        admin::{self, ReadAt, Topics},
        wire,
    },
    probe::topic::{Action, Policy, plan},
};

/// The partition of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) partition: i32,
    /// The leader of the partition. `None` while the partition has none.
    pub(super) leader: Option<BrokerId>,
    /// The epoch of the leader. `None` if it is not known.
    pub(super) leader_epoch: Option<i32>,
}

impl Place {
    /// What to read for the record at this offset.
    pub(super) fn at(&self, offset: i64) -> ReadAt {
        ReadAt { partition: self.partition, offset, leader_epoch: self.leader_epoch }
    }
}

/// The partition at which a record is read again.
pub(super) async fn find(wire: &wire::Cluster, topic: &Arc<str>, partition: i32) -> Result<Place, Error> {
    let places = all(wire, topic).await?;
    let place = places.into_iter().find(|place| place.partition == partition);
    place.ok_or_else(|| missing(topic, Fault::UnknownTopic))
}

/// The partition of a transaction by its turn among those with the same purpose: the partitions of the topic take turns.
///
/// # Errors
/// When no broker answered, the topic does not exist, or the principal may not see it.
pub(super) async fn next(wire: &wire::Cluster, topic: &Arc<str>, turn: u64) -> Result<Place, Error> {
    let mut places = all(wire, topic).await?;
    let turn = usize::try_from(turn).unwrap_or(0).checked_rem(places.len());
    turn.map(|turn| places.swap_remove(turn)).ok_or_else(|| missing(topic, Fault::UnknownTopic))
}

async fn all(wire: &wire::Cluster, topic: &Arc<str>) -> Result<Vec<Place>, Error> {
    let mut named = admin::metadata(wire, Topics::Named(&[topic])).await?;
    let found = named.topics.remove(&**topic).unwrap_or(Err(Fault::UnknownTopic));
    let found = found.map_err(|fault| missing(topic, fault))?;
    let place = |(partition, of): (i32, admin::Partition)| Place {
        partition,
        leader: of.leader,
        leader_epoch: of.leader_epoch,
    };
    Ok(found.partitions.into_iter().map(place).collect())
}

fn missing(topic: &str, fault: Fault) -> Error {
    Error::new(fault, format!("the topic {topic} of the transaction probe"))
}

/// Creates the topic as the heartbeat topic is created: with a partition for each broker.
///
/// # Errors
/// The broker's refusal, with its message.
pub(super) async fn create(
    wire: &wire::Cluster,
    topic: &str,
    cluster: &config::Cluster,
    brokers: &BTreeSet<BrokerId>,
) -> Result<(), Error> {
    let replication_factor = cluster.topic.replication_factor;
    let planned = plan(brokers, None, None, Policy { partitions: None, replication_factor });
    for action in planned {
        if let Action::Create { partitions, replication_factor, mut configs } = action {
            // A record that the broker compresses cannot be compared with the one that was written.
            configs.insert("compression.type", "producer".to_owned());
            admin::create_topic(wire, topic, partitions, replication_factor, &configs).await?;
            tracing::info!(
                cluster = cluster.name,
                topic,
                partitions,
                "created the topic of the transaction probe"
            );
        }
    }
    Ok(())
}
