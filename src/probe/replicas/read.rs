//! The requests of one cycle.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use crate::{
    kafka::{
        BrokerId, Fault,
        admin::{self, ByLeader, OffsetSpec, PARTITIONS_PER_FETCH, StoredBatch, Topic},
        wire,
    },
    task::within,
};

/// The name of the cycle in errors.
const CYCLE: &str = "replicas";

/// The time between two reads of a replica that does not have the record yet.
const PAUSE: Duration = Duration::from_millis(50);

/// A replica without the record waits with its answer for at most this time.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// One replica: a partition at a broker.
pub(super) type At = (i32, BrokerId);

/// What one replica returned.
#[derive(Debug, Clone, Default)]
pub(super) struct Read {
    /// How long it took until the replica showed the newest record. [`Fault::Timeout`] if it did not in time. `None` if it was not
    /// asked.
    pub(super) newest: Option<Result<Duration, Fault>>,
    /// Whether the replica answered and did not show the newest record in time.
    pub(super) late: bool,
    /// All batches that the replica returned.
    pub(super) batches: Vec<StoredBatch>,
    /// The offset after the older records that the replica returned. `None` if it returned none.
    pub(super) next: Option<i64>,
}

/// The offsets of a partition that are read from all its replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The first offset of the log.
    pub(super) start: i64,
    /// The newest committed record.
    pub(super) newest: i64,
    /// An older record of the partition.
    pub(super) older: i64,
}

/// The offsets of all partitions with a leader that have records. `pick` chooses between a partition's first offset and its newest.
pub(super) async fn choose(
    wire: &wire::Cluster,
    name: &Arc<str>,
    topic: &Topic,
    pick: impl Fn(i32, i64, i64) -> i64,
) -> BTreeMap<i32, Chosen> {
    let mut by_leader = ByLeader::new();
    for (number, partition) in &topic.partitions {
        if let Some(leader) = partition.leader {
            by_leader.entry(leader).or_default().entry(name.clone()).or_default().push(*number);
        }
    }
    let (starts, ends) = tokio::join!(
        admin::offsets(wire, &by_leader, OffsetSpec::Earliest),
        admin::offsets(wire, &by_leader, OffsetSpec::Latest),
    );
    let of = |found: &admin::FoundOffsets, number: &i32| Some(found.get(name)?.get(number)?.ok()??.offset);
    let chosen = topic.partitions.keys().filter_map(|number| {
        let (start, end) = (of(&starts, number)?, of(&ends, number)?);
        (end > start).then(|| {
            let newest = end - 1;
            (*number, Chosen { start, newest, older: pick(*number, start, newest).clamp(start, newest) })
        })
    });
    chosen.collect()
}

/// Reads the chosen records from every replica of these partitions, until `deadline`. A broker that does not answer fails for all
/// its replicas.
pub(super) async fn read(
    wire: &wire::Cluster,
    name: &str,
    topic: &Topic,
    chosen: &BTreeMap<i32, Chosen>,
    deadline: Instant,
) -> BTreeMap<At, Read> {
    let mut by_broker = BTreeMap::<BrokerId, BTreeMap<i32, Chosen>>::new();
    for (number, chosen) in chosen {
        let replicas = topic.partitions.get(number).into_iter().flat_map(|partition| &partition.replicas);
        replicas.for_each(|broker| _ = by_broker.entry(*broker).or_default().insert(*number, *chosen));
    }
    let reads = by_broker.into_iter().map(async |(broker, chosen)| {
        let chosen: BTreeMap<_, _> = chosen.into_iter().take(PARTITIONS_PER_FETCH).collect();
        let read = read_broker(wire, broker, name, &chosen, deadline).await;
        read.into_iter().map(move |(number, read)| ((number, broker), read))
    });
    join_all(reads).await.into_iter().flatten().collect()
}

async fn read_broker(
    wire: &wire::Cluster,
    broker: BrokerId,
    name: &str,
    chosen: &BTreeMap<i32, Chosen>,
    deadline: Instant,
) -> BTreeMap<i32, Read> {
    let begun = Instant::now();
    let mut reads: BTreeMap<i32, Read> = chosen.keys().map(|number| (*number, Read::default())).collect();
    let mut left: BTreeMap<i32, i64> =
        chosen.iter().map(|(number, chosen)| (*number, chosen.newest)).collect();
    while !left.is_empty() && Instant::now() < deadline {
        let wait = LONGEST_WAIT.min(deadline.saturating_duration_since(Instant::now()) / 3);
        let answer = within(deadline, CYCLE, admin::read_replica(wire, broker, name, &left, wait)).await;
        let took = begun.elapsed();
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                reads.values_mut().for_each(|read| _ = read.newest.get_or_insert(Err(error.fault())));
                return reads;
            }
        };
        for (number, found) in answer {
            let Some(read) = reads.get_mut(&number) else { continue };
            match found {
                Ok(batches) if batches.is_empty() => continue,
                Ok(batches) => {
                    read.batches.extend(batches);
                    read.newest = Some(Ok(took));
                }
                Err(fault) => read.newest = Some(Err(fault)),
            }
            left.remove(&number);
        }
        if !left.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    }
    for number in left.keys() {
        let Some(read) = reads.get_mut(number) else { continue };
        (read.newest, read.late) = (Some(Err(Fault::Timeout)), true);
    }
    let older: BTreeMap<i32, i64> = chosen.iter().map(|(number, chosen)| (*number, chosen.older)).collect();
    // An older record that is not returned says nothing: it may have been deleted.
    let answer =
        within(deadline, CYCLE, admin::read_replica(wire, broker, name, &older, Duration::ZERO)).await;
    for (number, batches) in answer.into_iter().flatten() {
        let (Some(read), Ok(batches)) = (reads.get_mut(&number), batches) else { continue };
        read.next = batches.last().map(|batch| batch.last.saturating_add(1));
        read.batches.extend(batches);
    }
    reads
}
