//! The partitions of each cycle: as many as the limit of requests allows, the longest unchecked first.

use std::{collections::VecDeque, time::Duration};

/// The largest number of requests a second, on average over a cycle. All fifty partitions that a cluster has by default are
/// checked within ten seconds, and brokers serve thousands of requests a second.
const REQUESTS_PER_SECOND: f64 = 6.0;

/// The number of requests that a partition is assumed to cost before any cycle: FindCoordinator, OffsetCommit and OffsetFetch,
/// each for one group alone, as before Kafka 3.0, and its share of the requests that a cycle sends once.
const FIRST_COST: f64 = 4.0;

/// The order in which partitions are checked, and how many requests a partition costs.
#[derive(Debug)]
pub(super) struct Turns {
    /// All partitions, the longest unchecked first.
    order: VecDeque<i32>,
    /// The number of requests for each partition: of the last cycle without a failure, or a larger number that was measured
    /// since.
    cost: f64,
}

impl Turns {
    /// Every partition is due.
    pub(super) fn new(partitions: impl IntoIterator<Item = i32>) -> Self {
        Self { order: partitions.into_iter().collect(), cost: FIRST_COST }
    }

    /// The partitions of the next cycle. Partitions whose last check failed come sooner, for up to one half of the places, so
    /// that the end of a failure is noticed and no other partition waits for much longer.
    pub(super) fn next(&self, interval: Duration, is_failing: impl Fn(i32) -> bool) -> Vec<i32> {
        let allowed = REQUESTS_PER_SECOND * interval.as_secs_f64() / self.cost;
        let places = (allowed as usize).clamp(1, self.order.len().max(1));
        let all = || self.order.iter().copied();
        let mut chosen: Vec<i32> = all().filter(|one| is_failing(*one)).take(places / 2).collect();
        let failing = chosen.len();
        chosen.extend(all().filter(|one| !is_failing(*one)).take(places - failing));
        let left = places - chosen.len();
        chosen.extend(all().filter(|one| is_failing(*one)).skip(failing).take(left));
        chosen
    }

    /// A partition was checked: it is the last in the order now.
    pub(super) fn checked(&mut self, partition: i32) {
        self.order.retain(|other| *other != partition);
        self.order.push_back(partition);
    }

    /// A cycle for this many partitions sent this many requests. A cycle with failures may send fewer requests than a cycle
    /// without, so only a larger cost is believed then.
    pub(super) fn learn(&mut self, partitions: usize, requests: u64, all_good: bool) {
        if partitions == 0 {
            return;
        }
        let cost = requests as f64 / partitions as f64;
        if all_good || cost > self.cost {
            self.cost = cost.max(1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);
    /// Requests of a cycle of [`INTERVAL`] at six requests a second.
    const ALLOWED: u64 = 30;

    /// Runs cycles until every partition was checked `rounds` times. Returns the requests of each cycle.
    fn run(partitions: i32, cost: impl Fn(usize) -> u64, is_failing: impl Fn(i32) -> bool) -> Vec<u64> {
        let mut turns = Turns::new(0..partitions);
        let (mut counts, mut sent) = (BTreeMap::<i32, u32>::new(), Vec::new());
        while counts.len() < partitions as usize || counts.values().any(|count| *count < 3) {
            let chosen = turns.next(INTERVAL, &is_failing);
            sent.push(cost(chosen.len()));
            for partition in &chosen {
                *counts.entry(*partition).or_default() += 1;
                turns.checked(*partition);
            }
            turns.learn(chosen.len(), cost(chosen.len()), !chosen.iter().any(|one| is_failing(*one)));
        }
        sent
    }

    /// One FindCoordinator, one ListOffsets, a commit for each partition, and a fetch for each of the brokers.
    fn modern(brokers: usize) -> impl Fn(usize) -> u64 {
        move |partitions| (2 + partitions + partitions.min(brokers)) as u64
    }

    #[test]
    fn cycles_send_at_most_six_requests_a_second_for_every_size_of_cluster() {
        for partitions in [1, 12, 50, 1000] {
            for brokers in [1, 3, 9, 100] {
                let sent = run(partitions, modern(brokers), |_| false);
                assert!(sent.iter().all(|sent| *sent <= ALLOWED), "{partitions} on {brokers}: {sent:?}");
            }
            let before_3_0 = run(partitions, |partitions| 2 + 3 * partitions as u64, |_| false);
            assert!(before_3_0.iter().all(|sent| *sent <= ALLOWED), "{partitions}: {before_3_0:?}");
        }
    }

    #[test]
    fn default_number_of_partitions_is_checked_within_three_cycles() {
        let mut turns = Turns::new(0..50);
        turns.learn(20, 25, true);
        let mut left: Vec<i32> = (0..50).collect();
        for _ in 0..3 {
            for partition in turns.next(INTERVAL, |_| false) {
                left.retain(|other| *other != partition);
                turns.checked(partition);
            }
        }
        assert_eq!(left, [0; 0]);
    }

    #[test]
    fn failing_partitions_come_sooner_and_take_at_most_half_of_the_places() {
        let mut turns = Turns::new(0..50);
        turns.learn(10, 30, true);
        let is_failing = |partition| partition >= 30;
        let first = turns.next(INTERVAL, is_failing);
        assert_eq!(first, [30, 31, 32, 33, 34, 0, 1, 2, 3, 4]);
        first.iter().for_each(|partition| turns.checked(*partition));
        assert_eq!(turns.next(INTERVAL, is_failing), [35, 36, 37, 38, 39, 5, 6, 7, 8, 9]);
        assert_eq!(turns.next(INTERVAL, |_| true).len(), 10, "all places are used if all partitions fail");
        let sent = run(50, modern(3), is_failing);
        assert!(sent.iter().all(|sent| *sent <= ALLOWED), "{sent:?}");
    }

    #[test]
    fn cycle_with_failures_does_not_make_the_next_cycle_larger() {
        let mut turns = Turns::new(0..50);
        turns.learn(10, 20, true);
        turns.learn(10, 1, false);
        assert_eq!(turns.next(INTERVAL, |_| false).len(), 15);
        turns.learn(15, 60, false);
        assert_eq!(
            turns.next(INTERVAL, |_| false).len(),
            7,
            "more requests for each partition count at once"
        );
        assert_eq!(turns.next(Duration::from_millis(1), |_| false).len(), 1);
    }
}
