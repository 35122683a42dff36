//! Where the heartbeats of the source are in the target, and whether a translated offset is right.

use std::collections::BTreeMap;

use crate::probe::coordinators::COMMITTED_PARTITION;

/// The largest number of heartbeats that are known: the newest.
const MOST: usize = 10_000;

/// Whether a translated offset is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Translated {
    /// A group that begins there in the target misses no heartbeat.
    Right {
        /// The number of records that it reads again: from the translated offset to the first heartbeat that it has not read.
        repeated: u64,
    },
    /// A group that begins there in the target never reads this number of heartbeats.
    Skips(u64),
    /// The heartbeats around the offset are not known.
    Unknown,
}

/// The offsets of heartbeats in the source and in the target, for the partition for which offsets are committed in the source.
#[derive(Debug, Clone, Default)]
pub(super) struct Offsets(BTreeMap<i64, i64>);

impl Offsets {
    /// A heartbeat is at this offset of the partition in the target. A mirror keeps the order of records, so heartbeats in another
    /// order are of an earlier topic, or were copied once more since, and are forgotten.
    pub(super) fn set(&mut self, partition: i32, source: i64, target: i64) {
        if partition != COMMITTED_PARTITION {
            return;
        }
        let earlier = self.0.range(..source).rev().take_while(|(_, at)| **at >= target);
        let later = self
            .0
            .range(source..)
            .skip_while(|(offset, _)| **offset == source)
            .take_while(|(_, at)| **at <= target);
        let wrong: Vec<i64> = earlier.chain(later).map(|(offset, _)| *offset).collect();
        wrong.iter().for_each(|offset| _ = self.0.remove(offset));
        self.0.insert(source, target);
        if self.0.len() > MOST {
            self.0.pop_first();
        }
    }

    /// Whether a group that has read everything before an offset of the source goes on rightly from an offset of the target. `None`
    /// while no heartbeat from the offset on is known.
    pub(super) fn judge(&self, source: i64, target: i64) -> Option<Translated> {
        let unread = || self.0.range(source..);
        let skipped = unread().take_while(|(_, at)| **at < target).count();
        if skipped > 0 {
            return Some(Translated::Skips(skipped as u64));
        }
        let (_, first) = unread().next()?;
        if self.0.range(..=source).next().is_none() {
            return Some(Translated::Unknown);
        }
        Some(Translated::Right { repeated: first.abs_diff(target) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Heartbeats at these offsets in the source and in the target.
    fn offsets(pairs: &[(i64, i64)]) -> Offsets {
        let mut offsets = Offsets::default();
        pairs.iter().for_each(|(source, target)| offsets.set(COMMITTED_PARTITION, *source, *target));
        offsets
    }

    #[test]
    fn offset_is_right_up_to_the_first_unread_heartbeat_and_skips_those_before_it() {
        let known = offsets(&[(10, 110), (12, 112), (15, 115)]);
        assert_eq!(known.judge(12, 112), Some(Translated::Right { repeated: 0 }));
        assert_eq!(known.judge(11, 111), Some(Translated::Right { repeated: 1 }));
        assert_eq!(known.judge(15, 11), Some(Translated::Right { repeated: 104 }));
        assert_eq!(known.judge(12, 113), Some(Translated::Skips(1)));
        assert_eq!(known.judge(10, 1_000_000), Some(Translated::Skips(3)));
        assert_eq!(known.judge(16, 0), None, "the next heartbeat is not there so far");
        assert_eq!(known.judge(9, 100), Some(Translated::Unknown), "no heartbeat before it is known");
        assert_eq!(Offsets::default().judge(i64::MIN, i64::MAX), None);
    }

    #[test]
    fn heartbeat_that_was_copied_twice_counts_at_its_last_place() {
        let repeated = offsets(&[(10, 110), (11, 111), (12, 112), (11, 113)]);
        assert_eq!(repeated.judge(11, 113), Some(Translated::Right { repeated: 0 }));
        let other = offsets(&[(10, 110), (11, 111), (12, 112), (11, 113), (12, 114)]);
        assert_eq!(other.judge(12, 114), Some(Translated::Right { repeated: 0 }));
    }

    #[test]
    fn offsets_of_a_topic_that_was_created_again_replace_the_earlier_ones() {
        let source = offsets(&[(100, 100), (101, 101), (0, 102), (1, 103)]);
        assert_eq!(source.judge(1, 103), Some(Translated::Right { repeated: 0 }));
        assert_eq!(source.judge(2, 104), None);
        let target = offsets(&[(100, 100), (101, 101), (102, 0), (103, 1)]);
        assert_eq!(target.judge(103, 1), Some(Translated::Right { repeated: 0 }));
    }

    proptest! {
        #[test]
        fn known_heartbeats_are_in_the_same_order_in_both_clusters(pairs in prop::collection::vec((0_i64..30, 0_i64..30), 0..60)) {
            let known = offsets(&pairs);
            let targets: Vec<i64> = known.0.values().copied().collect();
            prop_assert!(targets.is_sorted_by(|one, next| one < next), "{:?}", known);
            if let Some((source, target)) = pairs.last() {
                prop_assert_eq!(known.0.get(source), Some(target));
            }
        }
    }
}
