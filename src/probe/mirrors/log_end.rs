//! The requests of a cycle: both ends of the mirrored logs.

use std::{collections::BTreeMap, sync::Arc};

use crate::kafka::{
    Fault, TopicPartition,
    admin::{self, ByLeader, OffsetSpec, TimesByLeader, Topic},
    wire,
};

/// One end of the log of each of these partitions.
///
/// # Errors
/// The fault of the first partition that has no leader or whose leader does not answer.
pub(super) async fn log_ends(
    wire: &wire::Cluster,
    name: &Arc<str>,
    topic: &Topic,
    partitions: &[i32],
    spec: OffsetSpec,
) -> Result<BTreeMap<i32, i64>, Fault> {
    let mut wanted = ByLeader::new();
    for number in partitions {
        let leader = topic.partitions.get(number).and_then(|partition| partition.leader);
        let leader = leader.ok_or(Fault::NoLeader)?;
        wanted.entry(leader).or_default().entry(name.clone()).or_default().push(*number);
    }
    let mut found = admin::offsets(wire, &wanted, spec).await.remove(name).unwrap_or_default();
    let end = |number: &i32| {
        let found = found.remove(number).unwrap_or(Err(Fault::Protocol))?;
        Ok((*number, found.ok_or(Fault::Protocol)?.offset))
    };
    partitions.iter().map(end).collect()
}

/// The partitions that have nothing but control batches between their positions and the log ends, as after a transaction of the
/// mirror. A partition of which that is not known is left out.
pub(super) async fn only_control_batches(
    wire: &wire::Cluster,
    name: &Arc<str>,
    topic: &Topic,
    behind: &BTreeMap<i32, i64>,
    ends: &BTreeMap<i32, i64>,
) -> Vec<i32> {
    let mut wanted = TimesByLeader::new();
    for (number, position) in behind {
        let Some(leader) = topic.partitions.get(number).and_then(|partition| partition.leader) else {
            continue;
        };
        wanted.entry(leader).or_default().entry(name.clone()).or_default().push((*number, *position));
    }
    let read = admin::fetch_batch_headers(wire, &wanted).await;
    let is_at_end = |(number, position): &(&i32, &i64)| {
        let Some(Ok(batches)) = read.get(&TopicPartition::new(name, **number)) else { return false };
        let after = batches.iter().filter(|batch| batch.last >= **position);
        let reached = after.clone().map(|batch| batch.last + 1).max();
        after.clone().all(|batch| batch.control) && reached >= ends.get(number).copied()
    };
    behind.iter().filter(is_at_end).map(|(number, _)| *number).collect()
}
