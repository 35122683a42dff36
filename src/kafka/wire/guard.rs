//! Stands between hostile bytes and the decoder.
//!
//! The decoder believes an array's length before it has seen the array, and reserves memory for it: five
//! hostile bytes would make it ask for gigabytes, and a refused allocation ends the process. This buffer
//! refuses lengths that no answer of ours can have. A frame that makes the decoder panic is an error too.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::{Decodable, buf::ByteBuf};

/// Longest run of continuation bytes in a variable-length integer: lengths stay below 2²¹.
const LONGEST_RUN: u32 = 2;

/// Largest plausible 32-bit length in the old encodings.
const LARGEST_LENGTH: i32 = 1 << 22;

/// Bytes that may be left behind an answer: librdkafka's embedded brokers leave up to five. Every client
/// ignores some; many are a sign that something else was sent than what was decoded.
const MOST_LEFT: usize = 8;

/// Runs foreign code on hostile bytes; `None` if it panics.
pub(super) fn fenced<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Decodes one message.
///
/// # Errors
/// Words for the log.
pub(super) fn decode<T: Decodable>(bytes: Bytes, version: i16, flexible: bool) -> Result<T, String> {
    let mut guarded = Guarded { bytes, flexible, run: 0 };
    let decoded = fenced(|| T::decode(&mut guarded, version));
    let decoded = decoded.ok_or("the decoder gave up")?.map_err(|error| error.to_string())?;
    if guarded.remaining() > MOST_LEFT {
        return Err(format!("{} bytes too many", guarded.remaining()));
    }
    Ok(decoded)
}

/// Decodes a header and leaves the rest in the buffer.
pub(super) fn decode_header<T: Decodable>(bytes: &mut Bytes, version: i16) -> Result<T, String> {
    let mut guarded = Guarded { bytes: std::mem::take(bytes), flexible: true, run: 0 };
    let decoded = fenced(|| T::decode(&mut guarded, version));
    *bytes = guarded.bytes;
    decoded.ok_or("the decoder gave up")?.map_err(|error| error.to_string())
}

struct Guarded {
    bytes: Bytes,
    /// Lengths are variable-length integers; 32-bit ones are plain numbers then.
    flexible: bool,
    run: u32,
}

impl Buf for Guarded {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.run = 0;
        self.bytes.advance(count);
    }

    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let byte = self.bytes.try_get_u8()?;
        self.run = if byte & 0x80 == 0 { 0 } else { self.run + 1 };
        if self.run > LONGEST_RUN {
            return Err(TryGetError { requested: usize::MAX, available: self.remaining() });
        }
        Ok(byte)
    }

    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        let number = self.bytes.try_get_i32()?;
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
        self.run = 0;
        self.bytes.split_to(size)
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{MetadataResponse, SaslHandshakeResponse};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_huge_length_is_refused_before_memory_is_reserved() {
        let flexible = Bytes::from_static(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(decode::<MetadataResponse>(flexible, 12, true).is_err());
        let old = Bytes::from_static(&[0, 0, 0x7f, 0xff, 0xff, 0xff]);
        assert!(decode::<SaslHandshakeResponse>(old, 1, false).is_err());
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_or_an_answer_but_never_the_end(bytes: Vec<u8>, version in 9i16..13) {
            _ = decode::<MetadataResponse>(bytes.into(), version, true);
        }

        #[test]
        fn old_encodings_survive_garbage_too(bytes: Vec<u8>, version in 0i16..9) {
            _ = decode::<MetadataResponse>(bytes.into(), version, false);
        }
    }
}
