//! Stands between hostile bytes and the code that reads them.
//!
//! The decoder believes an array's length before it has seen the array, and reserves memory for it: five
//! hostile bytes would make it ask for gigabytes, and a refused allocation ends the process. This buffer
//! refuses lengths that no answer of ours can have. A frame that makes the decoder panic is an error too.
//!
//! What is decoded may need many times the memory of the frame: an element of two bytes may become a structure of a
//! hundred. So the buffer also adds up what the fields become, and ends the decoding at a limit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::{
    Decodable,
    buf::{ByteBuf, NotEnoughBytesError},
};

/// Longest run of continuation bytes in a variable-length integer: lengths stay below 2²¹.
const LONGEST_RUN: u32 = 2;

/// Largest plausible 32-bit length in the old encodings.
const LARGEST_LENGTH: i32 = 1 << 22;

/// Bytes that may be left behind an answer: librdkafka's embedded brokers leave up to five. Every client
/// ignores some; many are a sign that something else was sent than what was decoded.
const MOST_LEFT: usize = 8;

/// In flexible versions a byte is the length of a text or an array, a number of tags, or a small value. The largest of
/// these is a text: 32 bytes.
const BYTE_DECODED: usize = 32;

/// In old versions the length of an array is a number of four bytes like any other. An array is 24 bytes; at most half of
/// the numbers of an answer that is nothing but numbers are such lengths.
const OLD_NUMBER_DECODED: usize = 15;

/// In old versions a structure of two texts and a few fields that are not sent needs 152 bytes.
const OLD_TEXT_DECODED: usize = 76;

/// The first tag of a structure reserves memory for eleven.
const TAGS_DECODED: usize = 448;

/// A tag stands behind the number of tags, its own number and its length: three bytes in a row, at least.
const BYTES_BEFORE_TAG: u32 = 3;

/// A header is a number and, at most, a few tags that we do not know.
const HEADER_MEMORY: usize = 64 << 10;

/// Runs foreign code on hostile bytes; `None` if it panics.
pub(super) fn fenced<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Decodes one message. The frame and what is decoded from it may need `memory` bytes together.
///
/// # Errors
/// Words for the log.
pub(super) fn decode<T: Decodable>(
    bytes: Bytes,
    version: i16,
    flexible: bool,
    memory: usize,
) -> Result<T, String> {
    let memory = memory.saturating_sub(bytes.len());
    let mut guarded = Guarded { bytes, flexible, run: 0, row: 0, memory };
    let decoded = fenced(|| T::decode(&mut guarded, version));
    if guarded.memory == 0 {
        return Err("the answer would need too much memory".to_owned());
    }
    let decoded = decoded.ok_or("the decoder gave up")?.map_err(|error| error.to_string())?;
    if guarded.remaining() > MOST_LEFT {
        return Err(format!("{} bytes too many", guarded.remaining()));
    }
    Ok(decoded)
}

/// Decodes a header and leaves the rest in the buffer.
pub(super) fn decode_header<T: Decodable>(bytes: &mut Bytes, version: i16) -> Result<T, String> {
    let frame = std::mem::take(bytes);
    let mut guarded = Guarded { bytes: frame, flexible: true, run: 0, row: 0, memory: HEADER_MEMORY };
    let decoded = fenced(|| T::decode(&mut guarded, version));
    *bytes = guarded.bytes;
    decoded.ok_or("the decoder gave up")?.map_err(|error| error.to_string())
}

/// What a length that cannot be one says about the peer.
pub(super) fn implausible(prefix: [u8; 4]) -> String {
    match prefix {
        [0x15 | 0x16, 0x03, ..] => "the peer answers in TLS: set security.protocol to SSL or SASL_SSL".into(),
        [b'H', b'T', b'T', b'P'] => "the peer answers in HTTP: this is not a Kafka port".into(),
        _ => format!("an answer of {} bytes was announced", i32::from_be_bytes(prefix)),
    }
}

struct Guarded {
    bytes: Bytes,
    /// Lengths are variable-length integers; 32-bit ones are plain numbers then.
    flexible: bool,
    /// Continuation bytes of the integer that is being read.
    run: u32,
    /// Integers of variable length, read one behind the other.
    row: u32,
    /// What may still be decoded, in bytes of memory.
    memory: usize,
}

impl Guarded {
    /// Something was read that is no integer of variable length.
    fn read(&mut self, decoded: usize) {
        (self.run, self.row) = (0, 0);
        self.memory = self.memory.saturating_sub(decoded);
    }

    fn affordable(&self) -> Result<(), TryGetError> {
        match self.memory {
            0 => Err(TryGetError { requested: usize::MAX, available: self.remaining() }),
            _ => Ok(()),
        }
    }
}

impl Buf for Guarded {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.read(count);
        self.bytes.advance(count);
    }

    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        self.affordable()?;
        let byte = self.bytes.try_get_u8()?;
        if byte & 0x80 == 0 {
            self.memory = self.memory.saturating_sub(BYTE_DECODED);
            (self.run, self.row) = (0, self.row + 1);
        } else {
            self.run += 1;
        }
        if self.run > LONGEST_RUN {
            return Err(TryGetError { requested: usize::MAX, available: self.remaining() });
        }
        Ok(byte)
    }

    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        self.affordable()?;
        let number = self.bytes.try_get_i32()?;
        self.read(if self.flexible { size_of::<i32>() } else { OLD_NUMBER_DECODED });
        if !self.flexible && number > LARGEST_LENGTH && number as usize > self.remaining() {
            return Err(TryGetError { requested: number as usize, available: self.remaining() });
        }
        Ok(number)
    }
}

impl ByteBuf for Guarded {
    fn peek_bytes(&mut self, range: std::ops::Range<usize>) -> Bytes {
        self.bytes.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        let tags = if self.row >= BYTES_BEFORE_TAG { TAGS_DECODED } else { 0 };
        self.read(if self.flexible { tags } else { OLD_TEXT_DECODED });
        self.bytes.split_to(size)
    }

    fn try_get_bytes(&mut self, size: usize) -> Result<Bytes, NotEnoughBytesError> {
        if self.memory == 0 || self.remaining() < size {
            return Err(NotEnoughBytesError);
        }
        Ok(self.get_bytes(size))
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{MetadataResponse, SaslHandshakeResponse};
    use proptest::prelude::*;

    use super::*;

    const MEMORY: usize = 1 << 20;

    #[test]
    fn a_huge_length_is_refused_before_memory_is_reserved() {
        let flexible = Bytes::from_static(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(decode::<MetadataResponse>(flexible, 12, true, MEMORY).is_err());
        let old = Bytes::from_static(&[0, 0, 0x7f, 0xff, 0xff, 0xff]);
        assert!(decode::<SaslHandshakeResponse>(old, 1, false, MEMORY).is_err());
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_or_an_answer_but_never_the_end(bytes: Vec<u8>, version in 9i16..13) {
            _ = decode::<MetadataResponse>(bytes.into(), version, true, MEMORY);
        }

        #[test]
        fn old_encodings_survive_garbage_too(bytes: Vec<u8>, version in 0i16..9) {
            _ = decode::<MetadataResponse>(bytes.into(), version, false, MEMORY);
        }
    }
}
