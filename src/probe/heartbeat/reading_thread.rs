//! The reading thread: reads records from the topic and reports them to the ledger.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::mpsc::{Receiver, Sender, TryRecvError},
    time::{Duration, Instant},
};

use tokio::sync::mpsc::UnboundedSender;

use super::{
    assignment::Assignment,
    attempts::Attempts,
    callbacks::ClientCallbacks,
    ledger::Event,
    read_offsets::{Positions, Reported},
    readiness::ReadySignal,
    record::Record,
    renewal::Renewal,
};
use crate::{
    kafka::{Error, Fault, native},
    text::Chain,
};

/// The longest wait until the thread sees other partitions, or the stop.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// An assignment that failed is tried again after this time: the system may have no descriptor left for a moment.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The time limit of the consumer for one request for the leaders.
const RELEARN_LIMIT: Duration = Duration::from_secs(1);
/// The number of attempts of the consumer to ask for the leaders.
const RELEARN_ATTEMPTS: usize = 4;

/// The longest wait for a record of the old consumer while a new one begins to read.
const STANDBY_WAIT: Duration = Duration::from_millis(10);
/// The time in which a new consumer has to read every partition. A broker that was stopped leaves the metadata sooner.
const STANDBY_LIMIT: Duration = Duration::from_secs(30);

/// The reason for which a new consumer takes over from an old one that still reads.
const RENEWAL: Renewal = Renewal::ConsumerWithNewCertificates;

/// Everything the reading thread owns.
pub(super) struct ReadingThread<R> {
    cluster: String,
    reader: Reader,
    /// A consumer with newer certificates, which takes over when it has read every partition; `None` most of the time.
    standby: Option<Standby>,
    /// The attempts to make such a consumer.
    attempts: Attempts,
    /// Creates another consumer.
    make_consumer: R,
    events: Sender<Event>,
    signals: UnboundedSender<ReadySignal>,
    /// The number of the consumer.
    number: u32,
    /// The partitions that have a leader.
    led: BTreeSet<i32>,
    reported: Reported,
}

/// A consumer, where it is, and the partitions of which a fetch by this consumer was answered.
struct Reader {
    consumer: native::Consumer<ClientCallbacks>,
    positions: Positions,
    answered: BTreeSet<i32>,
}

/// A consumer that begins to read while the old one goes on.
struct Standby {
    reader: Reader,
    /// The instant at which it is given up.
    until: Instant,
    /// The fault of its last read that failed. It says nothing about the heartbeats, which the old consumer reads.
    fault: Option<Fault>,
}

/// An assignment that failed.
struct FailedAssignment {
    assignment: Assignment,
    /// The instant of the failure.
    at: Instant,
}

impl<R: Fn() -> Result<native::Consumer<ClientCallbacks>, Error>> ReadingThread<R> {
    /// A thread that reads nothing yet. `make_consumer` creates another consumer in place of `consumer`.
    pub(super) fn new(
        cluster: String,
        consumer: native::Consumer<ClientCallbacks>,
        make_consumer: R,
        events: Sender<Event>,
        signals: UnboundedSender<ReadySignal>,
    ) -> Self {
        Self {
            cluster,
            reader: Reader::new(consumer),
            standby: None,
            attempts: Attempts::default(),
            make_consumer,
            events,
            signals,
            number: 0,
            led: BTreeSet::new(),
            reported: Reported::default(),
        }
    }

    /// Reads until the other end of `assignments` is dropped.
    pub(super) fn run(mut self, assignments: &Receiver<Assignment>) {
        let mut failed = None::<FailedAssignment>;
        loop {
            if let Some(again) = failed.take_if(|failed| failed.at.elapsed() > RETRY_AFTER) {
                failed = self.follow(again.assignment);
            }
            // An assignment waits until the one before succeeded: a consumer is replaced before it is assigned partitions.
            if failed.is_none() {
                match assignments.try_recv() {
                    Ok(assignment) => failed = self.follow(assignment),
                    Err(TryRecvError::Disconnected) => return,
                    Err(TryRecvError::Empty) => {}
                }
            }
            if self.attempts.due().is_some_and(|due| due <= Instant::now()) {
                self.prepare_standby();
            }
            self.read();
            self.judge_standby();
        }
    }

    /// Reads what the consumer has, and waits for it for a while.
    fn read(&mut self) {
        let Self { reader, standby, events, reported, .. } = self;
        let limit = if standby.is_some() { STANDBY_WAIT } else { LONGEST_WAIT };
        let fresh = reader.read(limit, reported, events, |at, fault| {
            // The ledger outlives this thread. An error here means that the process is going down.
            _ = events.send(Event::ReadFailed { at, fault });
        });
        if let Some(Standby { reader, fault, .. }) = standby {
            reader.read(Duration::ZERO, reported, events, |_, failed| *fault = Some(failed));
        }
        self.signal(fresh);
    }

    /// Signals that fetches of these partitions were answered.
    fn signal(&self, partitions: impl IntoIterator<Item = i32>) {
        for partition in partitions {
            // An error here means that the follower has ended.
            _ = self.signals.send(ReadySignal::Fetched { consumer: self.number, partition });
        }
    }

    /// Lets the new consumer take over once it has read every partition that has a leader, and gives it up if that takes too
    /// long.
    fn judge_standby(&mut self) {
        let led = || self.reader.positions.partitions().filter(|partition| self.led.contains(partition));
        let has_read_all = |fresh: &Reader| {
            !fresh.answered.is_empty() && led().all(|partition| fresh.answered.contains(&partition))
        };
        let cluster = &self.cluster;
        if let Some(Standby { reader: fresh, .. }) =
            self.standby.take_if(|standby| has_read_all(&standby.reader))
        {
            let added: Vec<i32> = fresh.answered.difference(&self.reader.answered).copied().collect();
            replace(&mut self.reader, fresh);
            tracing::info!(cluster, "a consumer of heartbeats with the renewed certificates takes over");
            _ = self.events.send(Event::Renewed(RENEWAL));
            self.signal(added);
        } else if let Some(late) = self.standby.take_if(|standby| standby.until <= Instant::now()) {
            let fault = late.fault.unwrap_or(Fault::Timeout);
            close(late.reader);
            self.plan_another_attempt(&Error::new(fault, "not every partition was read"));
        }
    }

    /// Carries out an assignment. Returns it if it failed.
    fn follow(&mut self, assignment: Assignment) -> Option<FailedAssignment> {
        let error = self.arrange(&assignment).err()?;
        let cluster = &self.cluster;
        tracing::error!(cluster, "the heartbeat topic cannot be read: {}", Chain(&error));
        _ = self.events.send(Event::ReadFailed { at: Instant::now(), fault: error.fault() });
        Some(FailedAssignment { assignment, at: Instant::now() })
    }

    fn arrange(&mut self, assignment: &Assignment) -> Result<(), Error> {
        match assignment.renewal {
            None => {}
            Some(RENEWAL) => self.prepare_standby(),
            Some(renewal) => {
                let consumer = (self.make_consumer)()?;
                replace(&mut self.reader, Reader::new(consumer));
                self.attempts.begin(Instant::now());
                if let Some(standby) = self.standby.take() {
                    close(standby.reader);
                }
                self.reported = Reported::default();
                _ = self.events.send(Event::Renewed(renewal));
            }
        }
        self.number = assignment.consumer;
        self.led.clone_from(&assignment.led);
        let fresh = self.standby.as_ref().map(|standby| &standby.reader);
        for reader in [Some(&self.reader), fresh].into_iter().flatten().filter(|_| assignment.leaders_moved) {
            reader.relearn();
        }
        if assignment.offsets.is_empty() {
            return Ok(());
        }
        if let Some(standby) = &mut self.standby
            && let Err(error) = standby.reader.assign(&assignment.offsets)
        {
            standby.until = Instant::now();
            standby.fault = Some(error.fault());
        }
        self.reader.assign(&assignment.offsets)
    }

    /// Begins to read with a new consumer where the old one is. If there can be no new consumer, the old one goes on and
    /// another attempt follows.
    fn prepare_standby(&mut self) {
        self.attempts.begin(Instant::now());
        let made = (self.make_consumer)().and_then(|consumer| {
            let mut reader = Reader::new(consumer);
            reader.consumer.assign(&self.reader.positions.offsets())?;
            reader.positions = self.reader.positions.clone();
            Ok(reader)
        });
        match made {
            Ok(reader) => {
                let fresh = Standby { reader, until: Instant::now() + STANDBY_LIMIT, fault: None };
                if let Some(older) = self.standby.replace(fresh) {
                    close(older.reader);
                }
            }
            Err(error) => self.plan_another_attempt(&error),
        }
    }

    fn plan_another_attempt(&mut self, error: &Error) {
        let seconds = self.attempts.plan(Instant::now(), RENEWAL).as_secs();
        if self.attempts.is_logged() {
            tracing::warn!(
                cluster = self.cluster,
                fault = error.fault().as_str(),
                "no consumer of heartbeats reads with the renewed certificates and the one before goes on, the next attempt is \
                 in {seconds} s: {}",
                Chain(error)
            );
        }
    }
}

impl Reader {
    /// A reader that reads nothing yet.
    fn new(consumer: native::Consumer<ClientCallbacks>) -> Self {
        Self { consumer, positions: Positions::default(), answered: BTreeSet::new() }
    }

    /// Reads these partitions as well, from these offsets.
    fn assign(&mut self, offsets: &BTreeMap<i32, i64>) -> Result<(), Error> {
        self.consumer.assign(offsets)?;
        self.positions.begin(offsets);
        Ok(())
    }

    /// Makes the consumer ask for the leaders.
    fn relearn(&self) {
        let relearn = self.consumer.relearn();
        native::run_aside(move || {
            // librdkafka picks the broker that it asks, and may pick one that does not answer.
            if !(0..RELEARN_ATTEMPTS).any(|_| relearn(RELEARN_LIMIT).is_ok()) {
                tracing::debug!("the consumer could not ask for the leaders");
            }
        });
    }

    /// Reads one event of the consumer, and waits for it at most for `limit`. A record that no consumer read before is reported
    /// to the ledger. Returns the partition of the event if it is the first of this partition.
    fn read(
        &mut self,
        limit: Duration,
        reported: &mut Reported,
        events: &Sender<Event>,
        failed: impl FnOnce(Instant, Fault),
    ) -> Option<i32> {
        let Self { consumer, positions, answered } = self;
        let mut partition = None;
        consumer.next(limit, |read| match read {
            native::ConsumerEvent::Answered(of) => partition = Some(of),
            native::ConsumerEvent::Record(record) => {
                partition = Some(record.partition);
                if reported.note(positions, record.partition, record.offset) {
                    report(events, record);
                }
            }
            native::ConsumerEvent::Failed { at, fault } => failed(at, fault),
        });
        partition.filter(|partition| answered.insert(*partition))
    }
}

/// Reports a record to the ledger.
fn report(events: &Sender<Event>, record: native::ReceivedRecord<'_>) {
    let native::ReceivedRecord { partition, offset, at, payload, .. } = record;
    let record = Record::decode(payload);
    // The ledger outlives this thread. An error here means that the process is going down.
    _ = events.send(Event::Received { partition, offset, at, record });
}

/// Replaces the consumer.
fn replace(reader: &mut Reader, fresh: Reader) {
    close(std::mem::replace(reader, fresh));
}

/// Closes a consumer. That may block, so another thread does it: the reading thread has to read.
fn close(reader: Reader) {
    native::run_aside(move || drop(reader));
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        sync::{Arc, mpsc},
        thread,
    };

    use rdkafka::mocking::MockCluster;
    use tokio::sync::{Notify, mpsc::unbounded_channel};

    use super::*;
    use crate::{config, kafka::wire};

    /// Reads a topic with two partitions from an embedded broker, and renews the certificates. `failures` attempts to make the
    /// new consumer fail, and the partition `offline` has no leader. Returns whether the new consumer takes over.
    fn replaces(failures: u32, offline: Option<i32>) -> bool {
        let kafka = MockCluster::new(1).expect("an embedded cluster");
        kafka.create_topic("kafka-heartbeat", 2, 1).expect("a topic");
        if let Some(partition) = offline {
            kafka.partition_leader("kafka-heartbeat", partition, None).expect("a partition without a leader");
        }
        let sources = config::Sources { bootstrap: Some(kafka.bootstrap_servers()), ..Default::default() };
        let cluster = config::load(&sources).expect("a configuration").clusters.remove(0);
        let client = wire::Client::from_properties("k", &cluster.kafka).expect("a client");
        let (events, reported) = mpsc::channel();
        let callbacks = Arc::new(ClientCallbacks { events: events.clone(), failed: Arc::new(Notify::new()) });
        let make = move || native::Consumer::new(&cluster, &client.access(), callbacks.clone());
        let consumer = make().expect("a consumer");
        let left = Cell::new(failures);
        let make = move || {
            let Some(fewer) = left.get().checked_sub(1) else { return make() };
            left.set(fewer);
            Err(Error::new(Fault::Descriptors, "no descriptor is left"))
        };
        let (assignments, assigned) = mpsc::channel();
        let reading = ReadingThread::new("k".to_owned(), consumer, make, events, unbounded_channel().0);
        let thread = thread::spawn(move || reading.run(&assigned));
        let assignment = |offsets: &[(i32, i64)], renewal| Assignment {
            offsets: offsets.iter().copied().collect(),
            led: [0, 1].into_iter().filter(|partition| Some(*partition) != offline).collect(),
            leaders_moved: false,
            renewal,
            consumer: 0,
        };
        for assignment in [assignment(&[(0, 0), (1, 0)], None), assignment(&[], Some(RENEWAL))] {
            assignments.send(assignment).expect("the thread runs");
        }
        let until = Instant::now() + Duration::from_secs(10);
        let left = || until.saturating_duration_since(Instant::now());
        let replaced = std::iter::from_fn(|| reported.recv_timeout(left()).ok())
            .any(|event| matches!(event, Event::Renewed(RENEWAL)));
        drop(assignments);
        thread.join().expect("no panic");
        replaced
    }

    #[test]
    fn consumer_that_cannot_be_made_at_first_is_made_again() {
        assert!(replaces(2, None));
    }

    #[test]
    fn consumer_takes_over_although_a_partition_has_no_leader() {
        assert!(replaces(0, Some(1)));
    }
}
