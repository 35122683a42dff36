//! Records at given offsets, as the leaders of their partitions have them.

use std::{collections::BTreeMap, sync::Arc};

use kafka_protocol::{
    ResponseError,
    messages::fetch_request::{FetchPartition, FetchTopic},
};

use super::{
    batch::{RecordAt, record_at},
    fetch::{PARTITIONS_PER_FETCH, fetch_request},
    offsets::{ByLeader, FoundOffsets, OffsetSpec, offsets},
    protocol::{fault_of, topic_name},
};
use crate::kafka::{BrokerId, Error, Fault, wire};

/// From version 5 on a response names the log start offset, and from version 9 on a request names the leader epoch. From version 13 on
/// topics have only ids, and from version 12 on the encoding is flexible, whose decoder believes no long length.
const FETCH: wire::VersionRange = wire::VersionRange { lowest: 5, highest: 11 };

/// A record that is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadAt {
    /// The partition.
    pub partition: i32,
    /// The offset of the record.
    pub offset: i64,
    /// The epoch of the leader that is asked. A broker that leads in another epoch answers with an error. `None` if it is not known.
    pub leader_epoch: Option<i32>,
}

/// What the leader of a partition has at an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadLog {
    /// The first offset of the log; `None` if the leader did not report it.
    pub start: Option<i64>,
    /// The offset after the last committed record; `None` if the leader did not report it.
    pub end: Option<i64>,
    /// What is there.
    pub found: Found,
}

/// What the leader of a partition returned for an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The offset is before the first offset of the log, or after its last record.
    OutOfRange,
    /// Nothing. The record is not committed yet, or its batch is larger than what the leader returns.
    Nothing,
    /// The batch with this offset, or the first batch after it.
    Batch {
        /// The epoch of the leader that wrote the batch.
        leader_epoch: i32,
        /// What the batch has at the offset.
        record: RecordAt,
    },
}

/// Reads records of a topic from the leader of their partitions, at most `bytes` of each partition. The batch of the first partition
/// always comes whole. No partition may come twice. At most [`PARTITIONS_PER_FETCH`] partitions get an answer. A partition that
/// cannot be read has the fault. If an offset is out of range, two further requests ask for both ends of the log.
///
/// # Errors
/// When the leader did not answer.
pub async fn read_records(
    cluster: &wire::Cluster,
    leader: BrokerId,
    topic: &Arc<str>,
    wanted: &[ReadAt],
    bytes: usize,
) -> Result<BTreeMap<i32, Result<ReadLog, Fault>>, Error> {
    let wanted = &wanted[..wanted.len().min(PARTITIONS_PER_FETCH)];
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    let partitions = wanted.iter().map(|read| {
        FetchPartition::default()
            .with_partition(read.partition)
            .with_fetch_offset(read.offset)
            .with_current_leader_epoch(read.leader_epoch.unwrap_or(-1))
            .with_partition_max_bytes(bytes)
    });
    let of_topic = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(partitions.collect());
    let most = bytes.saturating_mul(i32::try_from(wanted.len()).unwrap_or(1));
    let answer = cluster.ask(leader, &fetch_request(vec![of_topic]).with_max_bytes(most), FETCH).await?;
    fault_of(answer.error_code).map_err(|fault| Error::new(fault, "a Fetch of acknowledged records"))?;
    let offset_of: BTreeMap<i32, i64> = wanted.iter().map(|read| (read.partition, read.offset)).collect();
    let mut read: BTreeMap<_, _> = offset_of.keys().map(|number| (*number, Err(Fault::Protocol))).collect();
    for fetched in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
        let number = fetched.partition_index;
        let (Some(read), Some(offset)) = (read.get_mut(&number), offset_of.get(&number)) else { continue };
        let reported = |offset: i64| Some(offset).filter(|offset| *offset >= 0);
        let (start, end) = (reported(fetched.log_start_offset), reported(fetched.high_watermark));
        *read = if fetched.error_code == ResponseError::OffsetOutOfRange.code() {
            Ok(ReadLog { start, end, found: Found::OutOfRange })
        } else if fetched.error_code == ResponseError::OffsetNotAvailable.code() {
            Ok(ReadLog { start, end, found: Found::Nothing })
        } else {
            let batch = || record_at(fetched.records.unwrap_or_default(), *offset);
            let found = || match batch() {
                Some((leader_epoch, record)) => Found::Batch { leader_epoch, record },
                None => Found::Nothing,
            };
            fault_of(fetched.error_code).map(|()| ReadLog { start, end, found: found() })
        };
    }
    ask_for_ends(cluster, leader, topic, &mut read).await;
    Ok(read)
}

/// Completes the answers for offsets that are out of range with both ends of the log. A leader that does not answer leaves them out.
async fn ask_for_ends(
    cluster: &wire::Cluster,
    leader: BrokerId,
    topic: &Arc<str>,
    read: &mut BTreeMap<i32, Result<ReadLog, Fault>>,
) {
    let out = read.iter_mut().filter_map(|(number, read)| Some((*number, read.as_mut().ok()?)));
    let mut out: BTreeMap<_, _> = out.filter(|(_, read)| read.found == Found::OutOfRange).collect();
    if out.is_empty() {
        return;
    }
    let numbers = BTreeMap::from([(topic.clone(), out.keys().copied().collect())]);
    let wanted = ByLeader::from([(leader, numbers)]);
    let (starts, ends) = tokio::join!(
        offsets(cluster, &wanted, OffsetSpec::Earliest),
        offsets(cluster, &wanted, OffsetSpec::Latest),
    );
    let of = |found: &FoundOffsets, number: &i32| Some(found.get(topic)?.get(number)?.ok()??.offset);
    for (number, read) in &mut out {
        (read.start, read.end) = (of(&starts, number), of(&ends, number));
    }
}
