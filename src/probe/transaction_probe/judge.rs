//! What an answer of the leader means for the record of a transaction.

use super::outcome::{Outcome, Purpose};
use crate::kafka::admin::{CommittedRecord, RecordAt};

/// The outcome of a transaction that was committed or aborted, by what a consumer of committed records gets at the offset of its
/// record. `None` if the consumer still waits. `written` is the value of the record.
pub(super) fn judge(purpose: Purpose, read: &CommittedRecord, written: &[u8]) -> Option<Outcome> {
    let is_visible = match read {
        CommittedRecord::Waits => return None,
        CommittedRecord::Aborted | CommittedRecord::OutOfRange => Some(false),
        CommittedRecord::Found(RecordAt::Value(value)) => Some(value == written),
        // The broker compressed the batch. A consumer gets a record at the offset, and after an unclean election it may be another one.
        CommittedRecord::Found(RecordAt::Compressed) => (purpose == Purpose::Commit).then_some(true),
        CommittedRecord::Found(RecordAt::Absent) => Some(false),
        CommittedRecord::Found(RecordAt::Damaged) => None,
    };
    Some(match (purpose, is_visible) {
        (_, None) => Outcome::Unchecked,
        (Purpose::Commit, Some(true)) => Outcome::Committed,
        (Purpose::Commit, Some(false)) => Outcome::NotVisible,
        (Purpose::Abort, Some(true)) => Outcome::AbortedVisible,
        (Purpose::Abort, Some(false)) => Outcome::Aborted,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn committed_record_must_be_found_and_aborted_record_must_not() {
        let value = |value: &'static [u8]| CommittedRecord::Found(RecordAt::Value(Bytes::from_static(value)));
        let both = |read: CommittedRecord| {
            [Purpose::Commit, Purpose::Abort].map(|purpose| judge(purpose, &read, b"own"))
        };
        let visible = [Some(Outcome::Committed), Some(Outcome::AbortedVisible)];
        let hidden = [Some(Outcome::NotVisible), Some(Outcome::Aborted)];
        assert_eq!(both(value(b"own")), visible);
        let compressed = both(CommittedRecord::Found(RecordAt::Compressed));
        assert_eq!(
            compressed,
            [Some(Outcome::Committed), Some(Outcome::Unchecked)],
            "its value is not known"
        );
        assert_eq!(both(value(b"of another producer")), hidden);
        assert_eq!(both(CommittedRecord::Found(RecordAt::Absent)), hidden);
        assert_eq!(both(CommittedRecord::Aborted), hidden);
        assert_eq!(both(CommittedRecord::OutOfRange), hidden);
        assert_eq!(both(CommittedRecord::Found(RecordAt::Damaged)), [Some(Outcome::Unchecked); 2]);
        assert_eq!(both(CommittedRecord::Waits), [None; 2]);
    }
}
