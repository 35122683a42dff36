//! The reading thread: takes records off the topic and tells the ledger.

use std::{
    sync::mpsc::{Receiver, Sender, TryRecvError},
    thread,
    time::Duration,
};

use super::{ledger::Event, record::Record, reports::Reports, targets::Assignment};
use crate::kafka::{Error, fault::Chain, native};

/// The thread looks up at least this often: for new partitions, and for the stop.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// For the consumer to ask for leaders, and how often it tries.
const PATIENCE: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 4;

/// Reads until the other end of `assignments` is dropped. `renew` makes another client.
pub(super) fn run(
    mut consumer: native::Consumer<Reports>,
    renew: impl Fn() -> Result<native::Consumer<Reports>, Error>,
    assignments: &Receiver<Assignment>,
    events: &Sender<Event>,
) {
    loop {
        match assignments.try_recv() {
            Ok(assignment) => {
                if let Err(error) = follow(&mut consumer, &renew, &assignment) {
                    tracing::error!("the heartbeat topic cannot be read: {}", Chain(&error));
                }
            }
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

fn follow(
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
