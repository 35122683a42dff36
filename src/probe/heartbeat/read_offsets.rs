//! Which records of the heartbeat topic were reported to the ledger.
//!
//! While certificates are renewed, two consumers read the same records, and a record is reported when the first of them
//! has it. After the election of a leader that lacks records, the log ends before the offsets of the consumers. Each
//! consumer then goes back, and finds other records at offsets that it has read before.

use std::collections::BTreeMap;

/// Where one consumer is in a partition.
#[derive(Debug, Clone, Copy)]
struct Position {
    /// The offset after the last record that the consumer read, or at which it began.
    next: i64,
    /// The number of times that the consumer went back.
    rewinds: u32,
}

/// Where one consumer is, by partition.
#[derive(Debug, Clone, Default)]
pub(super) struct Positions(BTreeMap<i32, Position>);

impl Positions {
    /// Notes that the consumer begins to read partitions at these offsets.
    pub(super) fn begin(&mut self, offsets: &BTreeMap<i32, i64>) {
        self.0.extend(
            offsets.iter().map(|(partition, next)| (*partition, Position { next: *next, rewinds: 0 })),
        );
    }

    /// The offset of the next record, by partition.
    pub(super) fn offsets(&self) -> BTreeMap<i32, i64> {
        self.0.iter().map(|(partition, position)| (*partition, position.next)).collect()
    }

    /// The partitions that the consumer reads.
    pub(super) fn partitions(&self) -> impl Iterator<Item = i32> {
        self.0.keys().copied()
    }
}

/// The offset after the last record that was reported, by partition and number of rewinds.
#[derive(Debug, Default)]
pub(super) struct Reported(BTreeMap<(i32, u32), i64>);

impl Reported {
    /// Notes that a consumer with these positions read a record. Returns whether no consumer read the record before.
    pub(super) fn note(&mut self, consumer: &mut Positions, partition: i32, offset: i64) -> bool {
        let position = consumer.0.entry(partition).or_insert(Position { next: offset, rewinds: 0 });
        if offset < position.next {
            position.rewinds = position.rewinds.saturating_add(1);
            // The other consumer may not have gone back yet.
            let kept = position.rewinds - 1;
            self.0.retain(|(other, rewinds), _| *other != partition || *rewinds >= kept);
        }
        position.next = offset.saturating_add(1);
        let reported = self.0.entry((partition, position.rewinds)).or_insert(offset);
        let is_first = offset >= *reported;
        if is_first {
            *reported = position.next;
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two consumers that begin at offset 10 of partition 0.
    fn two() -> [Positions; 2] {
        let mut one = Positions::default();
        one.begin(&BTreeMap::from([(0, 10)]));
        [one.clone(), one]
    }

    #[test]
    fn record_that_two_consumers_read_is_reported_once_also_after_the_first_consumer_is_gone() {
        let ([mut old, mut new], mut reported) = (two(), Reported::default());
        assert!([10, 11, 12].into_iter().all(|offset| reported.note(&mut old, 0, offset)));
        assert!(!reported.note(&mut new, 0, 10));
        drop(old);
        let rest = [11, 12, 13, 14].map(|offset| reported.note(&mut new, 0, offset));
        assert_eq!(rest, [false, false, true, true]);
        assert_eq!(new.offsets(), BTreeMap::from([(0, 15)]));
    }

    #[test]
    fn records_after_a_truncation_are_reported_by_the_consumer_that_went_back_first() {
        for went_back_first in [0, 1] {
            let (mut both, mut reported) = (two(), Reported::default());
            for consumer in &mut both {
                reported.note(consumer, 0, 10);
            }
            assert!(reported.note(&mut both[went_back_first], 0, 4), "{went_back_first}");
            let other = &mut both[1 - went_back_first];
            assert!(reported.note(other, 0, 11), "it was in the log before the truncation");
            assert!(reported.note(&mut both[went_back_first], 0, 5), "{went_back_first}");
            let other = &mut both[1 - went_back_first];
            assert_eq!([4, 5, 6].map(|offset| reported.note(other, 0, offset)), [false, false, true]);
        }
    }

    #[test]
    fn number_of_offsets_stays_small_however_often_a_consumer_goes_back() {
        let ([mut consumer, _], mut reported) = (two(), Reported::default());
        for _ in 0..1000 {
            reported.note(&mut consumer, 0, 10);
            reported.note(&mut consumer, 1, 10);
        }
        assert!(reported.0.len() <= 4, "{reported:?}");
    }
}
