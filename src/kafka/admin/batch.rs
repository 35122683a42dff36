//! Heads of record batches: what kind of records are at an offset, without reading any.

use bytes::{Buf, Bytes};

/// The head of a record batch: 61 bytes.
const HEAD: usize = 61;
/// From the beginning of a batch to behind its length.
const BEFORE_LENGTH: usize = 12;
/// The only format that is read.
const MAGIC: u8 = 2;
/// The bits of a batch that name its compression.
const COMPRESSION: i16 = 0x07;
/// The bit of a batch whose records all carry the time of the broker.
const APPEND_TIME: i16 = 0x08;
/// The bit of a batch that holds markers of transactions and no records.
const CONTROL: i16 = 0x20;
/// The bit of a compacted batch whose first timestamp is none.
const DELETE_HORIZON: i16 = 0x40;

/// A record batch, by its head. Times in milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Batch {
    /// The offset of its first record.
    pub first: i64,
    /// The offset of its last record.
    pub last: i64,
    /// It holds markers of transactions, which no application ever sees.
    pub control: bool,
    /// The timestamp of its first record, where it has one.
    pub first_ms: Option<i64>,
    /// The newest timestamp of its records, where they have any.
    pub newest_ms: Option<i64>,
    /// The timestamp of the first record at or after the offset that was asked for: of a batch that is not
    /// compressed it stands in the record's own head.
    pub asked_ms: Option<i64>,
}

/// The heads of batches; ends at the first that is not whole enough, or in another format.
pub(crate) fn heads(mut records: Bytes, asked: i64) -> Vec<Batch> {
    let mut batches = Vec::new();
    while records.len() >= HEAD {
        let mut head = records.slice(..HEAD);
        let first = head.get_i64();
        let length = usize::try_from(head.get_i32()).unwrap_or(0);
        let (_epoch, magic, _crc) = (head.get_i32(), head.get_u8(), head.get_u32());
        let attributes = head.get_i16();
        let last = first.saturating_add(i64::from(head.get_i32()));
        let (base_ms, newest_ms) = (head.get_i64(), head.get_i64());
        if magic != MAGIC || last < first {
            break;
        }
        let size = length.checked_add(BEFORE_LENGTH).filter(|size| *size >= HEAD);
        let time = |ms: i64| (ms >= 0).then_some(ms);
        let has = |bits: i16| attributes & bits != 0;
        let (first_ms, asked_ms) = match has(APPEND_TIME) {
            true => (time(newest_ms), time(newest_ms)),
            false => {
                let body = records.slice(HEAD..size.unwrap_or(HEAD).min(records.len()));
                let delta =
                    (!has(COMPRESSION)).then(|| delta_at(body, asked.saturating_sub(first))).flatten();
                let asked_ms = delta.and_then(|delta| time(base_ms.saturating_add(delta)));
                (time(base_ms).filter(|_| !has(DELETE_HORIZON)), asked_ms.filter(|_| last >= asked))
            }
        };
        let newest_ms = time(newest_ms);
        batches.push(Batch { first, last, control: has(CONTROL), first_ms, newest_ms, asked_ms });
        let Some(size) = size.filter(|size| *size <= records.len()) else { break };
        records.advance(size);
    }
    batches
}

/// How long after the batch's time the first record at or after an offset is dated, in milliseconds; only the
/// heads of records are read. `None` where that record did not come along.
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

/// A number of variable length, as records have them.
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

    /// A batch of records with these timestamps.
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
        bytes.put_i32((HEAD - BEFORE_LENGTH + records.len()) as i32);
        bytes.put_i32(0);
        bytes.put_u8(MAGIC);
        bytes.put_u32(0);
        bytes.put_i16(attributes);
        bytes.put_i32(times.len() as i32 - 1);
        bytes.put_i64(times[0]);
        bytes.put_i64(*times.iter().max().expect("records"));
        bytes.put_slice(&[0; HEAD - 43]);
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

    fn places(batches: &[Batch]) -> Vec<(i64, i64, bool)> {
        batches.iter().map(|batch| (batch.first, batch.last, batch.control)).collect()
    }

    #[test]
    fn heads_are_read_until_one_is_cut_off() {
        let mut log = batch(10, 0, &[5; 5]);
        log.extend_from_slice(&batch(15, CONTROL | 0x10, &[9]));
        let whole = log.len();
        log.extend_from_slice(&batch(16, 0, &[7; 100])[..100]);
        let expected = [(10, 14, false), (15, 15, true), (16, 115, false)];
        assert_eq!(places(&heads(log.clone().freeze(), 10)), expected);
        log.truncate(whole + HEAD - 1);
        assert_eq!(places(&heads(log.freeze(), 10)), expected[..2], "less than a head is nothing");
        let mut old = batch(1, 0, &[1]);
        old[16] = 1;
        assert_eq!(heads(old.freeze(), 1), [], "another format");
    }

    #[test]
    fn a_record_is_dated_by_its_own_head_where_that_can_be_read() {
        let times = [5_000, 300, 7_000_000];
        let one = |attributes, offset| heads(batch(10, attributes, &times).freeze(), offset)[0];
        let dates = |batch: Batch| (batch.first_ms, batch.newest_ms, batch.asked_ms);
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
        let cut = cut.freeze().slice(..HEAD + 40);
        assert_eq!(dates(heads(cut.clone(), 10)[0]), (first, newest, first));
        assert_eq!(dates(heads(cut, 12)[0]), (first, newest, None), "cut off before the record");
        let none = batch(10, 0, &[-1, -1]);
        assert_eq!(dates(heads(none.freeze(), 10)[0]), (None, None, None));
    }

    proptest! {
        /// Whatever a broker sends, reading ends.
        #[test]
        fn garbage_is_no_batch_for_ever(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let count = bytes.len() / HEAD + 1;
            prop_assert!(heads(Bytes::from(bytes), 3).len() <= count);
        }
    }
}
