//! What was found at each replica.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    read::{At, Chosen, Read},
    snapshot::{Damage, Replica},
};
use crate::{
    kafka::{
        BrokerId,
        admin::{StoredBatch, Topic},
    },
    latency::{Bounds, Buckets},
};

/// The damaged batches of one broker that are remembered.
const MOST_DAMAGED: usize = 100;

/// What was found at each replica.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) brokers: BTreeMap<BrokerId, Replica>,
    /// The in-sync replicas whose newest record was not shown in time when they were read last.
    late: BTreeSet<At>,
    /// The offset of each partition from which older records are read next.
    next: BTreeMap<i32, i64>,
}

impl Replica {
    fn new() -> Self {
        Self {
            reads: 0,
            failures: BTreeMap::new(),
            visible: Buckets::new(&Bounds::default()),
            damaged_total: 0,
            damaged: BTreeSet::new(),
            late: BTreeSet::new(),
        }
    }
}

impl State {
    /// The older record of a partition that is read next. The whole log is read, a few kilobytes in each cycle, from its first
    /// offset to its newest and then again. A damaged record is read again in every second cycle.
    pub(super) fn older(&self, partition: i32, start: i64, newest: i64, cycle: u64) -> i64 {
        let next = self.next.get(&partition).copied().filter(|next| (start..=newest).contains(next));
        let again = self.damaged_at(partition).filter(|_| cycle.is_multiple_of(2));
        again.or(next).unwrap_or(start)
    }

    /// An offset of a partition at which a damaged batch was found.
    fn damaged_at(&self, partition: i32) -> Option<i64> {
        let damaged = self.brokers.values().flat_map(|replica| &replica.damaged);
        damaged.into_iter().find(|damage| damage.partition == partition).map(|damage| damage.offset)
    }

    /// Takes in the reads of one cycle, of some or all partitions of the topic.
    pub(super) fn add(&mut self, topic: &Topic, chosen: &BTreeMap<i32, Chosen>, reads: &BTreeMap<At, Read>) {
        let replicas = topic
            .partitions
            .iter()
            .flat_map(|(number, partition)| partition.replicas.iter().map(move |broker| (*number, *broker)));
        let replicas: BTreeSet<At> = replicas.collect();
        let brokers: BTreeSet<BrokerId> = replicas.iter().map(|(_, broker)| *broker).collect();
        self.brokers.retain(|broker, _| brokers.contains(broker));
        self.late.retain(|at| replicas.contains(at));
        for (broker, replica) in &mut self.brokers {
            replica.late.retain(|number| replicas.contains(&(*number, *broker)));
            // What lies outside of the log was deleted.
            replica.damaged.retain(|damage| {
                let chosen = chosen.get(&damage.partition);
                chosen.is_none_or(|chosen| (chosen.start..=chosen.newest).contains(&damage.offset))
            });
        }
        for (at, read) in reads {
            self.add_newest(topic, *at, read);
        }
        for (number, chosen) in chosen {
            let next = reads.iter().filter(|((partition, _), _)| partition == number);
            let next = next.filter_map(|(_, read)| read.next).max();
            if self.damaged_at(*number) != Some(chosen.older)
                && let Some(next) = next
            {
                // After the newest record, the log is read again from its start.
                self.next.retain(|partition, _| partition != number);
                self.next.extend((next <= chosen.newest).then_some((*number, next)));
            }
        }
        self.compare(topic, chosen, reads);
    }

    /// Takes in how a replica showed the newest record.
    fn add_newest(&mut self, topic: &Topic, at: At, read: &Read) {
        let (number, broker) = at;
        let is_in_sync =
            topic.partitions.get(&number).is_some_and(|partition| partition.isr.contains(&broker));
        let replica = self.brokers.entry(broker).or_insert_with(Replica::new);
        let Some(newest) = read.newest else { return };
        // A replica that is not in sync is known to lag.
        let is_late = read.late && is_in_sync;
        if !is_late {
            self.late.remove(&at);
            replica.late.remove(&number);
        } else if !self.late.insert(at) {
            replica.late.insert(number);
        }
        if read.late && !is_in_sync {
            return;
        }
        replica.reads += 1;
        match newest {
            Ok(took) => replica.visible.record(took),
            Err(fault) => *replica.failures.entry(fault).or_default() += 1,
        }
    }

    /// Looks for damaged batches, and for batches that differ from those of the leader.
    fn compare(&mut self, topic: &Topic, chosen: &BTreeMap<i32, Chosen>, reads: &BTreeMap<At, Read>) {
        for ((number, broker), read) in reads {
            let leader = topic.partitions.get(number).and_then(|partition| partition.leader);
            let of_leader = leader.filter(|leader| leader != broker);
            let of_leader = of_leader.and_then(|leader| reads.get(&(*number, leader)));
            let of_leader = of_leader.map_or(&[][..], |read| &read.batches);
            let Some(replica) = self.brokers.get_mut(broker) else { continue };
            let is_covered =
                |offset| read.batches.iter().any(|batch| (batch.first..=batch.last).contains(&offset));
            let asked = chosen.get(number).map(|chosen| chosen.older).filter(|_| !read.batches.is_empty());
            // What was read again is decided anew. What was asked for and is not there any more was deleted.
            let known = replica.damaged.clone();
            replica.damaged.retain(|damage| {
                damage.partition != *number || !is_covered(damage.offset) && asked != Some(damage.offset)
            });
            for batch in read.batches.iter().filter(|batch| is_damaged(batch, of_leader)) {
                let damage = Damage { partition: *number, offset: batch.last };
                let is_new = replica.damaged.len() < MOST_DAMAGED && replica.damaged.insert(damage);
                replica.damaged_total += u64::from(is_new && !known.contains(&damage));
            }
        }
    }
}

/// Whether the bytes of a batch do not have its checksum, or the leader has another batch at the same offset.
fn is_damaged(batch: &StoredBatch, of_leader: &[StoredBatch]) -> bool {
    let same = of_leader.iter().find(|other| other.first == batch.first);
    !batch.intact || same.is_some_and(|other| other.intact && other.checksum != batch.checksum)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::kafka::{Fault, admin::Partition};

    /// One partition with a leader and a follower, which is in sync or not.
    fn topic(is_in_sync: bool) -> Topic {
        let brokers = [1, 2].map(BrokerId);
        let isr = brokers[..if is_in_sync { 2 } else { 1 }].to_vec();
        let partition =
            Partition { leader: Some(BrokerId(1)), leader_epoch: Some(1), replicas: brokers.to_vec(), isr };
        Topic { id: None, partitions: BTreeMap::from([(0, partition)]) }
    }

    fn batch(first: i64, checksum: u32, intact: bool) -> StoredBatch {
        StoredBatch { first, last: first, checksum, intact }
    }

    fn reads(follower: &[StoredBatch], newest: Result<Duration, Fault>) -> BTreeMap<At, Read> {
        let took = Ok(Duration::from_millis(2));
        let leader = Read {
            newest: Some(took),
            late: false,
            batches: vec![batch(5, 55, true), batch(9, 99, true)],
            next: None,
        };
        let follower = Read {
            newest: Some(newest),
            late: newest == Err(Fault::Timeout),
            batches: follower.to_vec(),
            next: Some(6),
        };
        BTreeMap::from([((0, BrokerId(1)), leader), ((0, BrokerId(2)), follower)])
    }

    fn chosen(older: i64) -> BTreeMap<i32, Chosen> {
        BTreeMap::from([(0, Chosen { start: 5, newest: 9, older })])
    }

    const GOOD: Result<Duration, Fault> = Ok(Duration::from_millis(3));

    #[test]
    fn damaged_batch_is_counted_once_and_stays_until_it_was_read_again() {
        let mut state = State::default();
        let whole = [batch(5, 55, true), batch(9, 99, true)];
        state.add(&topic(true), &chosen(5), &reads(&whole, GOOD));
        assert!(state.brokers.values().all(|replica| replica.damaged.is_empty() && replica.reads == 1));
        let damaged = [batch(5, 55, false), batch(9, 99, true)];
        for _ in 0..2 {
            state.add(&topic(true), &chosen(5), &reads(&damaged, GOOD));
            let follower = &state.brokers[&BrokerId(2)];
            assert_eq!((follower.damaged_total, follower.damaged.len()), (1, 1));
            assert_eq!(state.damaged_at(0), Some(5));
        }
        assert!(state.brokers[&BrokerId(1)].damaged.is_empty(), "the leader is not damaged");
        state.add(&topic(true), &chosen(7), &reads(&[batch(9, 99, true)], GOOD));
        assert_eq!(state.damaged_at(0), Some(5), "it was not read again");
        let deleted = BTreeMap::from([(0, Chosen { start: 6, newest: 9, older: 7 })]);
        state.add(&topic(true), &deleted, &reads(&[batch(9, 99, true)], GOOD));
        assert_eq!(state.damaged_at(0), None, "it was deleted");
        assert_eq!(state.brokers[&BrokerId(2)].damaged_total, 1);
    }

    #[test]
    fn older_records_are_read_one_after_the_other_and_a_damaged_one_again() {
        let mut state = State::default();
        assert_eq!(state.older(0, 5, 9, 1), 5);
        state.add(&topic(true), &chosen(5), &reads(&[], GOOD));
        assert_eq!(
            [(5, 9), (7, 9), (1, 4)].map(|(start, newest)| state.older(0, start, newest, 1)),
            [6, 7, 1]
        );
        state.add(&topic(true), &chosen(6), &reads(&[batch(8, 1, false)], GOOD));
        assert_eq!([1, 2].map(|cycle| state.older(0, 5, 9, cycle)), [6, 8]);
        let mut ended = reads(&[], GOOD);
        ended.values_mut().for_each(|read| read.next = Some(10));
        state.add(&topic(true), &chosen(6), &ended);
        assert_eq!(state.older(0, 5, 12, 1), 5, "the newest record was read, although more have come since");
    }

    #[test]
    fn batch_that_differs_from_the_one_of_the_leader_is_damaged_at_the_follower() {
        let mut state = State::default();
        state.add(&topic(true), &chosen(5), &reads(&[batch(5, 56, true), batch(9, 99, true)], GOOD));
        let damaged = |broker: i32| state.brokers[&BrokerId(broker)].damaged.len();
        assert_eq!([1, 2].map(damaged), [0, 1]);
    }

    #[test]
    fn in_sync_replica_is_late_after_two_cycles_and_another_replica_is_known_to_lag() {
        let mut state = State::default();
        let missing = reads(&[], Err(Fault::Timeout));
        let late = |state: &State| state.brokers[&BrokerId(2)].late.len();
        state.add(&topic(true), &chosen(5), &missing);
        assert_eq!(late(&state), 0);
        state.add(&topic(true), &chosen(5), &missing);
        assert_eq!((late(&state), state.brokers[&BrokerId(2)].failures[&Fault::Timeout]), (1, 2));
        state.add(&topic(false), &chosen(5), &missing);
        assert_eq!((late(&state), state.brokers[&BrokerId(2)].reads), (0, 2));
        let silent = || {
            let mut silent = reads(&[], Err(Fault::Timeout));
            silent.values_mut().for_each(|read| read.late = false);
            silent
        };
        state.add(&topic(true), &chosen(5), &silent());
        state.add(&topic(true), &chosen(5), &silent());
        assert_eq!(late(&state), 0, "a broker that does not answer is another fault");
    }

    #[test]
    fn cycle_without_an_answer_and_cycle_of_other_partitions_forget_nothing() {
        let mut state = State::default();
        state.add(&topic(true), &chosen(5), &reads(&[batch(5, 55, false)], Err(Fault::Timeout)));
        state.add(&topic(true), &BTreeMap::new(), &BTreeMap::new());
        let follower = &state.brokers[&BrokerId(2)];
        assert_eq!((follower.reads, follower.damaged.len(), follower.damaged_total), (1, 1, 1));
        state.add(&topic(true), &chosen(5), &reads(&[], Err(Fault::Timeout)));
        assert_eq!(state.brokers[&BrokerId(2)].late.len(), 1, "it was late in the two reads");
    }
}
