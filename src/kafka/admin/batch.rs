//! Record batches: their headers, which show the kind and the timestamps of the records without reading them, and their checksums.

use bytes::{Buf, Bytes};

/// The length of a batch header in bytes.
const HEADER_BYTES: usize = 61;
/// The bytes of a record batch that its length does not count: the first offset and the length itself.
const UNCOUNTED_BYTES: usize = 12;
/// The bytes of a record batch that its checksum does not cover: those before the attributes.
const UNCHECKED_BYTES: usize = 21;
/// The version of the format. Older formats are not read.
const MAGIC: u8 = 2;
/// The bits of the attributes for the kind of compression.
const COMPRESSION: i16 = 0x07;
/// The bit of the attributes for timestamps that the broker set when it appended the batch.
const APPEND_TIME: i16 = 0x08;
/// The bit of the attributes for a control batch.
const CONTROL: i16 = 0x20;
/// The bit of the attributes for a compacted batch whose first timestamp is a delete horizon.
const DELETE_HORIZON: i16 = 0x40;

/// The header of a record batch. Times are in milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset of the first record.
    pub first: i64,
    /// The offset of the last record.
    pub last: i64,
    /// Whether it is a control batch, which holds the ends of transactions and which no application sees.
    pub control: bool,
    /// The timestamp of the first record. Absent if the record has none.
    pub first_ms: Option<i64>,
    /// The newest timestamp of the records. Absent if the records have none.
    pub newest_ms: Option<i64>,
    /// The timestamp of the first record at or after the requested offset, from the header of the record itself. Absent if
    /// the batch is compressed, or if the record was not fetched.
    pub asked_ms: Option<i64>,
}

/// A record batch as a replica has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBatch {
    /// The offset of the first record.
    pub first: i64,
    /// The offset of the last record.
    pub last: i64,
    /// The checksum that the header names.
    pub checksum: u32,
    /// Whether the bytes have this checksum.
    pub intact: bool,
}

/// The headers of fetched record batches. Reading ends at the first incomplete header and at the first batch in another
/// format. `asked` is the requested offset.
pub(crate) fn batch_headers(mut records: Bytes, asked: i64) -> Vec<BatchHeader> {
    let mut batches = Vec::new();
    while let Some(fields) = Fields::read(&records) {
        batches.push(fields.header(&records, asked));
        let Some(size) = fields.size.filter(|size| *size <= records.len()) else { break };
        records.advance(size);
    }
    batches
}

/// The complete batches among these bytes. Reading ends at the first incomplete batch and at the first batch in another format.
pub(crate) fn stored_batches(mut records: Bytes) -> Vec<StoredBatch> {
    let mut batches = Vec::new();
    while let Some(Fields { size: Some(size), first, last, checksum, .. }) = Fields::read(&records)
        && size <= records.len()
    {
        let intact = crc32c::crc32c(&records[UNCHECKED_BYTES..size]) == checksum;
        batches.push(StoredBatch { first, last, checksum, intact });
        records.advance(size);
    }
    batches
}

/// What a record batch has at an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordAt {
    /// A record with this value, which is empty if the record has none.
    Value(Bytes),
    /// No record: the batch has records before and after the offset, or all of its records are after it.
    Absent,
    /// The bytes of the batch do not have the checksum that the header names.
    Damaged,
    /// The batch is compressed, and its records are not read.
    Compressed,
}

/// What the first batch with records at or after an offset has at that offset, and the leader epoch in which the batch was written.
/// `None` if these bytes do not hold this batch as a whole.
pub(crate) fn record_at(mut records: Bytes, offset: i64) -> Option<(i32, RecordAt)> {
    loop {
        let fields = Fields::read(&records)?;
        let size = fields.size.filter(|size| *size <= records.len())?;
        if fields.last < offset {
            records.advance(size);
            continue;
        }
        let batch = records.slice(..size);
        let record = if crc32c::crc32c(&batch[UNCHECKED_BYTES..]) != fields.checksum {
            RecordAt::Damaged
        } else if fields.first > offset {
            RecordAt::Absent
        } else if fields.attributes & COMPRESSION != 0 {
            RecordAt::Compressed
        } else {
            let value = value_at(batch.slice(HEADER_BYTES..), offset - fields.first);
            value.map_or(RecordAt::Absent, RecordAt::Value)
        };
        return Some((fields.epoch, record));
    }
}

/// The id of the producer that wrote the first batch with records at or after an offset. `None` if these bytes do not hold this
/// batch as a whole, or if the producer has no id.
pub(crate) fn producer_at(mut records: Bytes, offset: i64) -> Option<i64> {
    loop {
        let fields = Fields::read(&records)?;
        let size = fields.size.filter(|size| *size <= records.len())?;
        if fields.last >= offset {
            return Some(fields.producer).filter(|producer| *producer >= 0);
        }
        records.advance(size);
    }
}

/// The value of the record with this difference between its offset and that of the batch. `None` if there is no such record.
fn value_at(mut records: Bytes, delta: i64) -> Option<Bytes> {
    loop {
        let length = usize::try_from(varint(&mut records)?).ok().filter(|length| *length <= records.len())?;
        let mut record = records.split_to(length);
        record.try_get_i8().ok()?;
        let (_, at) = (varint(&mut record)?, varint(&mut record)?);
        if at == delta {
            let key = field(&mut record)?;
            drop(key);
            return field(&mut record);
        }
    }
}

/// A key or a value with its length before it. A field that is null is empty. `None` if it is not complete.
fn field(record: &mut Bytes) -> Option<Bytes> {
    let length = varint(record)?;
    if length < 0 {
        return Some(Bytes::new());
    }
    let length = usize::try_from(length).ok().filter(|length| *length <= record.len())?;
    Some(record.split_to(length))
}

/// The fields of the header of a batch.
struct Fields {
    /// The size of the batch in bytes. `None` if it is implausible.
    size: Option<usize>,
    first: i64,
    last: i64,
    /// The epoch of the leader that wrote the batch.
    epoch: i32,
    checksum: u32,
    attributes: i16,
    base_ms: i64,
    newest_ms: Option<i64>,
    /// The id of the producer; −1 if it is not idempotent.
    producer: i64,
}

impl Fields {
    /// The header of the first batch. `None` if it is incomplete, or the batch has another format.
    fn read(records: &Bytes) -> Option<Self> {
        let mut header = records.get(..HEADER_BYTES)?;
        let first = header.get_i64();
        let length = usize::try_from(header.get_i32()).unwrap_or(0);
        let epoch = header.get_i32();
        let magic = header.get_u8();
        let checksum = header.get_u32();
        let attributes = header.get_i16();
        let last = first.saturating_add(i64::from(header.get_i32()));
        let base_ms = header.get_i64();
        let newest_ms = present(header.get_i64());
        let producer = header.get_i64();
        let size = length.checked_add(UNCOUNTED_BYTES).filter(|size| *size >= HEADER_BYTES);
        let fields = Self { size, first, last, epoch, checksum, attributes, base_ms, newest_ms, producer };
        (magic == MAGIC && last >= first).then_some(fields)
    }

    /// The header with the times of the records, which are read from `records`.
    fn header(&self, records: &Bytes, asked: i64) -> BatchHeader {
        let Self { size, first, last, base_ms, newest_ms, .. } = *self;
        let has = |bits: i16| self.attributes & bits != 0;
        let first_ms;
        let mut asked_ms = None;
        if has(APPEND_TIME) {
            // The broker sets the same time for all records of a batch.
            first_ms = newest_ms;
            asked_ms = newest_ms;
        } else {
            first_ms = if has(DELETE_HORIZON) { None } else { present(base_ms) };
            if !has(COMPRESSION) && last >= asked {
                let body = records.slice(HEADER_BYTES..size.unwrap_or(HEADER_BYTES).min(records.len()));
                let delta = delta_at(body, asked.saturating_sub(first));
                asked_ms = delta.and_then(|delta| present(base_ms.saturating_add(delta)));
            }
        }
        BatchHeader { first, last, control: has(CONTROL), first_ms, newest_ms, asked_ms }
    }
}

/// A timestamp in milliseconds. `None` for −1, with which Kafka says that there is none.
fn present(timestamp_ms: i64) -> Option<i64> {
    (timestamp_ms >= 0).then_some(timestamp_ms)
}

/// The difference between the timestamps of the first record at or after an offset and of the batch, in milliseconds. Only
/// the headers of records are read. `None` if the record was not fetched.
fn delta_at(mut records: Bytes, offset: i64) -> Option<i64> {
    loop {
        let length = usize::try_from(varint(&mut records)?).ok()?;
        let mut record = records.slice(..length.min(records.len()));
        record.try_get_i8().ok()?;
        let (time, at) = (varint(&mut record)?, varint(&mut record)?);
        if at >= offset {
            return Some(time);
        }
        if length > records.len() {
            return None;
        }
        records.advance(length);
    }
}

/// Reads a signed integer of variable length in the encoding of records. `None` if the bytes end before it.
fn varint(bytes: &mut Bytes) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = bytes.try_get_u8().ok()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use proptest::prelude::*;

    use super::*;

    /// The bytes of a batch of records with these timestamps.
    fn batch(first: i64, attributes: i16, times: &[i64]) -> BytesMut {
        let mut records = BytesMut::new();
        for (at, time) in (0..).zip(times) {
            let mut record = BytesMut::new();
            record.put_u8(0);
            put_varint(&mut record, time - times[0]);
            put_varint(&mut record, at);
            record.put_slice(&[7; 30]);
            put_varint(&mut records, record.len() as i64);
            records.put_slice(&record);
        }
        let mut bytes = BytesMut::new();
        bytes.put_i64(first);
        bytes.put_i32((HEADER_BYTES - UNCOUNTED_BYTES + records.len()) as i32);
        bytes.put_i32(0);
        bytes.put_u8(MAGIC);
        bytes.put_u32(0);
        bytes.put_i16(attributes);
        bytes.put_i32(times.len() as i32 - 1);
        bytes.put_i64(times[0]);
        bytes.put_i64(*times.iter().max().expect("records"));
        bytes.put_slice(&[0; HEADER_BYTES - 43]);
        bytes.put_slice(&records);
        bytes
    }

    fn put_varint(bytes: &mut BytesMut, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        while rest >= 0x80 {
            bytes.put_u8(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.put_u8(rest as u8);
    }

    fn ranges(batches: &[BatchHeader]) -> Vec<(i64, i64, bool)> {
        batches.iter().map(|batch| (batch.first, batch.last, batch.control)).collect()
    }

    #[test]
    fn batch_headers_are_read_until_one_is_incomplete() {
        let mut log = batch(10, 0, &[5; 5]);
        log.extend_from_slice(&batch(15, CONTROL | 0x10, &[9]));
        let whole = log.len();
        log.extend_from_slice(&batch(16, 0, &[7; 100])[..100]);
        let expected = [(10, 14, false), (15, 15, true), (16, 115, false)];
        assert_eq!(ranges(&batch_headers(log.clone().freeze(), 10)), expected);
        log.truncate(whole + HEADER_BYTES - 1);
        assert_eq!(
            ranges(&batch_headers(log.freeze(), 10)),
            expected[..2],
            "an incomplete header is not read"
        );
        let mut old = batch(1, 0, &[1]);
        old[16] = 1;
        assert_eq!(batch_headers(old.freeze(), 1), [], "another format");
    }

    #[test]
    fn record_has_the_timestamp_of_its_own_header_if_that_can_be_read() {
        let times = [5_000, 300, 7_000_000];
        let one = |attributes, offset| batch_headers(batch(10, attributes, &times).freeze(), offset)[0];
        let dates = |batch: BatchHeader| (batch.first_ms, batch.newest_ms, batch.asked_ms);
        let (first, newest) = (Some(5_000), Some(7_000_000));
        assert_eq!(dates(one(0, 10)), (first, newest, first));
        assert_eq!(dates(one(0, 11)), (first, newest, Some(300)), "older than the first");
        assert_eq!(dates(one(0, 12)), (first, newest, newest));
        assert_eq!(dates(one(0, 13)), (first, newest, None), "not in this batch");
        assert_eq!(dates(one(0, 3)), (first, newest, first), "the first after the offset");
        assert_eq!(dates(one(2, 11)), (first, newest, None), "compressed");
        assert_eq!(dates(one(2 | APPEND_TIME, 11)), (newest, newest, newest));
        assert_eq!(dates(one(DELETE_HORIZON, 11)), (None, newest, Some(300)));
        let cut = batch(10, 0, &times);
        let cut = cut.freeze().slice(..HEADER_BYTES + 40);
        assert_eq!(dates(batch_headers(cut.clone(), 10)[0]), (first, newest, first));
        assert_eq!(dates(batch_headers(cut, 12)[0]), (first, newest, None), "cut off before the record");
        let none = batch(10, 0, &[-1, -1]);
        assert_eq!(dates(batch_headers(none.freeze(), 10)[0]), (None, None, None));
    }

    proptest! {
        /// Reading ends for any bytes.
        #[test]
        fn batch_headers_of_garbage_are_not_more_than_its_bytes_allow(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let count = bytes.len() / HEADER_BYTES + 1;
            prop_assert!(batch_headers(Bytes::from(bytes), 3).len() <= count);
        }
    }

    /// The batch with its checksum.
    fn sealed(mut batch: BytesMut) -> Vec<u8> {
        let checksum = crc32c::crc32c(&batch[UNCHECKED_BYTES..]);
        batch[UNCHECKED_BYTES - 4..UNCHECKED_BYTES].copy_from_slice(&checksum.to_be_bytes());
        batch.to_vec()
    }

    #[test]
    fn flipped_bit_is_found_in_its_batch_alone_and_an_incomplete_batch_is_left_out() {
        let [one, two, three] = [7, 8, 9].map(|first| sealed(batch(first, 0, &[first])));
        let second = one.len();
        let mut bytes = [one, two, three].concat();
        let whole = stored_batches(bytes.clone().into());
        let state = |batches: &[StoredBatch]| {
            batches.iter().map(|batch| (batch.first, batch.last, batch.intact)).collect::<Vec<_>>()
        };
        assert_eq!(state(&whole), [(7, 7, true), (8, 8, true), (9, 9, true)]);
        bytes[second + HEADER_BYTES] ^= 1;
        let damaged = stored_batches(bytes.clone().into());
        assert_eq!(state(&damaged), [(7, 7, true), (8, 8, false), (9, 9, true)]);
        assert_eq!(damaged[1].checksum, whole[1].checksum);
        bytes.pop();
        assert_eq!(state(&stored_batches(bytes.into())), [(7, 7, true), (8, 8, false)]);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(stored_batches(bytes.into()).len() <= 4);
        }
    }
}
