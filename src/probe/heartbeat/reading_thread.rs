//! The reading thread: takes records off the topic and tells the ledger.

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

/// The thread looks up at least this often: for new partitions, and for the stop.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// What failed is tried again after this: the system may be out of descriptors for a moment.
const AGAIN: Duration = Duration::from_secs(1);

/// For the consumer to ask for leaders, and how often it tries.
const PATIENCE: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 4;

/// Everything the reading thread owns. `renew` makes another client.
pub(super) struct ReadingThread<R> {
    cluster: String,
    consumer: native::Consumer<ClientCallbacks>,
    renew: R,
    events: Sender<Event>,
    prove: UnboundedSender<ReadySignal>,
    /// The number of the client, and the partitions of which a fetch of it was answered.
    number: u32,
    answered: BTreeSet<i32>,
}

impl<R: Fn() -> Result<native::Consumer<ClientCallbacks>, Error>> ReadingThread<R> {
    pub(super) fn new(
        cluster: String,
        consumer: native::Consumer<ClientCallbacks>,
        renew: R,
        events: Sender<Event>,
        prove: UnboundedSender<ReadySignal>,
    ) -> Self {
        Self { cluster, consumer, renew, events, prove, number: 0, answered: BTreeSet::new() }
    }

    /// Reads until the other end of `assignments` is dropped.
    pub(super) fn run(mut self, assignments: &Receiver<Assignment>) {
        let mut failed = None::<(Assignment, Instant)>;
        loop {
            if let Some((assignment, _)) = failed.take_if(|(_, at)| at.elapsed() > AGAIN) {
                failed = self.follow(assignment);
            }
            // One after the other: a client is replaced before it is told where to read.
            match if failed.is_none() { assignments.try_recv() } else { Err(TryRecvError::Empty) } {
                Ok(assignment) => failed = self.follow(assignment),
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {}
            }
            let (events, mut answered) = (&self.events, None);
            self.consumer.next(LONGEST_WAIT, |read| match read {
                native::Read::Answered(partition) => answered = Some(partition),
                native::Read::Record(native::Received { partition, offset, at, payload }) => {
                    // The ledger outlives this thread; an error here means the process is going down.
                    _ = events.send(Event::Received {
                        partition,
                        offset,
                        at,
                        record: Record::decode(payload),
                    });
                    answered = Some(partition);
                }
            });
            if let Some(partition) = answered.filter(|partition| self.answered.insert(*partition)) {
                // Nobody waiting for it means that the follower has ended.
                _ = self.prove.send(ReadySignal::Fetched { consumer: self.number, partition });
            }
        }
    }

    /// Returns the assignment if it failed, to be tried again.
    fn follow(&mut self, assignment: Assignment) -> Option<(Assignment, Instant)> {
        let error = self.arrange(&assignment).err()?;
        let cluster = &self.cluster;
        tracing::error!(cluster, "the heartbeat topic cannot be read: {}", Chain(&error));
        _ = self.events.send(Event::Unread { at: Instant::now(), fault: error.fault() });
        Some((assignment, Instant::now()))
    }

    fn arrange(&mut self, assignment: &Assignment) -> Result<(), Error> {
        if assignment.anew {
            let fresh = (self.renew)()?;
            discard(&mut self.consumer, fresh);
            self.answered.clear();
            _ = self.events.send(Event::Renewed(Renewal::ConsumerForNewTopic));
        }
        self.number = assignment.consumer;
        if assignment.moved {
            let relearn = self.consumer.relearn();
            native::aside(move || {
                // Whom the client asks is its choice: it may be the one that hangs.
                if !(0..ATTEMPTS).any(|_| relearn(PATIENCE).is_ok()) {
                    tracing::debug!("the consumer could not ask for the leaders");
                }
            });
        }
        if assignment.offsets.is_empty() { Ok(()) } else { self.consumer.assign(&assignment.offsets) }
    }
}

/// Puts a fresh client in the old one's place. Closing a client may block, and this thread has to read.
fn discard(consumer: &mut native::Consumer<ClientCallbacks>, fresh: native::Consumer<ClientCallbacks>) {
    let old = std::mem::replace(consumer, fresh);
    native::aside(move || drop(old));
}
