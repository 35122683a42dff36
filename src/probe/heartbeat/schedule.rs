//! The schedule of heartbeats: an open-loop grid of slots. A slot never waits for an earlier heartbeat.
//!
//! Tick k of the i-th of P partitions is due at `begin + k·interval + i·interval/P`. A slot that is a little late is
//! used all the same, and its latency counts from the instant at which it was due. A slot that passed while the process
//! did not run is skipped and counted: there is never a burst.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::id::HeartbeatId;

/// A slot may be this late however short the interval is, because threads of a busy machine run late.
const LEAST_TOLERANCE: Duration = Duration::from_millis(100);

/// The grid of slots.
#[derive(Debug)]
pub struct Slots {
    interval: Duration,
    begin: Instant,
    partitions: Vec<i32>,
    /// The tick of the next slot.
    tick: u32,
    /// The index in `partitions` of the next slot.
    index: usize,
    used: BTreeMap<i32, PartitionSlots>,
    /// The number of heartbeats on each partition after which the schedule ends; `None` if it does not end.
    limit: Option<u64>,
}

/// The slots of one partition that have passed.
#[derive(Debug, Default)]
struct PartitionSlots {
    /// The sequence of the next heartbeat.
    next: u64,
    /// The instant at which the last slot was due; `None` before the first.
    last: Option<Instant>,
}

/// A slot whose instant has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Slot {
    /// Send this heartbeat.
    Due {
        /// The heartbeat.
        id: HeartbeatId,
        /// The instant at which it was due. Latencies count from here.
        intended: Instant,
    },
    /// The slot is too late: the process did not run when it was due.
    Missed {
        /// The partition.
        partition: i32,
    },
}

impl Slots {
    /// A grid over these partitions that begins at an instant.
    pub fn new(interval: Duration, partitions: Vec<i32>, begin: Instant) -> Self {
        Self { interval, begin, partitions, tick: 0, index: 0, used: BTreeMap::new(), limit: None }
    }

    /// The same grid, ended after this number of heartbeats on each partition. `None` sets no end.
    pub fn limited(mut self, limit: Option<u64>) -> Self {
        self.limit = limit;
        self
    }

    /// How late a slot may be used: half the interval, but at least 100 ms.
    pub fn tolerance(interval: Duration) -> Duration {
        (interval / 2).max(LEAST_TOLERANCE)
    }

    /// Lays the grid over other partitions, without a slot in the past. The sequences of a partition continue.
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

    /// The instant at which the next slot is due; `None` without partitions, and after the last heartbeat.
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
            // After a change of the partitions, two slots of a partition may be close together: the second is left out.
            let doubled = used.last.is_some_and(|last| intended < last + self.interval / 2);
            if doubled || self.limit.is_some_and(|limit| used.next >= limit) {
                continue;
            }
            used.last = Some(intended);
            if now - intended > Self::tolerance(self.interval) {
                return Some(Slot::Missed { partition });
            }
            let id = HeartbeatId { partition, sequence: used.next };
            used.next += 1;
            return Some(Slot::Due { id, intended });
        }
    }

    fn step(&mut self) {
        self.index += 1;
        if self.index == self.partitions.len() {
            self.index = 0;
            self.tick += 1;
        }
        // The beginning moves on by whole ticks, long before `interval * tick` could overflow.
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
            Some(Slot::Due { id, intended }) => (id.partition, id.sequence, (intended - begin).as_millis()),
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
    fn stall_skips_the_slots_within_it_and_sends_no_burst() {
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
    fn new_partition_begins_at_sequence_zero_and_old_partition_continues() {
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
    fn partitions_added_one_by_one_cause_no_burst() {
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
    fn limit_ends_the_schedule_on_every_partition() {
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
    fn schedule_without_partitions_has_no_slot() {
        let begin = Instant::now();
        let mut slots = Slots::new(ms(1000), vec![], begin);
        assert_eq!((slots.next_due(), slots.take(begin)), (None, None));
    }

    #[test]
    fn grid_does_not_drift_over_a_million_ticks() {
        let begin = Instant::now();
        let mut slots = Slots::new(ms(3), vec![7], begin);
        for tick in 0..1_100_000u64 {
            let at = begin + ms(3 * tick);
            assert_eq!(slots.next_due(), Some(at));
            assert!(matches!(slots.take(at), Some(Slot::Due { id, .. }) if id.sequence == tick));
        }
    }
}
