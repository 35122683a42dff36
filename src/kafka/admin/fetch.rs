//! Heads of record batches: what kind of records are at an offset, without reading any.

use std::{collections::BTreeMap, sync::Arc};

use bytes::{Buf, Bytes};
use futures_util::future::join_all;
use kafka_protocol::messages::{
    self, FetchRequest,
    fetch_request::{FetchPartition, FetchTopic},
};

use super::{TimesByLeader, check, topic_name};
use crate::kafka::{BrokerId, Fault, wire};

/// From 13 on topics have ids alone.
const FETCH: wire::Range = wire::Range { lowest: 4, highest: 12 };

/// Of each partition; what is longer is cut off, or left out.
const PARTITION_BYTES: i32 = 4096;
/// Of a whole answer: 64 partitions share one question at most.
const ANSWER_BYTES: i32 = 64 * PARTITION_BYTES;

/// The head of a record batch: 61 bytes.
const HEAD: usize = 61;
/// From the beginning of a batch to behind its length.
const BEFORE_LENGTH: usize = 12;
/// The only format that is read.
const MAGIC: u8 = 2;
/// The bit of a batch that holds markers of transactions and no records.
const CONTROL: i16 = 0x20;

/// A record batch, by its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The offset of its first record.
    pub first: i64,
    /// The offset of its last record.
    pub last: i64,
    /// It holds markers of transactions, which no application ever sees.
    pub control: bool,
}

/// The batches at these offsets, as many as come in a few kilobytes, by topic and partition.
pub async fn batches(
    cluster: &wire::Cluster,
    wanted: &TimesByLeader,
) -> BTreeMap<(Arc<str>, i32), Result<Vec<Batch>, Fault>> {
    let asked = wanted.iter().map(|(leader, topics)| ask_leader(cluster, *leader, topics));
    join_all(asked).await.into_iter().flatten().collect()
}

async fn ask_leader(
    cluster: &wire::Cluster,
    leader: BrokerId,
    topics: &BTreeMap<Arc<str>, Vec<(i32, i64)>>,
) -> BTreeMap<(Arc<str>, i32), Result<Vec<Batch>, Fault>> {
    let wanted = topics.iter().map(|(name, partitions)| {
        let partitions = partitions.iter().map(|(partition, offset)| {
            FetchPartition::default()
                .with_partition(*partition)
                .with_fetch_offset(*offset)
                .with_partition_max_bytes(PARTITION_BYTES)
        });
        FetchTopic::default().with_topic(topic_name(name)).with_partitions(partitions.collect())
    });
    let request = FetchRequest::default()
        .with_replica_id(messages::BrokerId(-1))
        .with_max_wait_ms(0)
        .with_min_bytes(0)
        .with_max_bytes(ANSWER_BYTES)
        .with_session_epoch(-1)
        .with_topics(wanted.collect());
    let places = || {
        topics.iter().flat_map(|(name, list)| list.iter().map(|(partition, _)| (name.clone(), *partition)))
    };
    let answer = match cluster.ask(leader, &request, FETCH).await {
        Ok(answer) => answer,
        Err(error) => return places().map(|place| (place, Err(error.fault()))).collect(),
    };
    let mut found: BTreeMap<_, _> = places().map(|place| (place, Err(Fault::Protocol))).collect();
    for topic in answer.responses {
        for told in topic.partitions {
            if let Some(place) = found.get_mut(&(topic.topic.0.as_str().into(), told.partition_index)) {
                *place = check(told.error_code, "", None)
                    .map_err(|error| error.fault())
                    .map(|()| heads(told.records.unwrap_or_default()));
            }
        }
    }
    found
}

/// The heads of batches; ends at the first that is not whole enough, or in another format.
fn heads(mut records: Bytes) -> Vec<Batch> {
    let mut batches = Vec::new();
    while records.len() >= HEAD {
        let mut head = records.slice(..HEAD);
        let first = head.get_i64();
        let length = usize::try_from(head.get_i32()).unwrap_or(0);
        let (_epoch, magic, _crc) = (head.get_i32(), head.get_u8(), head.get_u32());
        let attributes = head.get_i16();
        let last = first.saturating_add(i64::from(head.get_i32()));
        if magic != MAGIC || last < first {
            break;
        }
        batches.push(Batch { first, last, control: attributes & CONTROL != 0 });
        let Some(size) =
            length.checked_add(BEFORE_LENGTH).filter(|size| *size >= HEAD && *size <= records.len())
        else {
            break;
        };
        records.advance(size);
    }
    batches
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use proptest::prelude::*;

    use super::*;

    fn batch(first: i64, records: i32, attributes: i16, body: usize) -> BytesMut {
        let mut bytes = BytesMut::new();
        bytes.put_i64(first);
        bytes.put_i32((HEAD - BEFORE_LENGTH + body) as i32);
        bytes.put_i32(0);
        bytes.put_u8(MAGIC);
        bytes.put_u32(0);
        bytes.put_i16(attributes);
        bytes.put_i32(records - 1);
        bytes.put_slice(&vec![0; HEAD - 27 + body]);
        bytes
    }

    #[test]
    fn heads_are_read_until_one_is_cut_off() {
        let mut log = batch(10, 5, 0, 40);
        log.extend_from_slice(&batch(15, 1, CONTROL | 0x10, 20));
        log.extend_from_slice(&batch(16, 100, 0, 5000)[..100]);
        let expected = [
            Batch { first: 10, last: 14, control: false },
            Batch { first: 15, last: 15, control: true },
            Batch { first: 16, last: 115, control: false },
        ];
        assert_eq!(heads(log.clone().freeze()), expected);
        log.truncate(200);
        assert_eq!(heads(log.freeze()), expected[..2], "less than a head is nothing");
        let mut old = batch(1, 1, 0, 0);
        old[16] = 1;
        assert_eq!(heads(old.freeze()), [], "another format");
    }

    proptest! {
        /// Whatever a broker sends, reading ends.
        #[test]
        fn garbage_is_no_batch_for_ever(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let count = bytes.len() / HEAD + 1;
            prop_assert!(heads(Bytes::from(bytes)).len() <= count);
        }
    }
}
