//! The value of a heartbeat's record.
//!
//! Numbers are big endian. A value has at least [`SMALLEST`] bytes, and the checksum at its end covers all bytes before:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `kfhb` |
//! | 1 | version, 1 |
//! | 3 | zero |
//! | 8 | instance |
//! | 8 | run epoch |
//! | 4 | partition |
//! | 8 | sequence |
//! | 8 | intended instant, wall clock, nanoseconds since 1970 |
//! | 8 | send instant, wall clock, nanoseconds since 1970 |
//! | … | padding up to the configured size |
//! | 4 | CRC-32C |
//!
//! The wall-clock times are for people who read the topic. Latencies are measured with the monotonic clock of this
//! process. Bytes that another program wrote must never cause a panic or be taken for a heartbeat.

use std::time::SystemTime;

use bytes::{Buf, BufMut};

use super::id::HeartbeatId;
use crate::clock::unix_nanos;

/// The smallest size of a value, in bytes.
pub const SMALLEST: usize = 64;

const MAGIC: &[u8; 4] = b"kfhb";
const VERSION: u8 = 1;
const CHECKSUM: usize = 4;
const PADDING: u8 = b'.';

/// The sender of a heartbeat: an instance of the service in one of its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The instance: a hash of its name.
    pub instance: u64,
    /// The run: the time at which it began, in nanoseconds since 1970. A later run has a higher number.
    pub epoch: u64,
}

impl Identity {
    /// The identity of a run that begins now.
    pub fn new(instance: &str, begun: SystemTime) -> Self {
        Self { instance: fnv1a(instance.as_bytes()), epoch: unix_nanos(begun) }
    }

    /// The name of one heartbeat in logs, on the page and in the API.
    pub fn name(&self, id: HeartbeatId) -> String {
        let HeartbeatId { partition, sequence } = id;
        format!("{:016x}-{:x}-{partition}-{sequence}", self.instance, self.epoch)
    }
}

/// A heartbeat as it is written to the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The sender.
    pub identity: Identity,
    /// The heartbeat's partition and sequence.
    pub id: HeartbeatId,
    /// The time at which it was due, in nanoseconds since 1970.
    pub intended: u64,
    /// The time at which it was sent, in nanoseconds since 1970.
    pub sent: u64,
}

/// The reason why bytes are not a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAHeartbeat {
    /// Bytes of another program, or of a version of this program that has another format.
    Foreign,
    /// A heartbeat that was damaged.
    Corrupt,
}

impl Record {
    /// Replaces the content of `buffer` by the record, `size` bytes long.
    pub fn encode(&self, size: usize, buffer: &mut Vec<u8>) {
        buffer.clear();
        buffer.put_slice(MAGIC);
        buffer.put_slice(&[VERSION, 0, 0, 0]);
        buffer.put_u64(self.identity.instance);
        buffer.put_u64(self.identity.epoch);
        buffer.put_i32(self.id.partition);
        buffer.put_u64(self.id.sequence);
        buffer.put_u64(self.intended);
        buffer.put_u64(self.sent);
        buffer.resize(size.max(SMALLEST) - CHECKSUM, PADDING);
        let checksum = crc32c::crc32c(buffer);
        buffer.put_u32(checksum);
    }

    /// Decodes the value of a record.
    ///
    /// # Errors
    /// [`NotAHeartbeat::Foreign`] if the bytes do not begin with `kfhb` and the version, and
    /// [`NotAHeartbeat::Corrupt`] if they do, but the size or the checksum is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAHeartbeat> {
        let [mark @ .., version] = bytes.first_chunk::<5>().ok_or(NotAHeartbeat::Foreign)?;
        if mark != MAGIC || *version != VERSION {
            return Err(NotAHeartbeat::Foreign);
        }
        if bytes.len() < SMALLEST {
            return Err(NotAHeartbeat::Corrupt);
        }
        let body = &bytes[..bytes.len() - CHECKSUM];
        if checksum(bytes) != Some(crc32c::crc32c(body)) {
            return Err(NotAHeartbeat::Corrupt);
        }
        let mut fields = &body[8..];
        Ok(Self {
            identity: Identity { instance: fields.get_u64(), epoch: fields.get_u64() },
            id: HeartbeatId { partition: fields.get_i32(), sequence: fields.get_u64() },
            intended: fields.get_u64(),
            sent: fields.get_u64(),
        })
    }
}

/// The checksum at the end of a heartbeat's value, which is not compared with the other bytes. `None` if there are too few bytes.
pub fn checksum(value: &[u8]) -> Option<u32> {
    value.last_chunk::<CHECKSUM>().map(|bytes| u32::from_be_bytes(*bytes))
}

/// The FNV-1a hash, 64 bits. The same name gives the same instance on every machine and in every build.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    fn record(partition: i32, sequence: u64) -> Record {
        let identity = Identity::new("b", UNIX_EPOCH);
        Record { identity, id: HeartbeatId { partition, sequence }, intended: 7, sent: 9 }
    }

    fn encoded(record: Record, size: usize) -> Vec<u8> {
        let mut buffer = Vec::new();
        record.encode(size, &mut buffer);
        buffer
    }

    #[test]
    fn hash_of_name_is_the_published_fnv1a_value() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn heartbeat_with_one_changed_bit_is_foreign_or_corrupt() {
        let bytes = encoded(record(3, 41), 80);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit < 40 { NotAHeartbeat::Foreign } else { NotAHeartbeat::Corrupt };
            assert_eq!(Record::decode(&damaged), Err(expected), "bit {bit}");
        }
    }

    #[test]
    fn truncated_heartbeat_is_corrupt_and_its_first_four_bytes_are_foreign() {
        let bytes = encoded(record(3, 41), SMALLEST);
        assert_eq!(Record::decode(&bytes[..4]), Err(NotAHeartbeat::Foreign));
        for length in 5..bytes.len() {
            assert_eq!(Record::decode(&bytes[..length]), Err(NotAHeartbeat::Corrupt), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn encoded_record_is_decoded_to_itself(partition: i32, sequence: u64, intended: u64, sent: u64, size in 0usize..4096) {
            let record = Record { intended, sent, ..record(partition, sequence) };
            let bytes = encoded(record, size);
            prop_assert_eq!(bytes.len(), size.max(SMALLEST));
            prop_assert_eq!(Record::decode(&bytes), Ok(record));
        }

        #[test]
        fn bytes_of_another_program_are_never_a_heartbeat(bytes: Vec<u8>) {
            prop_assert!(Record::decode(&bytes).is_err());
        }
    }
}
