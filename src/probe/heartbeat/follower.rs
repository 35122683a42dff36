//! Which partitions get heartbeats, and from where they are read back.
//!
//! A partition is ready once its log end has been asked for and the consumer was told to read from
//! there: whatever is sent afterwards lies behind that offset, so the first heartbeat cannot be missed.
//! When its heartbeats begin is decided in [`readiness`](super::readiness). What appears while we run (added partitions, a recreated
//! topic) is read from its beginning.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use tokio::{
    sync::{self, Notify, watch},
    time,
};
use tokio_util::sync::CancellationToken;

use super::{
    assignment::Assignment,
    callbacks::ClientCallbacks,
    ledger::{Event, Leader},
    readiness::{Readiness, ReadySignal},
    renewal::Renewal,
    repair::Repair,
    targets::{Target, Targets},
    topic_progress::TopicProgress,
};
use crate::{
    cluster::metadata,
    kafka::{
        BrokerId, Error, Fault,
        admin::{self, At, Topic},
        native, wire,
    },
    task::Latest,
    text::Chain,
};

/// Between two attempts to learn the log ends of partitions that are not ready …
const RETRY: Duration = Duration::from_millis(250);
/// … of which there are so many, until more seem to be of no use and come seldom.
const EAGER: u32 = 20;
const SELDOM: Duration = Duration::from_secs(4);

/// For the producer to ask for the topic's partitions.
const LEARN: Duration = Duration::from_secs(2);

/// What a producer that is replaced still has under way may take so long.
pub(super) const FINISH: Duration = Duration::from_secs(2);

/// How long finding out where to send may take before it counts as an outage: the deadline, but at most this.
pub(super) const LONGEST_GRACE: Duration = Duration::from_secs(10);

/// Makes a producer.
pub(super) type MakeProducer =
    Box<dyn Fn() -> Result<native::Producer<ClientCallbacks>, Error> + Send + Sync>;

/// Follows the metadata until `stop`.
pub(super) struct Follower {
    pub(super) cluster: String,
    pub(super) topic: String,
    pub(super) wire: Arc<wire::Cluster>,
    pub(super) producer: watch::Sender<Arc<native::Producer<ClientCallbacks>>>,
    /// Makes another producer.
    pub(super) renew: MakeProducer,
    pub(super) metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    pub(super) assignments: mpsc::Sender<Assignment>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) targets: watch::Sender<Arc<Targets>>,
    pub(super) begun: Instant,
    pub(super) grace: Duration,
    pub(super) progress: TopicProgress,
    pub(super) start: Readiness,
    /// A client has failed for good.
    pub(super) failed: Arc<Notify>,
    pub(super) repair: Repair,
    pub(super) proofs: sync::mpsc::UnboundedReceiver<ReadySignal>,
    /// For threads that connect the producer.
    pub(super) prove: sync::mpsc::UnboundedSender<ReadySignal>,
}

impl Follower {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut attempts = 0;
        loop {
            let known = self.metadata.borrow_and_update().snapshot.clone();
            let complete = match &known {
                Some((snapshot, cycle)) => tokio::select! {
                    () = stop.cancelled() => return,
                    complete = self.follow(snapshot, *cycle) => complete,
                },
                None => true,
            };
            attempts = if complete { 0 } else { attempts + 1 };
            let retry = Instant::now() + if attempts <= EAGER { RETRY } else { SELDOM };
            loop {
                let repair = self.repair.due();
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.failed.notified() => self.plan_repair(),
                    () = time::sleep_until(repair.unwrap_or(retry).into()), if repair.is_some() => {
                        self.repair();
                        break;
                    }
                    changed = self.metadata.changed() => if changed.is_err() { return } else { break },
                    () = time::sleep_until(retry.into()), if !complete => break,
                    Some(proof) = self.proofs.recv() => self.release(proof),
                }
            }
        }
    }

    /// A client proved to be ready: heartbeats begin where both clients are.
    fn release(&mut self, proof: ReadySignal) {
        self.start.note(proof);
        self.publish_holds();
    }

    /// Publishes what holds heartbeats now.
    pub(super) fn publish_holds(&self) {
        let mut targets = self.targets.borrow().as_ref().clone();
        for (partition, target) in targets.0.iter_mut().filter(|(_, target)| target.ready.is_ok()) {
            target.hold = self.start.hold(*partition);
        }
        self.publish(targets);
    }

    /// Brings consumer, schedule and ledger in line with the metadata; false if a partition is not ready.
    async fn follow(&mut self, snapshot: &metadata::Snapshot, cycle: time::Instant) -> bool {
        let topic = match &snapshot.heartbeat_topic {
            Ok(topic) => topic,
            // Whoever creates it takes a moment.
            Err(_) if self.start.is_blank() && self.begun.elapsed() < self.grace => return false,
            Err(fault) => {
                if self.progress.is_missing_again(cycle) {
                    self.topic_is_missing(*fault);
                }
                return true;
            }
        };
        if self.progress.is_recreated(topic) {
            self.start.renew(Instant::now());
            self.replace_producer(Renewal::ProducerForNewTopic);
        }
        self.follow_leaders(topic).await;
        self.start.see(topic.partitions.keys().copied(), Instant::now());
        let refused = self.position(topic).await;
        self.connect(topic);
        let targets = topic.partitions.iter().map(|(number, partition)| {
            let rack = partition.leader.and_then(|leader| snapshot.brokers.get(&leader)?.rack.clone());
            let ready = match refused.get(number) {
                _ if self.progress.positioned.contains(number) => Ok(()),
                Some(fault) => Err(*fault),
                None => Err(Fault::NotReady),
            };
            let hold = self.start.hold(*number);
            (*number, Target { leader: Leader { broker: partition.leader, rack }, ready, hold })
        });
        let targets: BTreeMap<_, _> = targets.collect();
        let complete = targets.values().all(|target| target.ready.is_ok());
        if !targets.is_empty() {
            self.publish(Targets(targets));
        }
        complete
    }

    fn topic_is_missing(&mut self, fault: Fault) {
        // What was read is read on: if the topic comes back under its id, it was only hidden for a moment.
        let mut targets = self.targets.borrow().as_ref().clone();
        for target in targets.0.values_mut() {
            *target = Target { leader: Leader::default(), ready: Err(fault), hold: None };
        }
        self.publish(targets);
    }

    /// Tells the consumer where to begin on partitions it does not read; returns the faults of the others.
    async fn position(&mut self, topic: &Topic) -> BTreeMap<i32, Fault> {
        let missing = |number: &&i32| !self.progress.positioned.contains(number);
        let missing: Vec<i32> = topic.partitions.keys().filter(missing).copied().collect();
        if missing.is_empty() {
            return BTreeMap::new();
        }
        let known = match self.producer_learns().await {
            Ok(known) => known,
            Err(fault) => return missing.into_iter().map(|partition| (partition, fault)).collect(),
        };
        let at = if self.progress.started { At::Earliest } else { At::Latest };
        let offsets = admin::list_offsets(&self.wire, &self.topic, &missing, at).await;
        let (anew, consumer) = (self.progress.recreated, self.start.consumer());
        let mut assignment = Assignment { offsets: BTreeMap::new(), moved: false, anew, consumer };
        let mut faults = BTreeMap::new();
        for (partition, offset) in offsets {
            match offset {
                Ok(offset) if known.contains(&partition) => _ = assignment.offsets.insert(partition, offset),
                Ok(_) => _ = faults.insert(partition, Fault::UnknownTopic),
                Err(error) => _ = faults.insert(partition, error.fault()),
            }
        }
        if !assignment.offsets.is_empty() {
            self.progress.started |= assignment.offsets.len() == missing.len();
            self.progress.recreated = false;
            self.progress.positioned.extend(assignment.offsets.keys());
            if self.assignments.send(assignment).is_err() {
                tracing::debug!("the consumer has stopped");
            }
        }
        faults
    }

    /// Connects the producer to the leaders of partitions that the consumer reads, one thread for each leader:
    /// whichever of them hangs, the others are connected.
    fn connect(&mut self, topic: &Topic) {
        let mut led = BTreeMap::<BrokerId, Vec<i32>>::new();
        for (number, partition) in &topic.partitions {
            if let (Some(leader), true) = (partition.leader, self.progress.positioned.contains(number)) {
                led.entry(leader).or_default().push(*number);
            }
        }
        for partitions in led.into_values() {
            let Some((partitions, number, limit)) = self.start.connect(&partitions, Instant::now()) else {
                continue;
            };
            let Some(first) = partitions.first().copied() else { continue };
            let (producer, topic, prove) =
                (self.producer.borrow().clone(), self.topic.clone(), self.prove.clone());
            native::aside(move || match producer.connect(&topic, first, limit) {
                // Nobody waiting for it means that the follower has ended.
                Ok(()) => _ = prove.send(ReadySignal::Connected { producer: number, partitions }),
                Err(error) => tracing::debug!("{}", Chain(&error)),
            });
        }
    }

    /// Tells both clients when leaders have moved: each would find out by itself, but only after a timeout.
    async fn follow_leaders(&mut self, topic: &Topic) {
        let leaders: BTreeMap<_, _> =
            topic.partitions.iter().map(|(number, p)| (*number, p.leader)).collect();
        let before = std::mem::replace(&mut self.progress.leaders, leaders);
        if before.is_empty() || before == self.progress.leaders {
            return;
        }
        let consumer = self.start.consumer();
        let moved = Assignment { offsets: BTreeMap::new(), moved: true, anew: false, consumer };
        if self.assignments.send(moved).is_err() {
            tracing::debug!("the consumer has stopped");
        }
        if let Err(fault) = self.producer_learns().await {
            tracing::debug!(fault = fault.as_str(), "the producer could not ask for the leaders");
        }
    }

    /// The partitions that the producer knows, or why it could not ask: whom it asks is its choice, and may
    /// be a broker that hangs.
    async fn producer_learns(&self) -> Result<BTreeSet<i32>, Fault> {
        let (producer, topic) = (self.producer.borrow().clone(), self.topic.clone());
        let learned = tokio::task::spawn_blocking(move || producer.learn(&topic, LEARN)).await;
        learned.map_err(|_| Fault::Other)?.map_err(|error| error.fault())
    }

    fn publish(&self, targets: Targets) {
        if *self.targets.borrow().as_ref() == targets {
            return;
        }
        let leaders = targets.0.iter().map(|(number, target)| (*number, target.leader.clone())).collect();
        if self.events.send(Event::Partitions { leaders, at: Instant::now() }).is_err() {
            tracing::debug!("the ledger has stopped");
        }
        self.targets.send_replace(Arc::new(targets));
    }
}
