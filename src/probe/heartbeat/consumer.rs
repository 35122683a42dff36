//! The reading thread: takes records off the topic and tells the ledger.

use std::{
    sync::mpsc::{Receiver, Sender, TryRecvError},
    time::Duration,
};

use super::{ledger::Event, producer::Reports, record::Record, targets::Assignment};
use crate::kafka::{fault::Chain, native};

/// The thread looks up at least this often: for new partitions, and for the stop.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Reads until the other end of `assignments` is dropped.
pub(super) fn run(
    mut consumer: native::Consumer<Reports>,
    assignments: &Receiver<Assignment>,
    events: &Sender<Event>,
) {
    loop {
        match assignments.try_recv() {
            Ok(assignment) => {
                if let Err(error) = consumer.assign(&assignment) {
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
