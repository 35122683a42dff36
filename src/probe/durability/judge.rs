//! What an answer of the leader means for a sample: a pure function.

use std::time::Duration;

use super::sample::Sample;
use crate::{
    closed_enum::closed_enum,
    kafka::admin::{Found, ReadLog, RecordAt},
};

closed_enum! {
    /// How an acknowledged record was lost.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Loss {
        /// The log has later records, and none at the offset.
        Missing = "missing",
        /// The record at the offset has other bytes.
        Different = "different",
        /// The log was cut before the record. It ends there, or later records were written in a newer leader epoch.
        Truncated = "truncated",
    }
}

closed_enum! {
    /// Why a sample is not read any more, although nothing says that its record was lost.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Unchecked {
        /// The record is older than the retention of the topic.
        Expired = "expired",
        /// The log begins after the record, which is younger than the retention: DeleteRecords or `retention.bytes` removed it.
        Deleted = "deleted",
        /// The record is missing, and the topic is compacted, or its cleanup policy is not known.
        Compacted = "compacted",
        /// The topic is another one of the same name.
        Recreated = "recreated",
        /// The record is compressed, so its bytes cannot be compared.
        Compressed = "compressed",
        /// There were too many samples.
        Forgotten = "forgotten",
    }
}

/// What is known of the topic when a sample is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// The retention of the topic. `None` if it has no limit or is not known.
    pub(super) retention: Option<Duration>,
    /// Whether compaction may have removed records.
    pub(super) may_compact: bool,
}

/// The judgement of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The record is there, unchanged. It was written in this leader epoch.
    Good(i32),
    /// The record is lost, and this is there now: a clause.
    Lost(Loss, String),
    /// The record is not looked for any more.
    Unchecked(Unchecked),
    /// The answer decides nothing, and the record is looked for again.
    Open,
}

/// Judges a sample of this age by what the leader has at its offset.
pub(super) fn judge(sample: &Sample, age: Duration, read: &ReadLog, rules: Rules) -> Judgement {
    let offset = sample.offset;
    if read.start.is_some_and(|start| start > offset) {
        let is_expired = rules.retention.is_some_and(|retention| age >= retention);
        return Judgement::Unchecked(if is_expired { Unchecked::Expired } else { Unchecked::Deleted });
    }
    let (epoch, record) = match &read.found {
        Found::Nothing => return Judgement::Open,
        Found::OutOfRange => {
            // Only both ends of the log say on which side of it the offset lies.
            let end = read.end.filter(|end| read.start.is_some() && *end <= offset);
            let words = |end| format!("the log ends at offset {end}");
            return end.map_or(Judgement::Open, |end| Judgement::Lost(Loss::Truncated, words(end)));
        }
        Found::Batch { leader_epoch, record } => (*leader_epoch, record),
    };
    match record {
        RecordAt::Value(value) if sample.is_value(value) => Judgement::Good(epoch),
        RecordAt::Value(_) if sample.leader_epoch.is_none_or(|written| epoch > written) => {
            let words = format!("another record is there, which was written in leader epoch {epoch}");
            Judgement::Lost(Loss::Truncated, words)
        }
        RecordAt::Value(_) => {
            let words = format!("a record with other bytes is there, written in leader epoch {epoch}");
            Judgement::Lost(Loss::Different, words)
        }
        RecordAt::Damaged => {
            let words = "the record batch there does not have its checksum".to_owned();
            Judgement::Lost(Loss::Different, words)
        }
        RecordAt::Absent if rules.may_compact => Judgement::Unchecked(Unchecked::Compacted),
        RecordAt::Absent => {
            let words = "the log has later records, and none at this offset".to_owned();
            Judgement::Lost(Loss::Missing, words)
        }
        RecordAt::Compressed => Judgement::Unchecked(Unchecked::Compressed),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bytes::Bytes;

    use super::*;
    use crate::{
        kafka::{
            TopicId,
            admin::{Partition, Topic},
        },
        probe::heartbeat::{
            HeartbeatId,
            record::{self, Identity, Record},
        },
    };

    fn heartbeat(sequence: u64) -> Bytes {
        let identity = Identity { instance: 1, epoch: 7 };
        let id = HeartbeatId { partition: 0, sequence };
        let mut bytes = Vec::new();
        Record { identity, id, intended: 5, sent: 6 }.encode(80, &mut bytes);
        bytes.into()
    }

    /// A heartbeat at offset 100, which was acknowledged in leader epoch 3.
    fn sample() -> Sample {
        Sample {
            topic_id: Some(TopicId(1)),
            partition: 0,
            offset: 100,
            run: 7,
            sequence: 41,
            checksum: record::checksum(&heartbeat(41)).expect("a checksum"),
            acknowledged: SystemTime::UNIX_EPOCH,
            leader: None,
            leader_epoch: Some(3),
            checked: Duration::ZERO,
        }
    }

    fn batch(leader_epoch: i32, record: RecordAt) -> Found {
        Found::Batch { leader_epoch, record }
    }

    /// The judgement as one word.
    fn word(judgement: &Judgement) -> String {
        match judgement {
            Judgement::Good(epoch) => format!("good {epoch}"),
            Judgement::Lost(loss, _) => loss.as_str().to_owned(),
            Judgement::Unchecked(why) => format!("not checked: {}", why.as_str()),
            Judgement::Open => "open".to_owned(),
        }
    }

    #[test]
    fn answer_of_the_leader_decides_by_this_table() {
        let value = |sequence| RecordAt::Value(heartbeat(sequence));
        let flipped = {
            let mut bytes = heartbeat(41).to_vec();
            bytes[70] ^= 1;
            RecordAt::Value(bytes.into())
        };
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        let table = [
            ((Some(0), Some(200)), batch(3, value(41)), minute, "good 3"),
            ((Some(0), Some(200)), batch(5, value(41)), minute, "good 5"),
            ((Some(0), Some(200)), batch(4, value(42)), minute, "truncated"),
            ((Some(0), Some(200)), batch(3, value(42)), minute, "different"),
            ((Some(0), Some(200)), batch(3, flipped), minute, "different"),
            ((Some(0), Some(200)), batch(3, RecordAt::Damaged), minute, "different"),
            ((Some(0), Some(200)), batch(3, RecordAt::Absent), minute, "missing"),
            ((Some(0), Some(200)), batch(3, RecordAt::Compressed), minute, "not checked: compressed"),
            ((Some(0), Some(90)), Found::OutOfRange, minute, "truncated"),
            ((Some(0), Some(100)), Found::OutOfRange, minute, "truncated"),
            ((Some(0), Some(101)), Found::OutOfRange, minute, "open"),
            ((None, Some(90)), Found::OutOfRange, minute, "open"),
            ((Some(0), None), Found::OutOfRange, minute, "open"),
            ((None, None), Found::OutOfRange, minute, "open"),
            ((Some(101), Some(200)), Found::OutOfRange, minute, "not checked: deleted"),
            ((Some(101), Some(101)), Found::OutOfRange, minute, "not checked: deleted"),
            ((Some(101), Some(200)), Found::OutOfRange, hour, "not checked: expired"),
            ((Some(100), Some(100)), Found::Nothing, minute, "open"),
            ((Some(0), Some(90)), Found::Nothing, minute, "open"),
        ];
        let rules = Rules { retention: Some(hour), may_compact: false };
        for ((start, end), found, age, expected) in table {
            let read = ReadLog { start, end, found };
            assert_eq!(word(&judge(&sample(), age, &read, rules)), expected, "{read:?}");
        }
    }

    #[test]
    fn gap_in_a_compacted_topic_is_not_a_loss() {
        let read = ReadLog { start: Some(0), end: Some(200), found: batch(3, RecordAt::Absent) };
        let rules = Rules { retention: None, may_compact: true };
        assert_eq!(word(&judge(&sample(), Duration::ZERO, &read, rules)), "not checked: compacted");
    }

    #[test]
    fn other_record_without_known_leader_epoch_means_that_the_log_was_cut() {
        let read =
            ReadLog { start: Some(0), end: Some(200), found: batch(3, RecordAt::Value(heartbeat(42))) };
        let rules = Rules { retention: None, may_compact: false };
        let sample = Sample { leader_epoch: None, ..sample() };
        assert_eq!(word(&judge(&sample, Duration::ZERO, &read, rules)), "truncated");
    }

    #[test]
    fn topic_with_another_id_or_a_smaller_leader_epoch_is_another_topic() {
        let topic = |id: Option<u128>, leader_epoch| {
            let partition = Partition { leader: None, leader_epoch, replicas: Vec::new(), isr: Vec::new() };
            Topic { id: id.map(TopicId), partitions: [(0, partition)].into() }
        };
        let table = [
            (topic(Some(1), Some(3)), false),
            (topic(Some(2), Some(9)), true),
            (topic(None, Some(2)), true),
            (topic(None, Some(3)), false),
            (topic(None, None), false),
        ];
        for (topic, expected) in table {
            assert_eq!(sample().is_before(&topic), expected, "{topic:?}");
        }
    }
}
