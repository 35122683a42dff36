//! The follower of the metadata: which partitions get heartbeats, and from which offset they are read.
//!
//! A partition is ready once its log end offset was read and the consumer was assigned to read from there. Every record
//! that is sent afterwards has a higher offset, so the first heartbeat cannot be missed.
//! [`readiness`](super::readiness) decides when the heartbeats of a partition begin. A partition that appears later, by
//! growth or because the topic was recreated, is read from its log start offset.

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
    attempts::Attempts,
    callbacks::ClientCallbacks,
    handover::Handover,
    ledger::{Event, Leader},
    readiness::{Readiness, ReadySignal},
    renewal::Renewal,
    targets::{Target, Targets},
    topic_progress::TopicProgress,
};
use crate::{
    cluster::metadata,
    kafka::{
        BrokerId, Error, Fault,
        admin::{self, OffsetSpec, Topic},
        native, wire,
    },
    task::Latest,
    text::Chain,
};

/// The time between two attempts to read the log end offsets of partitions that are not ready.
const RETRY: Duration = Duration::from_millis(250);
/// The number of attempts with this short pause.
const EAGER_ATTEMPTS: u32 = 20;
/// The time between two attempts after that.
const SELDOM: Duration = Duration::from_secs(4);

/// The time limit of the producer for one request for the partitions of the topic.
const LEARN_LIMIT: Duration = Duration::from_secs(2);

/// The time that a replaced producer gets to finish its deliveries.
pub(super) const FINISH: Duration = Duration::from_secs(2);

/// The longest grace time, within which the clients may prepare before an outage is measured. The grace time is the
/// deadline of a heartbeat, but at most this.
pub(super) const LONGEST_GRACE: Duration = Duration::from_secs(10);

/// Creates a producer.
pub(super) type MakeProducer =
    Box<dyn Fn() -> Result<native::Producer<ClientCallbacks>, Error> + Send + Sync>;

/// Whether all partitions of the topic are ready.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coverage {
    /// All are ready, or the topic is missing.
    Complete,
    /// A partition is not ready: the follower tries again soon.
    Incomplete,
}

/// Everything the follower owns.
pub(super) struct Follower {
    pub(super) cluster: String,
    pub(super) topic: String,
    pub(super) wire: Arc<wire::Cluster>,
    pub(super) producer: watch::Sender<Arc<native::Producer<ClientCallbacks>>>,
    /// Creates another producer.
    pub(super) make_producer: MakeProducer,
    pub(super) metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    pub(super) assignments: mpsc::Sender<Assignment>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) targets: watch::Sender<Arc<Targets>>,
    /// The instant at which the clients were created.
    pub(super) begun: Instant,
    /// The time within which the clients may prepare.
    pub(super) grace: Duration,
    pub(super) progress: TopicProgress,
    pub(super) readiness: Readiness,
    /// Notified when librdkafka gave a client up for good.
    pub(super) failed: Arc<Notify>,
    /// The attempts to replace a producer that failed, or one that knows a topic which was recreated.
    pub(super) repair: Attempts,
    pub(super) handover: Handover,
    pub(super) signals: sync::mpsc::UnboundedReceiver<ReadySignal>,
    /// The sender of signals for the threads that connect the producer.
    pub(super) signal: sync::mpsc::UnboundedSender<ReadySignal>,
}

impl Follower {
    /// Follows the metadata until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut attempts = 0;
        loop {
            let known = self.metadata.borrow_and_update().snapshot.clone();
            let coverage = match &known {
                Some((snapshot, cycle)) => tokio::select! {
                    () = stop.cancelled() => return,
                    coverage = self.follow(snapshot, *cycle) => coverage,
                },
                None => Coverage::Complete,
            };
            let incomplete = coverage == Coverage::Incomplete;
            attempts = if incomplete { attempts + 1 } else { 0 };
            let retry = Instant::now() + if attempts <= EAGER_ATTEMPTS { RETRY } else { SELDOM };
            loop {
                let repair = self.repair.due();
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.failed.notified() => self.plan_repair(),
                    () = time::sleep_until(repair.unwrap_or(retry).into()), if repair.is_some() => {
                        self.repair();
                        break;
                    }
                    step = self.handover.next() => self.hand_over(step),
                    changed = self.metadata.changed() => if changed.is_err() { return } else { break },
                    () = time::sleep_until(retry.into()), if incomplete => break,
                    Some(signal) = self.signals.recv() => self.release(signal),
                }
            }
        }
    }

    /// Notes that a client is ready, and ends the holds of partitions for which both clients are ready.
    fn release(&mut self, signal: ReadySignal) {
        self.readiness.note(signal);
        self.publish_holds();
    }

    /// Publishes the current holds.
    pub(super) fn publish_holds(&self) {
        let mut targets = self.targets.borrow().as_ref().clone();
        for (partition, target) in targets.0.iter_mut().filter(|(_, target)| target.ready.is_ok()) {
            target.hold = self.readiness.hold(*partition);
        }
        self.publish(targets);
    }

    /// Brings consumer, schedule and ledger in line with the metadata.
    async fn follow(&mut self, snapshot: &metadata::Snapshot, cycle: time::Instant) -> Coverage {
        let topic = match &snapshot.heartbeat_topic {
            Ok(topic) => topic,
            // At the start the topic may be about to be created.
            Err(_) if self.readiness.is_blank() && self.begun.elapsed() < self.grace => {
                return Coverage::Incomplete;
            }
            Err(fault) => {
                if self.progress.is_missing_again(cycle) {
                    self.topic_is_missing(*fault);
                }
                return Coverage::Complete;
            }
        };
        if self.progress.is_recreated(topic) {
            self.readiness.renew(Instant::now());
            self.replace_producer(Renewal::ProducerForNewTopic);
        }
        self.follow_leaders(topic).await;
        self.readiness.add_partitions(topic.partitions.keys().copied(), Instant::now());
        let refused = self.position(topic).await;
        self.connect(topic);
        let targets = topic.partitions.iter().map(|(number, partition)| {
            let rack = partition.leader.and_then(|leader| snapshot.brokers.get(&leader)?.rack.clone());
            let ready = match refused.get(number) {
                _ if self.progress.positioned.contains(number) => Ok(()),
                Some(fault) => Err(*fault),
                None => Err(Fault::NotReady),
            };
            let hold = self.readiness.hold(*number);
            (*number, Target { leader: Leader { broker: partition.leader, rack }, ready, hold })
        });
        let targets: BTreeMap<_, _> = targets.collect();
        let complete = targets.values().all(|target| target.ready.is_ok());
        if !targets.is_empty() {
            self.publish(Targets(targets));
        }
        if complete { Coverage::Complete } else { Coverage::Incomplete }
    }

    /// Publishes that nothing can be sent. The consumer reads on: if the topic returns under its id, the topic was only
    /// hidden for a moment.
    fn topic_is_missing(&mut self, fault: Fault) {
        let mut targets = self.targets.borrow().as_ref().clone();
        for target in targets.0.values_mut() {
            *target = Target { leader: Leader::default(), ready: Err(fault), hold: None };
        }
        self.publish(targets);
    }

    /// Assigns the partitions to the consumer that it does not read yet. Returns the faults of those that could not be
    /// assigned.
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
        let at = if self.progress.started { OffsetSpec::Earliest } else { OffsetSpec::Latest };
        let renewal = self.progress.recreated.then_some(Renewal::ConsumerForNewTopic);
        let mut assignment = Assignment { renewal, ..self.assignment() };
        let mut faults = BTreeMap::new();
        for (partition, offset) in admin::list_offsets(&self.wire, &self.topic, &missing, at).await {
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
            self.assign(assignment);
        }
        faults
    }

    /// An assignment that changes nothing.
    pub(super) fn assignment(&self) -> Assignment {
        let led = self.progress.leaders.iter().filter(|(_, leader)| leader.is_some());
        Assignment {
            offsets: BTreeMap::new(),
            led: led.map(|(partition, _)| *partition).collect(),
            leaders_moved: false,
            renewal: None,
            consumer: self.readiness.consumer(),
        }
    }

    pub(super) fn assign(&self, assignment: Assignment) {
        if self.assignments.send(assignment).is_err() {
            tracing::debug!("the consumer has stopped");
        }
    }

    /// Connects the producer to the leaders of the partitions that the consumer reads. Each leader gets a thread of its
    /// own, so that a leader that does not answer delays no other.
    fn connect(&mut self, topic: &Topic) {
        let mut led = BTreeMap::<BrokerId, Vec<i32>>::new();
        for (number, partition) in &topic.partitions {
            if let Some(leader) = partition.leader
                && self.progress.positioned.contains(number)
            {
                led.entry(leader).or_default().push(*number);
            }
        }
        for partitions in led.into_values() {
            let Some(attempt) = self.readiness.connect(&partitions, Instant::now()) else { continue };
            let Some(first) = attempt.partitions.first().copied() else { continue };
            let producer = self.producer.borrow().clone();
            let topic = self.topic.clone();
            let signal = self.signal.clone();
            native::run_aside(move || match producer.connect(&topic, first, attempt.limit) {
                Ok(()) => {
                    // An error here means that the follower has ended.
                    _ = signal.send(ReadySignal::Connected {
                        producer: attempt.producer,
                        partitions: attempt.partitions,
                    });
                }
                Err(error) => tracing::debug!("{}", Chain(&error)),
            });
        }
    }

    /// Makes both clients ask for the leaders when leaders have moved: each client would learn of it by itself, but only
    /// after a timeout.
    async fn follow_leaders(&mut self, topic: &Topic) {
        let leaders: BTreeMap<_, _> =
            topic.partitions.iter().map(|(number, partition)| (*number, partition.leader)).collect();
        let before = std::mem::replace(&mut self.progress.leaders, leaders);
        if before.is_empty() || before == self.progress.leaders {
            return;
        }
        self.assign(Assignment { leaders_moved: true, ..self.assignment() });
        if let Err(fault) = self.producer_learns().await {
            tracing::debug!(fault = fault.as_str(), "the producer could not ask for the leaders");
        }
    }

    /// The partitions that the producer knows after it has asked for them, or why it could not ask. librdkafka picks the
    /// broker that it asks, and may pick one that does not answer.
    async fn producer_learns(&self) -> Result<BTreeSet<i32>, Fault> {
        let producer = self.producer.borrow().clone();
        let topic = self.topic.clone();
        let learned = tokio::task::spawn_blocking(move || producer.learn(&topic, LEARN_LIMIT)).await;
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
