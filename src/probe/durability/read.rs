//! The requests of one cycle.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use futures_util::future::join_all;

use super::state::Due;
use crate::{
    kafka::{
        BrokerId, Fault,
        admin::{self, PARTITIONS_PER_FETCH, ReadAt, ReadLog, Topic},
        wire,
    },
    task::within,
};

/// The name of the cycle in errors.
const CYCLE: &str = "durability";

/// The next samples, at most one of each partition, that one request to each leader reads. They are taken out of `due`. A partition
/// without a leader is given up.
pub(super) fn next_round(
    topic: &Topic,
    due: &mut BTreeMap<i32, VecDeque<Due>>,
) -> BTreeMap<BrokerId, Vec<Due>> {
    let mut round = BTreeMap::<BrokerId, Vec<Due>>::new();
    due.retain(|partition, samples| {
        let leader = topic.partitions.get(partition).and_then(|partition| partition.leader);
        let Some(leader) = leader else { return false };
        round.entry(leader).or_default().extend(samples.front().cloned());
        true
    });
    for wanted in round.values_mut() {
        // The batch of the first partition comes whole, however large it is. The sample that waits for longest is first.
        wanted.sort_by_key(|due| due.sample.acknowledged);
        wanted.truncate(PARTITIONS_PER_FETCH);
        for taken in wanted.iter() {
            due.get_mut(&taken.sample.partition).and_then(VecDeque::pop_front);
        }
    }
    due.retain(|_, samples| !samples.is_empty());
    round
}

/// Reads the samples from their leaders, until `deadline`. A leader that does not answer fails for all its samples.
pub(super) async fn read(
    wire: &wire::Cluster,
    name: &Arc<str>,
    topic: &Topic,
    round: BTreeMap<BrokerId, Vec<Due>>,
    bytes: usize,
    deadline: Instant,
) -> Vec<(Due, Result<ReadLog, Fault>)> {
    let reads = round.into_iter().map(async |(leader, wanted)| {
        let at = |due: &Due| {
            let partition = topic.partitions.get(&due.sample.partition);
            let leader_epoch = partition.and_then(|partition| partition.leader_epoch);
            ReadAt { partition: due.sample.partition, offset: due.sample.offset, leader_epoch }
        };
        let at: Vec<_> = wanted.iter().map(at).collect();
        let answer = within(deadline, CYCLE, admin::read_records(wire, leader, name, &at, bytes)).await;
        let of = |due: &Due| match &answer {
            Ok(answer) => answer.get(&due.sample.partition).cloned().unwrap_or(Err(Fault::Protocol)),
            Err(error) => Err(error.fault()),
        };
        wanted.into_iter().map(|due| (of(&due), due)).map(|(read, due)| (due, read)).collect::<Vec<_>>()
    });
    join_all(reads).await.into_iter().flatten().collect()
}
