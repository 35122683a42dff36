//! The requests of one cycle.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    kafka::{
        BrokerId, Error, Fault,
        admin::{self, ByLeader, Found, FoundOffsets, OffsetSpec, ReadAt, Topic},
        wire,
    },
    task::within,
};

/// The name of the cycle in errors.
const CYCLE: &str = "remote reads";

/// The time between two requests for a record that the broker has not got from remote storage yet.
const PAUSE: Duration = Duration::from_millis(100);

/// The largest answer, in bytes, unless the record itself is larger.
const LARGEST: usize = 64 * 1024;

/// The first record of each partition that is in remote storage alone, by leader: its partition and its offset. A leader without such
/// records has none, and one that did not answer for all of its partitions is absent.
pub(super) type Remote = BTreeMap<BrokerId, Vec<(i32, i64)>>;

/// The read of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    pub(super) leader: BrokerId,
    /// The partition and the offset of the record.
    pub(super) record: (i32, i64),
    /// How long it took. `None` if the record is no longer there, or another broker leads now.
    pub(super) result: Option<Result<Duration, Fault>>,
}

/// The first records that are in remote storage alone.
///
/// # Errors
/// [`Fault::Unsupported`] if no broker tells where its own copy of a log begins, and the fault of all brokers if none answered.
pub(super) async fn remote(wire: &wire::Cluster, name: &Arc<str>, topic: &Topic) -> Result<Remote, Error> {
    let mut by_leader = ByLeader::new();
    for (number, partition) in &topic.partitions {
        if let Some(leader) = partition.leader {
            by_leader.entry(leader).or_default().entry(name.clone()).or_default().push(*number);
        }
    }
    let offsets = |spec| admin::offsets(wire, &by_leader, spec);
    let (starts, locals) = tokio::join!(offsets(OffsetSpec::Earliest), offsets(OffsetSpec::EarliestLocal));
    let of = |found: &FoundOffsets, number: &i32| found.get(name)?.get(number).copied();
    let offset = |found: &FoundOffsets, number: &i32| Some(of(found, number)?.ok()??.offset);
    let both = |number: &i32| Some((*number, offset(&starts, number)?, offset(&locals, number)?));
    let of_leader = |(leader, topics): (&BrokerId, &BTreeMap<Arc<str>, Vec<i32>>)| {
        let offsets: Option<Vec<_>> = topics.values().flatten().map(both).collect();
        let remote = offsets?.into_iter().filter(|(_, start, local)| start < local);
        Some((*leader, remote.map(|(number, start, _)| (number, start)).collect()))
    };
    let remote: Remote = by_leader.iter().filter_map(of_leader).collect();
    let mut faults = topic.partitions.keys().map(|number| of(&locals, number).map(|found| found.err()));
    match faults.next().flatten().flatten() {
        Some(fault) if faults.all(|other| other == Some(Some(fault))) => {
            Err(Error::new(fault, "the offsets of the records in remote storage"))
        }
        _ => Ok(remote),
    }
}

/// Reads a record from the leader of its partition, and asks again while the leader answers without it.
pub(super) async fn read(
    wire: &wire::Cluster,
    name: &Arc<str>,
    leader: BrokerId,
    record: (i32, i64),
    deadline: Instant,
) -> Read {
    let begun = Instant::now();
    let (partition, offset) = record;
    let wanted = [ReadAt { partition, offset, leader_epoch: None }];
    let result = loop {
        let answer = within(deadline, CYCLE, admin::read_records(wire, leader, name, &wanted, LARGEST)).await;
        let read = answer.map_err(|error| error.fault());
        match read.and_then(|mut read| read.remove(&partition).unwrap_or(Err(Fault::Protocol))) {
            Ok(read) => match read.found {
                Found::Batch { .. } => break Some(Ok(begun.elapsed())),
                Found::OutOfRange => break None,
                Found::Nothing if Instant::now() + PAUSE >= deadline => break Some(Err(Fault::Timeout)),
                Found::Nothing => tokio::time::sleep(PAUSE).await,
            },
            Err(Fault::NoLeader) => break None,
            Err(fault) => break Some(Err(fault)),
        }
    };
    Read { leader, record, result }
}
