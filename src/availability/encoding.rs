//! An interval as bytes, for the memory and for the history file.
//!
//! All numbers are variable-length integers of seven bits a byte, the lowest first, with the sign in the lowest bit where a
//! number may be negative. First comes the version, then the measured time in milliseconds and the number of partitions. For each
//! partition follow its number, the bad and the unacknowledged heartbeats, the number of outcomes and their counts, the latencies
//! that are 0, the index of the first bucket, the number of buckets and their counts.
//!
//! Version 2 goes on with the minutes of a day and the audit: the number of runs of judged minutes, each with the minutes since the
//! end of the run before and its length, the number of bad minutes, each with its number, the judged and the bad heartbeats, then
//! the records that were read again, the number of kinds of losses and their counts. An interval without these is of version 1.

use std::time::Duration;

use super::{
    counts::Counts,
    interval::Interval,
    minutes::{BadMinute, MINUTES_OF_A_DAY, Minutes},
};
use crate::{
    latency::Exponential,
    probe::{durability::Loss, heartbeat::Outcome},
};

/// The version of an interval without minutes and without audit.
const PLAIN: u64 = 1;
/// The version of an interval with both.
const EXTENDED: u64 = 2;

/// No interval is longer than a day.
const LONGEST: Duration = Duration::from_secs(2 * 86_400);

impl Interval {
    /// The interval as bytes.
    pub(super) fn to_bytes(&self) -> Box<[u8]> {
        let mut bytes = Vec::new();
        let is_plain = self.minutes.is_empty() && self.audit.is_empty();
        put(&mut bytes, if is_plain { PLAIN } else { EXTENDED });
        put(&mut bytes, u64::try_from(self.measured.as_millis()).unwrap_or(u64::MAX));
        put(&mut bytes, self.partitions.len() as u64);
        for (partition, Counts { bad, unacknowledged, outcomes, end_to_end }) in &self.partitions {
            put_signed(&mut bytes, *partition);
            put(&mut bytes, *bad);
            put(&mut bytes, *unacknowledged);
            put(&mut bytes, outcomes.len() as u64);
            outcomes.iter().for_each(|count| put(&mut bytes, *count));
            put(&mut bytes, end_to_end.zeros());
            let (first, counts) = end_to_end.buckets();
            put_signed(&mut bytes, first);
            put(&mut bytes, counts.len() as u64);
            counts.iter().for_each(|count| put(&mut bytes, *count));
        }
        if !is_plain {
            put_minutes(&mut bytes, &self.minutes);
            put(&mut bytes, self.audit.checked);
            put(&mut bytes, self.audit.lost.len() as u64);
            self.audit.lost.iter().for_each(|count| put(&mut bytes, *count));
        }
        bytes.into()
    }

    /// The interval of these bytes. `None` if they are of another version, damaged or too long.
    pub(super) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes;
        let version = take(rest)?;
        (version == PLAIN || version == EXTENDED).then_some(())?;
        let mut interval = Self { measured: Duration::from_millis(take(rest)?), ..Self::default() };
        (interval.measured <= LONGEST).then_some(())?;
        for _ in 0..take(rest)? {
            let partition = take_signed(rest)?;
            let (bad, unacknowledged) = (take(rest)?, take(rest)?);
            (take(rest)? == Outcome::ALL.len() as u64).then_some(())?;
            let mut outcomes = [0; Outcome::ALL.len()];
            for count in &mut outcomes {
                *count = take(rest)?;
            }
            let (zeros, first, buckets) = (take(rest)?, take_signed(rest)?, take(rest)?);
            Exponential::can_be(first, buckets).then_some(())?;
            let counts: Vec<u64> = (0..buckets).map(|_| take(rest)).collect::<Option<_>>()?;
            let end_to_end = Exponential::new(zeros, first, counts);
            let counts = Counts { bad, unacknowledged, outcomes, end_to_end };
            interval.partitions.insert(partition, counts);
        }
        if version == EXTENDED {
            interval.minutes = take_minutes(rest)?;
            interval.audit.checked = take(rest)?;
            (take(rest)? == Loss::ALL.len() as u64).then_some(())?;
            for count in &mut interval.audit.lost {
                *count = take(rest)?;
            }
        }
        rest.is_empty().then_some(interval)
    }
}

fn put_minutes(bytes: &mut Vec<u8>, minutes: &Minutes) {
    let runs = minutes.judged_runs();
    put(bytes, runs.len() as u64);
    let mut last = 0;
    for (begin, end) in runs {
        put(bytes, u64::from(begin - last));
        put(bytes, u64::from(end - begin));
        last = end;
    }
    put(bytes, minutes.bad().len() as u64);
    for (minute, BadMinute { judged, bad }) in minutes.bad() {
        [u64::from(*minute), *judged, *bad].into_iter().for_each(|number| put(bytes, number));
    }
}

fn take_minutes(bytes: &mut &[u8]) -> Option<Minutes> {
    let mut minutes = Minutes::default();
    let minute = |number: u64| u16::try_from(number).ok().filter(|number| *number <= MINUTES_OF_A_DAY);
    let mut last = 0;
    for _ in 0..take(bytes)? {
        let begin = minute(take(bytes)?.checked_add(last)?)?;
        let end = minute(take(bytes)?.checked_add(u64::from(begin))?)?;
        (begin..end).for_each(|minute| minutes.set_judged(minute));
        last = u64::from(end);
    }
    for _ in 0..take(bytes)? {
        let number = minute(take(bytes)?).filter(|number| *number < MINUTES_OF_A_DAY)?;
        minutes.set_bad(number, BadMinute { judged: take(bytes)?, bad: take(bytes)? });
    }
    Some(minutes)
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn put_signed(bytes: &mut Vec<u8>, number: i32) {
    let number = i64::from(number);
    put(bytes, ((number << 1) ^ (number >> 63)) as u64);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_signed(bytes: &mut &[u8]) -> Option<i32> {
    let number = take(bytes)?;
    i32::try_from((number >> 1) as i64 ^ -((number & 1) as i64)).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{super::audit::Audit, *};

    fn counts() -> impl Strategy<Value = Counts> {
        let outcomes = any::<[u64; Outcome::ALL.len()]>();
        let buckets = prop::collection::vec(any::<u64>(), 0..60);
        (any::<u64>(), any::<u64>(), outcomes, any::<u64>(), -4096..=4096_i32, buckets).prop_map(
            |(bad, unacknowledged, outcomes, zeros, first, counts)| {
                let end_to_end = Exponential::new(zeros, first, counts);
                Counts { bad, unacknowledged, outcomes, end_to_end }
            },
        )
    }

    fn minutes() -> impl Strategy<Value = Minutes> {
        let bad = prop::collection::btree_map(0..MINUTES_OF_A_DAY, any::<(u64, u64)>(), 0..9);
        (prop::collection::vec(0..MINUTES_OF_A_DAY, 0..50), bad).prop_map(|(judged, bad)| {
            let mut minutes = Minutes::default();
            judged.into_iter().for_each(|minute| minutes.set_judged(minute));
            bad.into_iter()
                .for_each(|(minute, (judged, bad))| minutes.set_bad(minute, BadMinute { judged, bad }));
            minutes
        })
    }

    fn audit() -> impl Strategy<Value = Audit> {
        any::<(u64, [u64; Loss::ALL.len()])>().prop_map(|(checked, lost)| Audit { checked, lost })
    }

    proptest! {
        #[test]
        fn interval_survives_the_way_to_bytes_and_back(
            ms in 0..=172_800_000_u64,
            partitions in prop::collection::btree_map(any::<i32>(), counts(), 0..6),
            minutes in minutes(),
            audit in audit(),
        ) {
            let interval = Interval { measured: Duration::from_millis(ms), partitions, minutes, audit };
            prop_assert_eq!(Interval::from_bytes(&interval.to_bytes()), Some(interval));
        }

        #[test]
        fn bytes_of_any_other_form_are_refused_without_a_crash(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            // Almost no list of random bytes is an interval. If one is, its own bytes lead to the same interval.
            if let Some(interval) = Interval::from_bytes(&bytes) {
                prop_assert_eq!(Interval::from_bytes(&interval.to_bytes()), Some(interval));
            }
        }
    }

    #[test]
    fn bad_minute_of_damaged_bytes_that_say_it_was_not_judged_counts_as_judged() {
        let head = [EXTENDED, 60_000, 0].into_iter();
        let minutes = [0, 1, 7, 5, 2];
        let audit = [0, Loss::ALL.len() as u64].into_iter().chain(Loss::ALL.map(|_| 0));
        let mut bytes = Vec::new();
        head.chain(minutes).chain(audit).for_each(|number| put(&mut bytes, number));
        let interval = Interval::from_bytes(&bytes).expect("the bytes are an interval");
        assert!(interval.minutes.is_judged(7));
        assert_eq!(interval.minutes.bad().get(&7), Some(&BadMinute { judged: 5, bad: 2 }));
        assert_eq!(Interval::from_bytes(&interval.to_bytes()), Some(interval));
    }

    #[test]
    fn order_of_the_outcomes_and_of_the_losses_is_part_of_the_encoding() {
        assert_eq!(Loss::ALL.map(Loss::as_str), ["missing", "different", "truncated"]);
        let labels =
            ["ok", "late", "lost", "rejected", "unacked_received", "unacked_missing", "unsent", "skipped"];
        assert_eq!(
            Outcome::ALL.map(Outcome::as_str),
            labels,
            "a change needs another version of the encoding"
        );
    }

    #[test]
    fn quiet_minute_of_a_partition_takes_few_bytes() {
        let mut outcomes = [0; Outcome::ALL.len()];
        outcomes[0] = 60;
        let end_to_end = Exponential::new(0, -140, vec![3, 9, 20, 12, 8, 4, 2, 0, 1, 0, 0, 1]);
        let partitions = BTreeMap::from([(0, Counts { outcomes, end_to_end, ..Counts::default() })]);
        let mut interval = Interval { measured: Duration::from_secs(60), partitions, ..Interval::default() };
        assert_eq!(interval.to_bytes().len(), 33);
        interval.minutes = interval.as_minute(86_400 + 7 * 60);
        assert_eq!(interval.to_bytes().len(), 33 + 9, "a day knows its minutes");
    }
}
