//! A heartbeat's bytes.
//!
//! Big endian, at least [`SMALLEST`] bytes, the checksum last, over everything before it:
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
//! | 8 | send instant, likewise |
//! | … | padding up to the configured size |
//! | 4 | CRC-32C |
//!
//! The wall clocks are for people who look at the topic; latencies are taken from the process's own
//! monotonic clock. Bytes that another program wrote must never panic or be taken for ours.

use std::time::SystemTime;

use crate::clock::unix_nanos;
use bytes::{Buf, BufMut};

/// The smallest size a record may be configured to.
pub const SMALLEST: usize = 64;

const MAGIC: &[u8; 4] = b"kfhb";
const VERSION: u8 = 1;
const CHECKSUM: usize = 4;
const PADDING: u8 = b'.';

/// Who sent a heartbeat: an instance, in one of its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The instance, a hash of its name.
    pub instance: u64,
    /// The run: nanoseconds since 1970 when it began, so a later run has a higher one.
    pub epoch: u64,
}

impl Identity {
    /// The identity of a run that begins now.
    pub fn new(instance: &str, begun: SystemTime) -> Self {
        Self { instance: fnv1a(instance.as_bytes()), epoch: unix_nanos(begun) }
    }

    /// The name of one heartbeat in logs, on the page and in the API.
    pub fn name(&self, partition: i32, sequence: u64) -> String {
        format!("{:016x}-{:x}-{partition}-{sequence}", self.instance, self.epoch)
    }
}

/// A heartbeat as it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Who sent it.
    pub identity: Identity,
    /// The partition it was sent to.
    pub partition: i32,
    /// Its number on the partition in this run.
    pub sequence: u64,
    /// When it was meant to be sent, nanoseconds since 1970.
    pub intended: u64,
    /// When it was sent, nanoseconds since 1970.
    pub sent: u64,
}

/// Why bytes are not a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAHeartbeat {
    /// Another program's bytes, or a version of ours that is not known here.
    Foreign,
    /// A heartbeat once, but damaged.
    Corrupt,
}

impl Record {
    /// Writes the record, `size` bytes long, in place of what `buffer` held.
    pub fn encode(&self, size: usize, buffer: &mut Vec<u8>) {
        buffer.clear();
        buffer.put_slice(MAGIC);
        buffer.put_slice(&[VERSION, 0, 0, 0]);
        buffer.put_u64(self.identity.instance);
        buffer.put_u64(self.identity.epoch);
        buffer.put_i32(self.partition);
        buffer.put_u64(self.sequence);
        buffer.put_u64(self.intended);
        buffer.put_u64(self.sent);
        buffer.resize(size.max(SMALLEST) - CHECKSUM, PADDING);
        let checksum = crc32c::crc32c(buffer);
        buffer.put_u32(checksum);
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// Bytes without our mark are [`NotAHeartbeat::Foreign`]; with the mark but the wrong shape or
    /// checksum, [`NotAHeartbeat::Corrupt`].
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAHeartbeat> {
        let [mark @ .., version] = bytes.first_chunk::<5>().ok_or(NotAHeartbeat::Foreign)?;
        if mark != MAGIC || *version != VERSION {
            return Err(NotAHeartbeat::Foreign);
        }
        if bytes.len() < SMALLEST {
            return Err(NotAHeartbeat::Corrupt);
        }
        let (body, mut checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        if crc32c::crc32c(body) != checksum.get_u32() {
            return Err(NotAHeartbeat::Corrupt);
        }
        let mut fields = &body[8..];
        Ok(Self {
            identity: Identity { instance: fields.get_u64(), epoch: fields.get_u64() },
            partition: fields.get_i32(),
            sequence: fields.get_u64(),
            intended: fields.get_u64(),
            sent: fields.get_u64(),
        })
    }
}

/// FNV-1a, 64 bits: the same name gives the same instance on every machine and in every build.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::time::UNIX_EPOCH;

    use super::*;

    fn record(partition: i32, sequence: u64) -> Record {
        let identity = Identity::new("b", UNIX_EPOCH);
        Record { identity, partition, sequence, intended: 7, sent: 9 }
    }

    fn encoded(record: Record, size: usize) -> Vec<u8> {
        let mut buffer = Vec::new();
        record.encode(size, &mut buffer);
        buffer
    }

    #[test]
    fn the_hash_of_a_name_is_the_published_fnv1a_value() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn any_single_changed_bit_is_foreign_or_corrupt() {
        let bytes = encoded(record(3, 41), 80);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit < 40 { NotAHeartbeat::Foreign } else { NotAHeartbeat::Corrupt };
            assert_eq!(Record::decode(&damaged), Err(expected), "bit {bit}");
        }
    }

    #[test]
    fn a_truncated_heartbeat_is_corrupt_and_a_stub_is_foreign() {
        let bytes = encoded(record(3, 41), SMALLEST);
        assert_eq!(Record::decode(&bytes[..4]), Err(NotAHeartbeat::Foreign));
        for length in 5..bytes.len() {
            assert_eq!(Record::decode(&bytes[..length]), Err(NotAHeartbeat::Corrupt), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(partition: i32, sequence: u64, intended: u64, sent: u64, size in 0usize..4096) {
            let record = Record { intended, sent, ..record(partition, sequence) };
            let bytes = encoded(record, size);
            prop_assert_eq!(bytes.len(), size.max(SMALLEST));
            prop_assert_eq!(Record::decode(&bytes), Ok(record));
        }

        #[test]
        fn other_programs_bytes_are_never_a_heartbeat(bytes: Vec<u8>) {
            prop_assert!(Record::decode(&bytes).is_err());
        }
    }
}
