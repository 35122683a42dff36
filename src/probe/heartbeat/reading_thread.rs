//! The reading thread: reads records from the topic and reports them to the ledger.

use std::{
    collections::BTreeSet,
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

/// Everything the reading thread owns.
pub(super) struct ReadingThread<R> {
    cluster: String,
    consumer: native::Consumer<ClientCallbacks>,
    /// Creates another consumer.
    make_consumer: R,
    events: Sender<Event>,
    signals: UnboundedSender<ReadySignal>,
    /// The number of the consumer.
    number: u32,
    /// The partitions of which a fetch by this consumer was answered.
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
        Self { cluster, consumer, make_consumer, events, signals, number: 0, answered: BTreeSet::new() }
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
        let events = &self.events;
        let mut answered = None;
        self.consumer.next(LONGEST_WAIT, |read| match read {
            native::ConsumerEvent::Answered(partition) => answered = Some(partition),
            native::ConsumerEvent::Record(native::ReceivedRecord { partition, offset, at, payload }) => {
                let record = Record::decode(payload);
                // The ledger outlives this thread. An error here means that the process is going down.
                _ = events.send(Event::Received { partition, offset, at, record });
                answered = Some(partition);
            }
        });
        if let Some(partition) = answered
            && self.answered.insert(partition)
        {
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
        if assignment.topic_recreated {
            let fresh = (self.make_consumer)()?;
            replace(&mut self.consumer, fresh);
            self.answered.clear();
            _ = self.events.send(Event::Renewed(Renewal::ConsumerForNewTopic));
        }
        self.number = assignment.consumer;
        if assignment.leaders_moved {
            let relearn = self.consumer.relearn();
            native::run_aside(move || {
                // librdkafka picks the broker that it asks, and may pick one that does not answer.
                if !(0..RELEARN_ATTEMPTS).any(|_| relearn(RELEARN_LIMIT).is_ok()) {
                    tracing::debug!("the consumer could not ask for the leaders");
                }
            });
        }
        if assignment.offsets.is_empty() { Ok(()) } else { self.consumer.assign(&assignment.offsets) }
    }
}

/// Replaces the consumer. Closing the old one may block, so another thread does it: this thread has to read.
fn replace(consumer: &mut native::Consumer<ClientCallbacks>, fresh: native::Consumer<ClientCallbacks>) {
    let old = std::mem::replace(consumer, fresh);
    native::run_aside(move || drop(old));
}
