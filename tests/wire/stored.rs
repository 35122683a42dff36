//! Record batches with a record, byte for byte as brokers store them.

use kafka_protocol::messages::{
    FetchRequest, FetchResponse,
    fetch_response::{FetchableTopicResponse, PartitionData},
};

/// A number of variable length, as records have it.
fn varint(number: i64) -> Vec<u8> {
    let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

/// A batch with one record, as a broker stores it.
pub(crate) fn stored(offset: i64, epoch: i32, value: &[u8]) -> Vec<u8> {
    with_one_record(offset, epoch, 0, None, value)
}

/// The control batch that ends a committed transaction, as a broker stores it.
pub(crate) fn commit_marker(offset: i64, epoch: i32) -> Vec<u8> {
    // A transactional control batch. The key has the version 0 and the type 1, and the value the version 0 and the epoch 0.
    with_one_record(offset, epoch, 0x30, Some(&[0, 0, 0, 1]), &[0; 6])
}

fn with_one_record(offset: i64, epoch: i32, attributes: i16, key: Option<&[u8]>, value: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| i64::try_from(bytes.len()).expect("a short record");
    let mut record = vec![0, 0, 0];
    record.extend(varint(key.map_or(-1, length)));
    record.extend(key.unwrap_or_default());
    record.extend(varint(length(value)));
    record.extend(value);
    record.extend(varint(0));
    let mut checked = vec![0; 40];
    checked[..2].copy_from_slice(&attributes.to_be_bytes());
    checked[36..40].copy_from_slice(&1_i32.to_be_bytes());
    checked.extend(varint(length(&record)));
    checked.extend(record);
    let mut bytes = offset.to_be_bytes().to_vec();
    bytes.extend(i32::try_from(checked.len() + 9).expect("a short batch").to_be_bytes());
    bytes.extend(epoch.to_be_bytes());
    bytes.push(2);
    bytes.extend(crc32c::crc32c(&checked).to_be_bytes());
    bytes.extend(checked);
    bytes
}

/// A log from 10 to 110 with these batches, or an error.
pub(crate) fn fetched(request: &FetchRequest, code: i16, batches: &[u8]) -> FetchResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let (start, end) = if code == 0 { (10, 110) } else { (-1, -1) };
            PartitionData::default()
                .with_partition_index(partition.partition)
                .with_error_code(code)
                .with_log_start_offset(start)
                .with_high_watermark(end)
                .with_records(Some(batches.to_vec().into()))
        });
        FetchableTopicResponse::default()
            .with_topic(topic.topic.clone())
            .with_partitions(partitions.collect())
    });
    FetchResponse::default().with_responses(topics.collect())
}
