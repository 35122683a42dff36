//! Record batches as one replica has them. Every replica serves consumers (KIP-392), not only the leader.

use std::{collections::BTreeMap, time::Duration};

use kafka_protocol::ResponseError;

use super::{
    batch::{StoredBatch, stored_batches},
    fetch::{fetch_request, fetch_topic},
    protocol::fault_of,
};
use crate::kafka::{BrokerId, Error, Fault, wire};

/// Before version 11 followers refuse consumers. From version 13 on topics have only ids, and from version 12 on the encoding is
/// flexible, whose decoder believes no long length.
const FETCH: wire::VersionRange = wire::VersionRange { lowest: 11, highest: 11 };

/// The batches at these offsets of a topic's partitions, from one replica. An empty list stands for a partition that the replica
/// does not have up to this offset, or not from this offset on. A partition that cannot be read has the fault. If no batch is
/// there, the replica waits for one for at most `wait`. At most [`super::PARTITIONS_PER_FETCH`] partitions get an answer.
///
/// # Errors
/// When the broker did not answer.
pub async fn read_replica(
    cluster: &wire::Cluster,
    replica: BrokerId,
    topic: &str,
    offsets: &BTreeMap<i32, i64>,
    wait: Duration,
) -> Result<BTreeMap<i32, Result<Vec<StoredBatch>, Fault>>, Error> {
    let offsets_of = offsets.iter().map(|(partition, offset)| (*partition, *offset));
    let request = fetch_request(vec![fetch_topic(topic, offsets_of)])
        .with_max_wait_ms(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(1);
    let answer = cluster.ask(replica, &request, FETCH).await?;
    fault_of(answer.error_code).map_err(|fault| Error::new(fault, "a Fetch from a replica"))?;
    let mut found: BTreeMap<_, _> =
        offsets.keys().map(|partition| (*partition, Err(Fault::Protocol))).collect();
    for fetched in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
        let Some(found) = found.get_mut(&fetched.partition_index) else { continue };
        let is_absent = [ResponseError::OffsetOutOfRange, ResponseError::OffsetNotAvailable]
            .iter()
            .any(|error| error.code() == fetched.error_code);
        *found = match fault_of(fetched.error_code) {
            Err(_) if is_absent => Ok(Vec::new()),
            read => read.map(|()| stored_batches(fetched.records.unwrap_or_default())),
        };
    }
    Ok(found)
}
