//! The partitions of the heartbeat topic that bad heartbeats were sent to, with their leaders, as reasons.
//!
//! The counts of the whole cluster say how bad it is. These reasons say where.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    closed_enum::closed_enum,
    kafka::BrokerId,
    probe::heartbeat::{BrokerCounts, Outcome, Partition},
    text::{NAMED, list},
};

closed_enum! {
    /// How a heartbeat failed, the most severe failure first.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Failure {
        /// It was acknowledged, and its record was never read back.
        Lost = "were acknowledged and are lost",
        /// It was not acknowledged by its deadline.
        Unacknowledged = "were not acknowledged in time",
        /// It was acknowledged by its deadline, and not read back by then.
        Unread = "were acknowledged, but not read back in time",
    }
}

/// The counts of heartbeats to one partition while one broker led it, by failure, and when each last rose.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    counts: [u64; Failure::ALL.len()],
    rose: [Option<Instant>; Failure::ALL.len()],
}

/// When heartbeats last failed, by partition and by its leader when they were sent.
#[derive(Debug, Default)]
pub(super) struct Affected {
    partitions: BTreeMap<(i32, Option<BrokerId>), Counts>,
    /// The first snapshot holds what happened before: its counts give no reasons.
    started: bool,
}

impl Affected {
    /// Compares the counts of all partitions with the counts before.
    pub(super) fn add(&mut self, at: Instant, partitions: &BTreeMap<i32, Partition>) {
        self.partitions.retain(|(partition, _), _| partitions.contains_key(partition));
        for (number, partition) in partitions {
            for (leader, counts) in &partition.by_broker {
                let before = self.partitions.entry((*number, *leader)).or_default();
                let now = failures(counts);
                for ((rose, before), now) in before.rose.iter_mut().zip(before.counts).zip(now) {
                    if self.started && now > before {
                        *rose = Some(at);
                    }
                }
                before.counts = now;
            }
        }
        self.started = true;
    }

    /// The reasons for failures within `window` before `now`: one reason for each failure and leader. For each failure at most
    /// [`NAMED`] leaders are named, and one more reason counts the other leaders.
    pub(super) fn reasons(&self, now: Instant, window: Duration) -> Vec<String> {
        Failure::ALL.into_iter().flat_map(|failure| self.of(failure, now, window)).collect()
    }

    fn of(&self, failure: Failure, now: Instant, window: Duration) -> Vec<String> {
        let mut leaders: BTreeMap<Option<BrokerId>, Vec<i32>> = BTreeMap::new();
        for ((partition, leader), counts) in &self.partitions {
            let rose = counts.rose[failure as usize];
            if rose.is_some_and(|rose| now.saturating_duration_since(rose) < window) {
                leaders.entry(*leader).or_default().push(*partition);
            }
        }
        let what = failure.as_str();
        let reason = |(leader, partitions): (&Option<BrokerId>, &Vec<i32>)| {
            let leader = match leader {
                Some(broker) => format!("led by broker {broker}"),
                None => "without a leader".to_owned(),
            };
            let partitions = list("partition", partitions)?;
            Some(format!("heartbeats to {partitions} of the heartbeat topic, {leader}, {what}"))
        };
        let more = leaders.len().saturating_sub(NAMED);
        let more =
            (more > 0).then(|| format!("heartbeats to partitions that {more} more brokers led {what}"));
        leaders.iter().take(NAMED).filter_map(reason).chain(more).collect()
    }
}

/// The counts by failure, in the order of [`Failure::ALL`].
fn failures(counts: &BrokerCounts) -> [u64; Failure::ALL.len()] {
    let lost = counts.outcomes[Outcome::Lost as usize];
    [lost, counts.unacknowledged, counts.bad.saturating_sub(counts.unacknowledged)]
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::latency::{Bounds, Buckets};

    const WINDOW: Duration = Duration::from_secs(30);

    /// A partition that this broker led, with these counts of bad, unacknowledged and lost heartbeats.
    fn partition(leader: Option<i32>, bad: u64, unacknowledged: u64, lost: u64) -> Partition {
        let empty = Buckets::new(&Bounds::default());
        let mut outcomes = [0; 8];
        outcomes[Outcome::Lost as usize] = lost;
        let counts = BrokerCounts {
            outcomes,
            produce: empty.clone(),
            end_to_end: empty.clone(),
            delivery: empty,
            bad,
            unacknowledged,
        };
        let leader = leader.map(BrokerId);
        Partition {
            scheduled: 100,
            in_flight: 0,
            by_broker: BTreeMap::from([(leader, counts)]),
            anomalies: [0; 7],
            last_success: None,
            leader,
            rack: None,
            beats: VecDeque::new(),
            overdue: None,
            acknowledged: None,
        }
    }

    /// The reasons one second after all counts rose from zero to those of the partitions.
    fn reasons(partitions: Vec<Partition>) -> Vec<String> {
        let (mut affected, begin) = (Affected::default(), Instant::now());
        let later = begin + Duration::from_secs(1);
        affected.add(begin, &BTreeMap::new());
        affected.add(later, &(0..).zip(partitions).collect());
        affected.reasons(later, WINDOW)
    }

    #[test]
    fn partitions_that_fail_are_named_with_the_broker_that_led_them() {
        let found = reasons(vec![
            partition(Some(1), 0, 0, 0),
            partition(Some(1), 2, 0, 1),
            partition(None, 1, 1, 0),
            partition(Some(2), 3, 3, 0),
            partition(Some(2), 5, 4, 0),
        ]);
        assert_eq!(
            found,
            [
                "heartbeats to partition 1 of the heartbeat topic, led by broker 1, were acknowledged and are lost",
                "heartbeats to partition 2 of the heartbeat topic, without a leader, were not acknowledged in time",
                "heartbeats to partitions 3 and 4 of the heartbeat topic, led by broker 2, were not acknowledged in time",
                "heartbeats to partition 1 of the heartbeat topic, led by broker 1, were acknowledged, but not read back in time",
                "heartbeats to partition 4 of the heartbeat topic, led by broker 2, were acknowledged, but not read back in time",
            ]
        );
    }

    #[test]
    fn many_partitions_and_brokers_are_counted_and_not_named() {
        let found = reasons((0..800).map(|number| partition(Some(number % 100), 1, 1, 0)).collect());
        assert_eq!(found.len(), NAMED + 1);
        assert_eq!(
            found[0],
            "heartbeats to partitions 0, 100, 200, 300, 400 and 3 more of the heartbeat topic, led by broker 0, \
             were not acknowledged in time"
        );
        assert_eq!(
            found[NAMED],
            "heartbeats to partitions that 95 more brokers led were not acknowledged in time"
        );
    }

    #[test]
    fn partition_is_named_from_its_first_bad_heartbeat_until_the_window_has_passed() {
        let (mut affected, begin) = (Affected::default(), Instant::now());
        let mut see = |seconds, bad| {
            let at = begin + Duration::from_secs(seconds);
            affected.add(at, &BTreeMap::from([(0, partition(Some(1), bad, bad, 0))]));
            affected.reasons(at, WINDOW).len()
        };
        assert_eq!(see(0, 7), 0, "these heartbeats failed before the first snapshot");
        assert_eq!(see(1, 7), 0);
        assert_eq!(see(2, 8), 1);
        assert_eq!(see(31, 8), 1);
        assert_eq!(see(32, 8), 0);
        assert_eq!(see(33, 9), 1, "the partition failed again");
        affected.add(begin + Duration::from_secs(34), &BTreeMap::new());
        let now = begin + Duration::from_secs(34);
        assert_eq!(affected.reasons(now, WINDOW), Vec::<String>::new(), "the partition left the topic");
    }
}
