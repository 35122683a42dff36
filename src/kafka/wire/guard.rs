//! Protects the decoder of Kafka's protocol against hostile bytes.
//!
//! The decoder believes the length of an array before it has seen the array, and reserves memory for it. Five hostile
//! bytes would make it ask for gigabytes, and a refused allocation ends the process. The buffer in this file refuses
//! lengths that no response to this program can have. A frame that makes the decoder panic is an error as well.
//!
//! A decoded response may need many times the memory of its frame: an element of two bytes may become a structure of a
//! hundred. The buffer therefore adds up the memory of the decoded fields, and ends the decoding at a limit.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::{
    Decodable, Request,
    buf::{ByteBuf, NotEnoughBytesError},
};

/// The longest run of continuation bytes in an integer of variable length. Lengths therefore stay below 2²¹.
const MAX_CONTINUATION_BYTES: u32 = 2;

/// The largest plausible length in fixed encodings, where lengths have 32 bits.
const MAX_FIXED_LENGTH: i32 = 1 << 22;

/// The largest number of bytes that may be left in the frame after a response. librdkafka's embedded brokers leave up to
/// five, and every client ignores some. Many bytes are a sign that the broker sent another kind of response.
const MAX_BYTES_LEFT: usize = 8;

/// In flexible encodings one byte is the length of a text or an array, a number of tags, or a small value. The largest
/// decoded value of these is a text: 32 bytes.
const BYTE_DECODED: usize = 32;

/// In fixed encodings the length of an array is a number of four bytes, like other numbers. A decoded array is 24 bytes.
/// At most half of the numbers in a response that holds only numbers are lengths of arrays.
const FIXED_NUMBER_DECODED: usize = 15;

/// In fixed encodings a structure of two texts and a few fields that are not sent needs 152 bytes, which is 76 for each
/// text.
const FIXED_TEXT_DECODED: usize = 76;

/// The first tag of a structure reserves memory for eleven tags, in bytes.
const TAGS_DECODED: usize = 448;

/// A tag follows the number of tags, its own number and its length: at least three integers of variable length in a row.
const INTEGERS_BEFORE_TAG: u32 = 3;

/// The memory for decoding a header, in bytes. A header is a number and at most a few unknown tags.
const HEADER_MEMORY: usize = 64 << 10;

/// How a version of a request encodes lengths in its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Lengths are integers of variable length (KIP-482).
    Flexible,
    /// Lengths are integers of 16 or 32 bits.
    Fixed,
}

impl Encoding {
    /// The encoding of a request's response in this version.
    pub(super) fn of<R: Request>(version: i16) -> Self {
        if R::header_version(version) >= 2 { Encoding::Flexible } else { Encoding::Fixed }
    }
}

/// Why a frame is no response.
#[derive(Debug)]
pub(super) enum DecodeError {
    /// Decoding the response would need more memory than its kind of request may have.
    TooLarge,
    /// The decoder panicked.
    Panicked,
    /// The decoder's own error.
    Malformed(String),
    /// This number of bytes is left after the response.
    BytesLeft(usize),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::TooLarge => f.write_str("the response would need too much memory"),
            DecodeError::Panicked => f.write_str("the decoder gave up"),
            DecodeError::Malformed(error) => f.write_str(error),
            DecodeError::BytesLeft(count) => write!(f, "{count} bytes too many"),
        }
    }
}

/// Runs a library's code on hostile bytes. `None` if the code panics.
pub(super) fn fenced<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Decodes one message. The frame and the decoded message together may need `memory` bytes.
pub(super) fn decode<T: Decodable>(
    bytes: Bytes,
    version: i16,
    encoding: Encoding,
    memory: usize,
) -> Result<T, DecodeError> {
    let memory = memory.saturating_sub(bytes.len());
    let mut guarded = GuardedBuffer::new(bytes, encoding, memory);
    let decoded = fenced(|| T::decode(&mut guarded, version));
    if guarded.memory == 0 {
        return Err(DecodeError::TooLarge);
    }
    let decoded = decoded.ok_or(DecodeError::Panicked)?;
    let decoded = decoded.map_err(|error| DecodeError::Malformed(error.to_string()))?;
    if guarded.remaining() > MAX_BYTES_LEFT {
        return Err(DecodeError::BytesLeft(guarded.remaining()));
    }
    Ok(decoded)
}

/// Decodes a header, and leaves the bytes after it in the buffer.
pub(super) fn decode_header<T: Decodable>(bytes: &mut Bytes, version: i16) -> Result<T, DecodeError> {
    let frame = std::mem::take(bytes);
    let mut guarded = GuardedBuffer::new(frame, Encoding::Flexible, HEADER_MEMORY);
    let decoded = fenced(|| T::decode(&mut guarded, version));
    *bytes = guarded.bytes;
    decoded.ok_or(DecodeError::Panicked)?.map_err(|error| DecodeError::Malformed(error.to_string()))
}

/// Describes the four bytes before a frame if they are no plausible length. The bytes may show another protocol.
pub(super) fn implausible(prefix: [u8; 4]) -> String {
    match prefix {
        [0x15 | 0x16, 0x03, ..] => "the peer answers in TLS: set security.protocol to SSL or SASL_SSL".into(),
        [b'H', b'T', b'T', b'P'] => "the peer answers in HTTP: this is not a Kafka port".into(),
        _ => format!("a response of {} bytes was announced", i32::from_be_bytes(prefix)),
    }
}

/// A buffer that refuses implausible lengths and counts the memory of what is decoded from it.
struct GuardedBuffer {
    bytes: Bytes,
    encoding: Encoding,
    /// The number of continuation bytes of the integer that is being read.
    continuation_bytes: u32,
    /// The number of integers of variable length that were read in a row.
    integers_in_row: u32,
    /// The memory that further decoded fields may need, in bytes.
    memory: usize,
}

impl GuardedBuffer {
    fn new(bytes: Bytes, encoding: Encoding, memory: usize) -> Self {
        Self { bytes, encoding, continuation_bytes: 0, integers_in_row: 0, memory }
    }

    /// Counts a field that is no integer of variable length. Its decoded value needs this many bytes.
    fn read(&mut self, decoded: usize) {
        self.continuation_bytes = 0;
        self.integers_in_row = 0;
        self.memory = self.memory.saturating_sub(decoded);
    }

    fn check_memory(&self) -> Result<(), TryGetError> {
        if self.memory == 0 {
            return Err(TryGetError { requested: usize::MAX, available: self.remaining() });
        }
        Ok(())
    }
}

impl Buf for GuardedBuffer {
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
        self.check_memory()?;
        let byte = self.bytes.try_get_u8()?;
        if byte & 0x80 == 0 {
            self.memory = self.memory.saturating_sub(BYTE_DECODED);
            self.continuation_bytes = 0;
            self.integers_in_row += 1;
        } else {
            self.continuation_bytes += 1;
        }
        if self.continuation_bytes > MAX_CONTINUATION_BYTES {
            return Err(TryGetError { requested: usize::MAX, available: self.remaining() });
        }
        Ok(byte)
    }

    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        self.check_memory()?;
        let number = self.bytes.try_get_i32()?;
        self.read(match self.encoding {
            Encoding::Flexible => size_of::<i32>(),
            Encoding::Fixed => FIXED_NUMBER_DECODED,
        });
        let is_length = self.encoding == Encoding::Fixed && number > MAX_FIXED_LENGTH;
        if is_length && number as usize > self.remaining() {
            return Err(TryGetError { requested: number as usize, available: self.remaining() });
        }
        Ok(number)
    }
}

impl ByteBuf for GuardedBuffer {
    fn peek_bytes(&mut self, range: std::ops::Range<usize>) -> Bytes {
        self.bytes.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        let tags = if self.integers_in_row >= INTEGERS_BEFORE_TAG { TAGS_DECODED } else { 0 };
        self.read(match self.encoding {
            Encoding::Flexible => tags,
            Encoding::Fixed => FIXED_TEXT_DECODED,
        });
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
    fn length_that_is_huge_is_refused_before_memory_is_reserved() {
        let flexible = Bytes::from_static(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(decode::<MetadataResponse>(flexible, 12, Encoding::Flexible, MEMORY).is_err());
        let fixed = Bytes::from_static(&[0, 0, 0x7f, 0xff, 0xff, 0xff]);
        assert!(decode::<SaslHandshakeResponse>(fixed, 1, Encoding::Fixed, MEMORY).is_err());
    }

    proptest! {
        #[test]
        fn garbage_in_flexible_encoding_is_decoded_without_a_crash(bytes: Vec<u8>, version in 9i16..13) {
            _ = decode::<MetadataResponse>(bytes.into(), version, Encoding::Flexible, MEMORY);
        }

        #[test]
        fn garbage_in_fixed_encoding_is_decoded_without_a_crash(bytes: Vec<u8>, version in 0i16..9) {
            _ = decode::<MetadataResponse>(bytes.into(), version, Encoding::Fixed, MEMORY);
        }
    }
}
