//! Protobuf messages, written field by field.
//!
//! Generated types would copy every name of every label of a hundred thousand series. The tests read the messages with
//! generated types, so that the two agree.

use prost::encoding::{WireType, encode_key, encode_varint};

/// A message as a field of another.
pub(super) fn message(out: &mut Vec<u8>, tag: u32, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(tag, WireType::LengthDelimited, out);
    // Most messages are short. One byte is reserved for the length, and a longer length moves the message.
    let begin = out.len();
    out.push(0);
    write(out);
    let length = out.len() - begin - 1;
    if length < 0x80 {
        out[begin] = length as u8;
    } else {
        let mut bytes = Vec::with_capacity(5);
        encode_varint(length as u64, &mut bytes);
        out.splice(begin..=begin, bytes);
    }
}

/// The key and the length of a message as a field of another message. The message itself follows.
pub(super) fn begin(out: &mut Vec<u8>, tag: u32, length: usize) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
}

/// Text as a field.
pub(super) fn text(out: &mut Vec<u8>, tag: u32, text: &str) {
    bytes(out, tag, text.as_bytes());
}

/// Bytes, or a message that is already encoded, as a field.
pub(super) fn bytes(out: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    begin(out, tag, bytes.len());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_of_any_length_follows_its_length() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 100_000] {
            let body = vec![7; length];
            let (mut nested, mut plain) = (Vec::new(), Vec::new());
            message(&mut nested, 3, |out| out.extend_from_slice(&body));
            bytes(&mut plain, 3, &body);
            assert_eq!(nested, plain, "{length}");
        }
    }
}
