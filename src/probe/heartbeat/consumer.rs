//! The reading thread: takes records off the topic and tells the ledger.

use std::{
    sync::mpsc::{Receiver, Sender, TryRecvError},
    thread,
    time::{Duration, Instant},
};

use super::{ledger::Event, record::Record, reports::Reports, targets::Assignment};
use crate::kafka::{Error, fault::Chain, native};

/// The thread looks up at least this often: for new partitions, and for the stop.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// What failed is tried again after this: the system may be out of descriptors for a moment.
const AGAIN: Duration = Duration::from_secs(1);

/// For the consumer to ask for leaders, and how often it tries.
const PATIENCE: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 4;

/// Reads until the other end of `assignments` is dropped. `renew` makes another client.
pub(super) fn run(
    cluster: &str,
    mut consumer: native::Consumer<Reports>,
    renew: impl Fn() -> Result<native::Consumer<Reports>, Error>,
    assignments: &Receiver<Assignment>,
    events: &Sender<Event>,
) {
    let mut failed = None::<(Assignment, Instant)>;
    loop {
        if let Some((assignment, _)) = failed.take_if(|(_, at)| at.elapsed() > AGAIN) {
            failed = follow(cluster, &mut consumer, &renew, assignment, events);
        }
        // One after the other: a client is replaced before it is told where to read.
        match if failed.is_none() { assignments.try_recv() } else { Err(TryRecvError::Empty) } {
            Ok(assignment) => failed = follow(cluster, &mut consumer, &renew, assignment, events),
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {}
        }
        consumer.next(LONGEST_WAIT, |received| {
            let native::Received { partition, offset, at, payload } = received;
            // The ledger outlives this thread; an error here means the process is going down.
            _ = events.send(Event::Received { partition, offset, at, record: Record::decode(payload) });
        });
    }
}

/// Returns the assignment if it failed, to be tried again.
fn follow(
    cluster: &str,
    consumer: &mut native::Consumer<Reports>,
    renew: &impl Fn() -> Result<native::Consumer<Reports>, Error>,
    assignment: Assignment,
    events: &Sender<Event>,
) -> Option<(Assignment, Instant)> {
    let error = arrange(consumer, renew, &assignment).err()?;
    tracing::error!(cluster, "the heartbeat topic cannot be read: {}", Chain(&error));
    _ = events.send(Event::Unread { at: Instant::now(), fault: error.fault() });
    Some((assignment, Instant::now()))
}

fn arrange(
    consumer: &mut native::Consumer<Reports>,
    renew: &impl Fn() -> Result<native::Consumer<Reports>, Error>,
    assignment: &Assignment,
) -> Result<(), Error> {
    if assignment.anew {
        let fresh = renew()?;
        discard(consumer, fresh);
    }
    if assignment.moved {
        let relearn = consumer.relearn();
        thread::spawn(move || {
            // Whom the client asks is its choice: it may be the one that hangs.
            if !(0..ATTEMPTS).any(|_| relearn(PATIENCE).is_ok()) {
                tracing::debug!("the consumer could not ask for the leaders");
            }
        });
    }
    if assignment.offsets.is_empty() { Ok(()) } else { consumer.assign(&assignment.offsets) }
}

/// Puts a fresh client in the old one's place. Closing a client may block, and this thread has to read.
fn discard(consumer: &mut native::Consumer<Reports>, fresh: native::Consumer<Reports>) {
    let old = std::mem::replace(consumer, fresh);
    thread::spawn(move || drop(old));
}
