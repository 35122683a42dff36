//! The reading thread: reads records from the topic and reports them to the ledger.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::mpsc::{Receiver, Sender, TryRecvError},
    time::{Duration, Instant},
};

use tokio::sync::mpsc::UnboundedSender;

use super::{
    assignment::Assignment, callbacks::ClientCallbacks, ledger::Event, readiness::ReadySignal,
    record::Record, renewal::Renewal,
};
use crate::{
    kafka::{Error, native},
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

/// Everything the reading thread owns.
pub(super) struct ReadingThread<R> {
    cluster: String,
    reader: Reader,
    /// A consumer with newer certificates, which takes over when it has read every partition; `None` most of the time.
    standby: Option<Reader>,
    /// Creates another consumer.
    make_consumer: R,
    events: Sender<Event>,
    signals: UnboundedSender<ReadySignal>,
    /// The number of the consumer.
    number: u32,
    /// The offset after the last record that was reported, or at which reading began, by partition.
    next_offsets: BTreeMap<i32, i64>,
}

/// A consumer, and the partitions of which a fetch by this consumer was answered.
struct Reader {
    consumer: native::Consumer<ClientCallbacks>,
    answered: BTreeSet<i32>,
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
        let reader = Reader { consumer, answered: BTreeSet::new() };
        let next_offsets = BTreeMap::new();
        Self { cluster, reader, standby: None, make_consumer, events, signals, number: 0, next_offsets }
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
            self.read();
        }
    }

    /// Reads what the consumer has, and waits for it for a while.
    fn read(&mut self) {
        let Self { reader, standby, events, next_offsets, .. } = self;
        let mut fresh = match standby {
            None => reader.read(LONGEST_WAIT, |record| report(events, next_offsets, record)),
            // Both read the same records, and a record is reported when the first of them has it.
            Some(standby) => {
                let mut once = |record: native::ReceivedRecord<'_>| {
                    let next = next_offsets.get(&record.partition);
                    if next.is_none_or(|next| record.offset >= *next) {
                        report(events, next_offsets, record);
                    }
                };
                let fresh = reader.read(STANDBY_WAIT, &mut once);
                standby.read(Duration::ZERO, &mut once);
                fresh
            }
        }
        .map_or_else(Vec::new, |partition| vec![partition]);
        let has_read_all =
            |standby: &Reader| self.next_offsets.keys().all(|partition| standby.answered.contains(partition));
        if let Some(standby) = self.standby.take_if(|standby| has_read_all(standby)) {
            fresh.extend(standby.answered.difference(&self.reader.answered));
            replace(&mut self.reader, standby);
            tracing::info!(
                cluster = self.cluster,
                "a consumer of heartbeats with the renewed certificates takes over"
            );
            _ = self.events.send(Event::Renewed(Renewal::ConsumerWithNewCertificates));
        }
        for partition in fresh {
            // An error here means that the follower has ended.
            _ = self.signals.send(ReadySignal::Fetched { consumer: self.number, partition });
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
            Some(Renewal::ConsumerWithNewCertificates) => self.prepare_standby(),
            Some(renewal) => {
                let consumer = (self.make_consumer)()?;
                replace(&mut self.reader, Reader { consumer, answered: BTreeSet::new() });
                if let Some(standby) = self.standby.take() {
                    close(standby);
                }
                self.next_offsets.clear();
                _ = self.events.send(Event::Renewed(renewal));
            }
        }
        self.number = assignment.consumer;
        let readers = [Some(&mut self.reader), self.standby.as_mut()];
        for Reader { consumer, .. } in readers.into_iter().flatten() {
            if assignment.leaders_moved {
                let relearn = consumer.relearn();
                native::run_aside(move || {
                    // librdkafka picks the broker that it asks, and may pick one that does not answer.
                    if !(0..RELEARN_ATTEMPTS).any(|_| relearn(RELEARN_LIMIT).is_ok()) {
                        tracing::debug!("the consumer could not ask for the leaders");
                    }
                });
            }
            if !assignment.offsets.is_empty() {
                consumer.assign(&assignment.offsets)?;
            }
        }
        self.next_offsets.extend(&assignment.offsets);
        Ok(())
    }

    /// Begins to read with a new consumer where the old one is. If there can be no new consumer, the old one goes on until
    /// the certificates are renewed again.
    fn prepare_standby(&mut self) {
        let made = (self.make_consumer)().and_then(|mut consumer| {
            consumer.assign(&self.next_offsets)?;
            Ok(Reader { consumer, answered: BTreeSet::new() })
        });
        match made {
            Ok(fresh) => {
                if let Some(older) = self.standby.replace(fresh) {
                    close(older);
                }
            }
            Err(error) => {
                let cluster = &self.cluster;
                tracing::error!(cluster, "no consumer has the renewed certificates: {}", Chain(&error));
            }
        }
    }
}

impl Reader {
    /// Reads one event of the consumer, and waits for it at most for `limit`. Returns its partition if it is the first of
    /// this partition.
    fn read(&mut self, limit: Duration, mut take: impl FnMut(native::ReceivedRecord<'_>)) -> Option<i32> {
        let mut answered = None;
        self.consumer.next(limit, |read| {
            answered = Some(match read {
                native::ConsumerEvent::Answered(partition) => partition,
                native::ConsumerEvent::Record(record) => {
                    let partition = record.partition;
                    take(record);
                    partition
                }
            });
        });
        answered.filter(|partition| self.answered.insert(*partition))
    }
}

/// Reports a record to the ledger.
fn report(events: &Sender<Event>, next_offsets: &mut BTreeMap<i32, i64>, record: native::ReceivedRecord<'_>) {
    let native::ReceivedRecord { partition, offset, at, payload } = record;
    next_offsets.insert(partition, offset + 1);
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
