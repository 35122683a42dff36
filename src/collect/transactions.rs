//! Transactions that hold back read_committed consumers: transactions that are open for long, and hanging transactions.
//!
//! Where the last stable offset stays below the high watermark, the service asks the leader of the partition for the open
//! transactions, and their coordinators for the state of each transaction. A transaction that no coordinator knows is hanging:
//! it stays open until it is aborted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    cluster::{Api, Faults, metadata},
    config,
    kafka::{
        BrokerId, Error, Fault, TopicPartition,
        admin::{self, ByLeader, FoundOffsets, OffsetSpec, OpenTransaction, Transaction, offsets},
        wire,
    },
    task::{Cycle, Latest},
};

/// The default of the broker setting `transaction.max.timeout.ms`: no transaction lasts longer.
const LONGEST: Duration = Duration::from_secs(900);

/// What one cycle found.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Partitions whose last stable offset has been below the high watermark for long.
    pub held: BTreeMap<TopicPartition, Held>,
    /// Requests that failed since the start, by request and kind of failure.
    pub faults: BTreeMap<(Api, Fault), u64>,
}

/// A partition whose read_committed consumers are held back.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// How long the last stable offset has not moved.
    pub time: Duration,
    /// The number of records between the last stable offset and the high watermark.
    pub records: i64,
    /// The transaction that holds them back; absent if the principal may not ask for it.
    pub by: Option<HeldBackBy>,
}

/// The transaction that holds back a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBackBy {
    /// The producer id.
    pub producer: i64,
    /// The transactional id, as the application chose it; absent if no coordinator knows one or could be asked.
    pub id: Option<String>,
    /// Whether the transaction is hanging: its coordinator does not know it in two cycles in a row, or it is open for longer than
    /// any transaction may be. Absent if that is not known: coordinators do not name transactions that the principal may not
    /// see.
    pub hanging: Option<bool>,
}

/// The last stable offset of a partition that is held back.
#[derive(Debug, Clone, Copy)]
struct HeldBack {
    /// The last stable offset.
    stable: i64,
    /// Since when it has not moved.
    since: Instant,
}

/// The task.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    wire: wire::Cluster,
    known: Arc<wire::Cluster>,
    metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// The partitions whose last stable offset is below the high watermark.
    held_back: BTreeMap<TopicPartition, HeldBack>,
    /// Transactions that seemed to hang in the last cycle.
    suspects: BTreeSet<(TopicPartition, i64)>,
    faults: Faults,
}

impl Probe {
    /// A task that has asked nothing yet.
    pub fn new(
        cluster: Arc<config::Cluster>,
        known: Arc<wire::Cluster>,
        metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    ) -> Self {
        let wire = known.with_own_connections(cluster.transactions.timeout / 4).with_circuit_breakers();
        Self {
            cluster,
            wire,
            known,
            metadata,
            held_back: BTreeMap::new(),
            suspects: BTreeSet::new(),
            faults: Faults::default(),
        }
    }

    /// Compares high watermarks and last stable offsets; returns the partitions that have been held back for long.
    fn observe(&mut self, ends: &FoundOffsets, stable: &FoundOffsets) -> BTreeMap<TopicPartition, Held> {
        let offset = |all: &FoundOffsets, topic: &str, number: i32| {
            all.get(topic)?.get(&number)?.as_ref().ok()?.map(|found| found.offset)
        };
        let (now, mut held) = (Instant::now(), BTreeMap::new());
        for (topic, partitions) in stable {
            for number in partitions.keys() {
                let (stable, end) = (offset(stable, topic, *number), offset(ends, topic, *number));
                // An offset that is not known now may not have moved.
                let Some((stable, end)) = stable.zip(end) else { continue };
                let topic_partition = TopicPartition::new(topic, *number);
                let records = end.saturating_sub(stable);
                if records <= 0 {
                    self.held_back.remove(&topic_partition);
                    continue;
                }
                let begin = HeldBack { stable, since: now };
                let last = self.held_back.entry(topic_partition.clone()).or_insert(begin);
                if last.stable != stable {
                    *last = begin;
                }
                let time = now - last.since;
                if time >= self.cluster.transactions.min_age {
                    held.insert(topic_partition, Held { time, records, by: None });
                }
            }
        }
        held
    }

    /// The transactions that hold back these partitions, from the leaders and the coordinators.
    async fn ask(
        &mut self,
        metadata: &metadata::Snapshot,
        held: BTreeMap<TopicPartition, Held>,
    ) -> BTreeMap<TopicPartition, Held> {
        let mut wanted = ByLeader::new();
        for TopicPartition { topic, partition } in held.keys() {
            let leader = metadata
                .topics
                .get(&**topic)
                .and_then(|topic| topic.as_ref().ok()?.partitions.get(partition)?.leader);
            if let Some(leader) = leader {
                wanted.entry(leader).or_default().entry(topic.clone()).or_default().push(*partition);
            }
        }
        let found = admin::open_transactions(&self.wire, &wanted).await;
        let mut writers = BTreeMap::<TopicPartition, OpenTransaction>::new();
        for (topic, partitions) in found {
            for (number, found) in partitions {
                match found {
                    // The transaction that began first holds back the partition.
                    Ok(found) => {
                        let first = found.into_iter().min_by_key(|writer| writer.first);
                        writers.extend(first.map(|writer| (TopicPartition::new(&topic, number), writer)));
                    }
                    Err(fault) => self.faults.count(Api::DescribeProducers, fault),
                }
            }
        }
        let producers: BTreeSet<i64> = writers.values().map(|writer| writer.producer).collect();
        let known = self.transactions(metadata, &producers).await;
        let suspects = std::mem::take(&mut self.suspects);
        held.into_iter()
            .map(|(topic_partition, held)| {
                let by = writers.get(&topic_partition).map(|writer| {
                    let (id, ended) = coordinated(&topic_partition, writer, known.as_deref());
                    let suspect = (topic_partition.clone(), writer.producer);
                    // The transaction may have ended between the two requests.
                    let hanging = match ended {
                        Some(true) => Some(true).filter(|_| suspects.contains(&suspect)),
                        None if held.time >= LONGEST => Some(true),
                        known => known,
                    };
                    if ended == Some(true) {
                        self.suspects.insert(suspect);
                    }
                    HeldBackBy { producer: writer.producer, id, hanging }
                });
                (topic_partition, Held { by, ..held })
            })
            .collect()
    }

    /// The transactions that the coordinators know; absent if a coordinator could not be asked.
    async fn transactions(
        &mut self,
        metadata: &metadata::Snapshot,
        producers: &BTreeSet<i64>,
    ) -> Option<Vec<Transaction>> {
        if producers.is_empty() {
            return Some(Vec::new());
        }
        let brokers: Vec<BrokerId> = metadata.brokers.keys().copied().collect();
        let producers: Vec<i64> = producers.iter().copied().collect();
        let found = admin::transactions(&self.wire, &brokers, &producers).await;
        found.map_err(|fault| self.faults.count(Api::ListTransactions, fault)).ok()
    }
}

/// The transactional id of an open transaction, and whether its coordinator says that the transaction has ended. Both are
/// absent if no coordinator names the transaction.
fn coordinated(
    topic_partition: &TopicPartition,
    writer: &OpenTransaction,
    known: Option<&[Transaction]>,
) -> (Option<String>, Option<bool>) {
    let Some(of) = known.and_then(|known| known.iter().find(|one| one.producer == writer.producer)) else {
        return (None, None);
    };
    let is_there = of
        .partitions
        .get(&topic_partition.topic)
        .is_some_and(|partitions| partitions.contains(&topic_partition.partition));
    (Some(of.id.clone()), Some(of.since_ms.is_none() || !is_there))
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let metadata = metadata::fresh(&mut self.metadata, self.cluster.metadata.timeout).await?;
        // A broker that does not answer costs the cycle one timeout, however many requests would follow.
        self.wire.begin_cycle(&self.known);
        let mut wanted = ByLeader::new();
        for (name, topic) in metadata.topics.iter().filter(|(name, _)| self.cluster.lag.topics.covers(name)) {
            let (name, Ok(topic)) = (Arc::<str>::from(name.as_str()), topic) else { continue };
            for (number, leader) in
                topic.partitions.iter().filter_map(|(number, one)| Some((*number, one.leader?)))
            {
                wanted.entry(leader).or_default().entry(name.clone()).or_default().push(number);
            }
        }
        // Last stable offsets first: in the other order, records that are written in between would seem to be held back.
        let stable = offsets(&self.wire, &wanted, OffsetSpec::LastStable).await;
        let ends = offsets(&self.wire, &wanted, OffsetSpec::Latest).await;
        self.held_back.retain(|held, _| match metadata.topics.get(&*held.topic) {
            Some(Ok(topic)) => topic.partitions.contains_key(&held.partition),
            Some(Err(_)) => true,
            None => false,
        });
        let held = self.observe(&ends, &stable);
        let held = if held.is_empty() { BTreeMap::new() } else { self.ask(&metadata, held).await };
        Ok(Snapshot { held, faults: self.faults.0.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_has_ended_only_if_its_coordinator_names_it() {
        let (topic, writer) = (Arc::<str>::from("t"), OpenTransaction { producer: 7, first: 3 });
        let place = TopicPartition::new(&topic, 1);
        let transaction = |producer, since_ms, partitions: &[i32]| Transaction {
            id: "tx".to_owned(),
            producer,
            since_ms,
            partitions: BTreeMap::from([(topic.clone(), partitions.to_vec())]),
        };
        let judged = |known: Option<&[Transaction]>| {
            let (id, ended) = coordinated(&place, &writer, known);
            (id.is_some(), ended)
        };
        assert_eq!(judged(None), (false, None), "no coordinator answered");
        assert_eq!(judged(Some(&[])), (false, None), "the principal may not describe the transaction");
        assert_eq!(judged(Some(&[transaction(8, Some(1), &[1])])), (false, None));
        assert_eq!(judged(Some(&[transaction(7, Some(1), &[0, 1])])), (true, Some(false)));
        assert_eq!(
            judged(Some(&[transaction(7, Some(1), &[0])])),
            (true, Some(true)),
            "the transaction has no record in the partition"
        );
        assert_eq!(
            judged(Some(&[transaction(7, None, &[0, 1])])),
            (true, Some(true)),
            "the transaction has ended"
        );
    }

    fn probe() -> Probe {
        let min_age = config::FlagSetting {
            section: "transactions",
            key: "min.age".to_owned(),
            value: "1ms".to_owned(),
            flag: "test",
        };
        let sources = config::Sources {
            bootstrap: Some("b:1".to_owned()),
            settings: vec![min_age],
            ..config::Sources::default()
        };
        let cluster = Arc::new(config::load(&sources).expect("valid").clusters.remove(0));
        let settings =
            Arc::new(wire::Client::from_properties(&cluster.name, &cluster.kafka).expect("good settings"));
        let known = Arc::new(wire::Cluster::new(settings, Duration::from_secs(1)));
        Probe::new(cluster, known, watch::channel(Latest::new(Duration::from_secs(1))).1)
    }

    #[test]
    fn failed_request_does_not_restart_the_time_that_a_partition_is_held_back() {
        let mut probe = probe();
        let offsets = |found: Result<i64, Fault>| {
            let found = found.map(|offset| Some(admin::FoundOffset { offset, timestamp_ms: None }));
            FoundOffsets::from([("t".into(), BTreeMap::from([(0, found)]))])
        };
        let place = TopicPartition { topic: "t".into(), partition: 0 };
        assert!(
            probe.observe(&offsets(Ok(9)), &offsets(Ok(5))).is_empty(),
            "the partition has only just been held back"
        );
        let hour_ago = Instant::now().checked_sub(Duration::from_secs(3600)).expect("an hour");
        probe.held_back.get_mut(&place).expect("held back").since = hour_ago;
        for (end, stable) in [(Err(Fault::Timeout), Ok(5)), (Ok(9), Err(Fault::NoLeader))] {
            assert!(
                probe.observe(&offsets(end), &offsets(stable)).is_empty(),
                "one of the two offsets is not known"
            );
        }
        assert!(
            probe.observe(&FoundOffsets::new(), &FoundOffsets::new()).is_empty(),
            "without a leader no offset is known"
        );
        let held = probe.observe(&offsets(Ok(12)), &offsets(Ok(5)));
        assert!(held[&place].time >= Duration::from_secs(3600) && held[&place].records == 7);
        assert!(probe.observe(&offsets(Ok(12)), &offsets(Ok(6))).is_empty(), "the last stable offset moved");
        assert!(probe.observe(&offsets(Ok(12)), &offsets(Ok(12))).is_empty() && probe.held_back.is_empty());
    }
}
