//! A record as consumers of committed records get it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kafka_protocol::{
    ResponseError,
    messages::{
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::{AbortedTransaction, PartitionData},
    },
};

use super::{
    batch::{RecordAt, producer_at, record_at},
    fetch::fetch_request,
    protocol::{fault_of, topic_name},
    read_records::ReadAt,
};
use crate::kafka::{BrokerId, Error, Fault, wire};

/// From version 4 on a response names the aborted transactions, and from version 9 on a request names the leader epoch. From version
/// 13 on topics have only ids, and from version 12 on the encoding is flexible, whose decoder believes no long length.
const FETCH: wire::VersionRange = wire::VersionRange { lowest: 5, highest: 11 };

/// Kafka's number for consumers that read committed records alone.
const READ_COMMITTED: i8 = 1;

/// The largest number of bytes that are read. The first batch always comes whole.
const BYTES: i32 = 4096;

/// What a consumer of committed records gets at an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommittedRecord {
    /// Nothing yet: the last stable offset is not behind the record, because a transaction is open there, or the record is not
    /// replicated.
    Waits,
    /// Nothing: the record belongs to an aborted transaction, and consumers skip it.
    Aborted,
    /// What the batch at the offset has.
    Found(RecordAt),
    /// Nothing: the offset is not in the log any more, or not in the log of this leader.
    OutOfRange,
}

/// Reads the record at an offset from the leader, as a consumer of committed records does. If the record is not readable yet, the
/// leader waits for it for at most `wait`.
///
/// # Errors
/// When the leader did not answer, or refused the request.
pub async fn read_committed(
    cluster: &wire::Cluster,
    leader: BrokerId,
    topic: &Arc<str>,
    at: ReadAt,
    wait: Duration,
) -> Result<CommittedRecord, Error> {
    let partition = FetchPartition::default()
        .with_partition(at.partition)
        .with_fetch_offset(at.offset)
        .with_current_leader_epoch(at.leader_epoch.unwrap_or(-1))
        .with_partition_max_bytes(BYTES);
    let of_topic = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![partition]);
    let request = fetch_request(vec![of_topic])
        .with_isolation_level(READ_COMMITTED)
        .with_max_wait_ms(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(1)
        .with_max_bytes(BYTES);
    let answer = cluster.ask(leader, &request, FETCH).await?;
    let failed = |fault| Error::new(fault, "a Fetch of committed records");
    fault_of(answer.error_code).map_err(failed)?;
    let mut fetched = answer.responses.into_iter().flat_map(|topic| topic.partitions);
    let fetched = fetched.find(|fetched| fetched.partition_index == at.partition);
    let fetched = fetched.ok_or_else(|| failed(Fault::Protocol))?;
    read(fetched, at.offset).map_err(failed)
}

/// What an answer means for the record at an offset.
fn read(fetched: PartitionData, offset: i64) -> Result<CommittedRecord, Fault> {
    let is = |error: ResponseError| fetched.error_code == error.code();
    if is(ResponseError::OffsetOutOfRange) {
        return Ok(CommittedRecord::OutOfRange);
    }
    if is(ResponseError::OffsetNotAvailable) {
        return Ok(CommittedRecord::Waits);
    }
    fault_of(fetched.error_code)?;
    let records = fetched.records.unwrap_or_default();
    let aborted = fetched.aborted_transactions.unwrap_or_default();
    Ok(match record_at(records.clone(), offset) {
        None => CommittedRecord::Waits,
        // A leader sends nothing beyond the last stable offset, but only its own word for that is at hand.
        Some(_) if (0..=offset).contains(&fetched.last_stable_offset) => CommittedRecord::Waits,
        Some(_) if is_aborted(&records, offset, &aborted) => CommittedRecord::Aborted,
        Some((_, record)) => CommittedRecord::Found(record),
    })
}

/// Whether the record at an offset belongs to one of these transactions. The leader names each aborted transaction that ended at or
/// after the offset of the request, with the offset of its first record.
fn is_aborted(records: &Bytes, offset: i64, aborted: &[AbortedTransaction]) -> bool {
    let producer = producer_at(records.clone(), offset);
    aborted.iter().any(|one| Some(one.producer_id.0) == producer && one.first_offset <= offset)
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use kafka_protocol::messages::ProducerId;

    use super::*;

    /// The bytes of a batch with one record, which is `hi`, by this producer.
    fn batch(offset: i64, producer: i64) -> Bytes {
        // Attributes, time, offset, no key, the value of two bytes and no headers. Lengths are doubled in this encoding.
        let record = [0, 0, 0, 1, 2 * 2, b'h', b'i', 0];
        let mut checked = BytesMut::new();
        checked.put_i16(0x10);
        checked.put_i32(0);
        checked.put_i64(0);
        checked.put_i64(0);
        checked.put_i64(producer);
        checked.put_slice(&[0; 6]);
        checked.put_i32(1);
        checked.put_u8(8 * 2);
        checked.put_slice(&record);
        let mut bytes = BytesMut::new();
        bytes.put_i64(offset);
        bytes.put_i32(9 + i32::try_from(checked.len()).expect("a short batch"));
        bytes.put_i32(4);
        bytes.put_u8(2);
        bytes.put_u32(crc32c::crc32c(&checked));
        bytes.put_slice(&checked);
        bytes.freeze()
    }

    fn answer(stable: i64, records: Option<Bytes>, aborted: &[(i64, i64)]) -> PartitionData {
        let one = |(producer, first): &(i64, i64)| {
            AbortedTransaction::default().with_producer_id(ProducerId(*producer)).with_first_offset(*first)
        };
        PartitionData::default()
            .with_last_stable_offset(stable)
            .with_records(records)
            .with_aborted_transactions(Some(aborted.iter().map(one).collect()))
    }

    #[test]
    fn record_of_an_aborted_transaction_is_skipped_and_any_other_record_is_found() {
        let read = |stable, aborted: &[(i64, i64)]| read(answer(stable, Some(batch(7, 42)), aborted), 7);
        let found = Ok(CommittedRecord::Found(RecordAt::Value(Bytes::from_static(b"hi"))));
        assert_eq!(read(9, &[]), found);
        assert_eq!(read(9, &[(42, 7)]), Ok(CommittedRecord::Aborted));
        assert_eq!(read(9, &[(42, 5)]), Ok(CommittedRecord::Aborted), "the transaction began before");
        assert_eq!(read(9, &[(42, 8), (43, 7)]), found, "a later transaction, and another producer");
    }

    #[test]
    fn record_waits_until_the_last_stable_offset_is_behind_it() {
        assert_eq!(read(answer(7, None, &[]), 7), Ok(CommittedRecord::Waits));
        assert_eq!(read(answer(7, Some(batch(7, 42)), &[]), 7), Ok(CommittedRecord::Waits));
        let refused = |error: ResponseError| read(answer(0, None, &[]).with_error_code(error.code()), 7);
        assert_eq!(refused(ResponseError::OffsetOutOfRange), Ok(CommittedRecord::OutOfRange));
        assert_eq!(refused(ResponseError::OffsetNotAvailable), Ok(CommittedRecord::Waits));
        assert_eq!(refused(ResponseError::NotLeaderOrFollower), Err(Fault::NoLeader));
        assert_eq!(refused(ResponseError::TopicAuthorizationFailed), Err(Fault::Authorization));
    }
}
