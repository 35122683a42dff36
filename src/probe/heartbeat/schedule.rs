//! When heartbeats are due: an open-loop grid that waits for nobody.
//!
//! Tick k of the i-th of P partitions is due at `begin + k·interval + i·interval/P`. A slot that
//! comes a little late is used all the same, and its latency counts from the instant it was due; a
//! slot the process slept through is skipped and counted, never sent in a burst.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// However short the interval, a slot may be this late: threads of a busy machine are.
const LEAST_TOLERANCE: Duration = Duration::from_millis(100);

/// The grid of slots.
#[derive(Debug)]
pub struct Slots {
    interval: Duration,
    begin: Instant,
    partitions: Vec<i32>,
    tick: u32,
    index: usize,
    used: BTreeMap<i32, PartitionSlots>,
    limit: Option<u64>,
}

/// What was used of a partition's slots.
#[derive(Debug, Default)]
struct PartitionSlots {
    /// The number of the next heartbeat.
    next: u64,
    /// When the last slot was due.
    last: Option<Instant>,
}

/// What to do about a slot whose instant has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Slot {
    /// Send this heartbeat.
    Due {
        /// Where.
        partition: i32,
        /// Its number on the partition, from 0, without gaps.
        sequence: u64,
        /// The instant it was due: latencies count from here.
        intended: Instant,
    },
    /// The process slept through it.
    Missed {
        /// Where.
        partition: i32,
    },
}

impl Slots {
    /// A grid over these partitions that begins now.
    pub fn new(interval: Duration, partitions: Vec<i32>, begin: Instant) -> Self {
        Self { interval, begin, partitions, tick: 0, index: 0, used: BTreeMap::new(), limit: None }
    }

    /// Ends after so many heartbeats on each partition.
    pub fn limited(mut self, limit: Option<u64>) -> Self {
        self.limit = limit;
        self
    }

    /// How late a slot may be used: half the interval, but at least 100 ms.
    pub fn tolerance(interval: Duration) -> Duration {
        (interval / 2).max(LEAST_TOLERANCE)
    }

    /// Lays the grid over other partitions, without a slot in the past; sequences go on where they were.
    pub fn set_partitions(&mut self, partitions: Vec<i32>, now: Instant) {
        if partitions == self.partitions {
            return;
        }
        if self.partitions.is_empty() {
            self.begin = now;
        }
        self.partitions = partitions;
        let passed = now.saturating_duration_since(self.begin).as_nanos() / self.interval.as_nanos().max(1);
        (self.tick, self.index) = (u32::try_from(passed).unwrap_or(u32::MAX), 0);
        while self.slot().is_some_and(|slot| slot < now) {
            self.step();
        }
    }

    /// When the next slot is due; `None` without partitions, and after the last.
    pub fn next_due(&self) -> Option<Instant> {
        let used = |partition| self.used.get(partition).map_or(0, |used| used.next);
        if self.limit.is_some_and(|limit| self.partitions.iter().all(|partition| used(partition) >= limit)) {
            return None;
        }
        self.slot()
    }

    /// The instant of the next slot, whether it is used or not.
    fn slot(&self) -> Option<Instant> {
        let count = u32::try_from(self.partitions.len()).ok().filter(|count| *count > 0)?;
        let stagger = self.interval * u32::try_from(self.index).ok()? / count;
        Some(self.begin + self.interval * self.tick + stagger)
    }

    /// The next slot, if its instant has come.
    pub fn take(&mut self, now: Instant) -> Option<Slot> {
        loop {
            let intended = self.next_due().filter(|due| *due <= now)?;
            let partition = self.partitions[self.index];
            self.step();
            let used = self.used.entry(partition).or_default();
            // Where the partitions have changed, a slot may come soon after the one before: one of them is enough.
            let doubled = used.last.is_some_and(|last| intended < last + self.interval / 2);
            if doubled || self.limit.is_some_and(|limit| used.next >= limit) {
                continue;
            }
            used.last = Some(intended);
            if now - intended > Self::tolerance(self.interval) {
                return Some(Slot::Missed { partition });
            }
            let sequence = used.next;
            used.next += 1;
            return Some(Slot::Due { partition, sequence, intended });
        }
    }

    fn step(&mut self) {
        self.index += 1;
        if self.index == self.partitions.len() {
            self.index = 0;
            self.tick += 1;
        }
        // Long before `interval * tick` could overflow, the grid moves on by whole ticks.
        if self.tick == 1 << 20 {
            self.begin += self.interval * self.tick;
            self.tick = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn due(slot: Option<Slot>, begin: Instant) -> (i32, u64, u128) {
        match slot {
            Some(Slot::Due { partition, sequence, intended }) => {
                (partition, sequence, (intended - begin).as_millis())
            }
            other => panic!("expected a slot, got {other:?}"),
        }
    }

    #[test]
    fn partitions_are_staggered_over_the_interval() {
        let begin = Instant::now();
        let mut slots = Slots::new(ms(900), vec![0, 1, 5], begin);
        let now = begin + ms(1300);
        assert_eq!(slots.next_due(), Some(begin));
        let taken: Vec<_> = (0..3).map(|_| slots.take(begin + ms(650))).collect();
        assert_eq!(taken[0], Some(Slot::Missed { partition: 0 }), "650 ms late is more than half of 900");
        assert_eq!(due(slots.take(now), begin), (0, 0, 900), "a missed slot takes no sequence");
        assert_eq!(due(slots.take(now), begin), (1, 1, 1200));
        assert_eq!(slots.take(now), None, "the next slot is at 1500 ms");
    }

    #[test]
    fn a_stall_skips_the_slots_it_covered_and_sends_no_burst() {
        let begin = Instant::now();
        let mut slots = Slots::new(ms(1000), vec![0, 1], begin);
        let now = begin + ms(10_200);
        let (mut sent, mut missed) = (0, 0);
        while let Some(slot) = slots.take(now) {
            match slot {
                Slot::Due { .. } => sent += 1,
                Slot::Missed { .. } => missed += 1,
            }
        }
        assert_eq!((sent, missed), (1, 20), "of 0 s … 10.2 s only the slot at 10.0 s is recent enough");
    }

    #[test]
    fn new_partitions_start_at_zero_and_old_ones_go_on() {
        let begin = Instant::now();
        let mut slots = Slots::new(ms(1000), vec![0], begin);
        assert_eq!(due(slots.take(begin), begin), (0, 0, 0));
        slots.set_partitions(vec![0, 1], begin + ms(400));
        assert_eq!(due(slots.take(begin + ms(500)), begin), (1, 0, 500));
        assert_eq!(due(slots.take(begin + ms(1000)), begin), (0, 1, 1000));
        slots.set_partitions(vec![0, 1], begin + ms(1050));
        assert_eq!(slots.next_due(), Some(begin + ms(1500)), "the same partitions change nothing");
    }

    #[test]
    fn partitions_that_come_one_by_one_cause_no_burst() {
        let begin = Instant::now();
        let mut slots = Slots::new(ms(1000), vec![], begin);
        let mut sent = BTreeMap::<i32, Vec<u128>>::new();
        for at in (0..5000).step_by(10) {
            let now = begin + ms(at);
            slots.set_partitions((0..=i32::try_from(at / 20).expect("small").min(99)).collect(), now);
            while let Some(slot) = slots.take(now) {
                let (partition, _, at) = due(Some(slot), begin);
                sent.entry(partition).or_default().push(at);
            }
        }
        assert_eq!(sent.len(), 100);
        for (partition, at) in sent {
            assert!(
                at.windows(2).all(|pair| (500..=2000).contains(&(pair[1] - pair[0]))),
                "{partition}: {at:?}"
            );
            assert!(at.len() >= 2, "{partition}: {at:?}");
        }
    }

    #[test]
    fn a_limit_ends_the_schedule_on_every_partition() {
        let begin = Instant::now();
        let mut slots = Slots::new(ms(10), vec![0, 1], begin).limited(Some(3));
        let mut taken = Vec::new();
        while let Some(due) = slots.next_due() {
            taken.extend(slots.take(due));
        }
        assert_eq!(taken.len(), 6);
        assert_eq!(slots.take(begin + ms(1000)), None);
    }

    #[test]
    fn without_partitions_nothing_is_due() {
        let begin = Instant::now();
        let mut slots = Slots::new(ms(1000), vec![], begin);
        assert_eq!((slots.next_due(), slots.take(begin)), (None, None));
    }

    #[test]
    fn the_grid_does_not_drift_over_a_million_ticks() {
        let begin = Instant::now();
        let mut slots = Slots::new(ms(3), vec![7], begin);
        for tick in 0..1_100_000u64 {
            let at = begin + ms(3 * tick);
            assert_eq!(slots.next_due(), Some(at));
            assert!(matches!(slots.take(at), Some(Slot::Due { sequence, .. }) if sequence == tick));
        }
    }
}
