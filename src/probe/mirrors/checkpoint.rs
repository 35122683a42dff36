//! The records in which MirrorMaker 2 keeps translated offsets.

use crate::kafka::native::ReceivedRecord;

/// The version of key and value that is known. The value begins with it.
const VERSION: i16 = 0;

/// A translated offset of a group, as MirrorMaker 2 writes it into the topic of checkpoints of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// The group. The text is hostile.
    pub(super) group: String,
    /// The topic in the target. The text is hostile.
    pub(super) topic: String,
    /// The partition.
    pub(super) partition: i32,
    /// The offset that the group committed in the source.
    pub(super) source: i64,
    /// The offset from which the group goes on in the target.
    pub(super) target: i64,
}

impl Checkpoint {
    /// Decodes a record. `None` for a record of another form, and for one that deletes a checkpoint.
    pub(super) fn of(record: &ReceivedRecord<'_>) -> Option<Self> {
        Self::decode(record.key, record.payload)
    }

    /// The key has the group, the topic and the partition. The value has the version, both offsets and the text beside the offset.
    /// Strings begin with their length in two bytes, and all numbers are in network order.
    ///
    /// Source: `KEY_SCHEMA` and `VALUE_SCHEMA_V0` of `org.apache.kafka.connect.mirror.Checkpoint`.
    fn decode(mut key: &[u8], mut value: &[u8]) -> Option<Self> {
        let (group, topic) = (text(&mut key)?, text(&mut key)?);
        let partition = i32::from_be_bytes(bytes(&mut key)?);
        let version = i16::from_be_bytes(bytes(&mut value)?);
        let source = i64::from_be_bytes(bytes(&mut value)?);
        let target = i64::from_be_bytes(bytes(&mut value)?);
        (version == VERSION).then_some(Self { group, topic, partition, source, target })
    }
}

/// Takes as many bytes as the number has.
fn bytes<const COUNT: usize>(from: &mut &[u8]) -> Option<[u8; COUNT]> {
    let (taken, left) = from.split_first_chunk()?;
    *from = left;
    Some(*taken)
}

/// Takes a string. `None` if it is cut off, or if it is no UTF-8.
fn text(from: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(i16::from_be_bytes(bytes(from)?)).ok()?;
    let (taken, left) = from.split_at_checked(length)?;
    *from = left;
    str::from_utf8(taken).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A key and a value as MirrorMaker 2 writes them: group `g`, topic `a.t`, partition 2, from 258 to 3, with the text `m`.
    const KEY: &[u8] = b"\0\x01g\0\x03a.t\0\0\0\x02";
    const VALUE: &[u8] = b"\0\0\0\0\0\0\0\0\x01\x02\0\0\0\0\0\0\0\x03\0\x01m";

    #[test]
    fn checkpoint_of_mirror_maker_is_read() {
        let found = Checkpoint::decode(KEY, VALUE).expect("a checkpoint");
        let expected =
            Checkpoint { group: "g".into(), topic: "a.t".into(), partition: 2, source: 258, target: 3 };
        assert_eq!(found, expected);
        assert_eq!(Checkpoint::decode(KEY, b""), None, "a record that deletes a checkpoint");
        assert_eq!(Checkpoint::decode(b"\xff\xff", VALUE), None, "a negative length");
        assert_eq!(Checkpoint::decode(b"\0\x01\xff\0\0\0\0\0\0", VALUE), None, "no UTF-8");
        assert_eq!(Checkpoint::decode(KEY, &[b"\0\x01", &VALUE[2..]].concat()), None, "another version");
        for length in 0..KEY.len() {
            assert_eq!(Checkpoint::decode(&KEY[..length], VALUE), None, "{length} bytes of the key");
        }
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_are_no_checkpoint_or_one(key in prop::collection::vec(any::<u8>(), 0..40), value in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(found) = Checkpoint::decode(&key, &value) {
                prop_assert!(found.group.len() + found.topic.len() + 8 <= key.len());
            }
        }
    }
}
