//! The sending thread: waits for slots, hands heartbeats to librdkafka, tells the ledger.
//!
//! It never waits for an acknowledgement. The event of a heartbeat is in the ledger's channel before
//! the client has the record, so that no acknowledgement can overtake it.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;

use super::{
    ledger::Event,
    record::{Identity, Record, nanos},
    reports::Reports,
    schedule::{Slot, Slots},
    targets::{Target, Targets},
    trace::{HEADER, Ids, Share},
};
use crate::{
    config,
    kafka::{Fault, native},
};

/// The thread looks up at least this often: for other partitions, and for the stop.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Everything the sending thread owns.
pub(super) struct Sending {
    pub(super) settings: config::Heartbeat,
    pub(super) identity: Identity,
    pub(super) native: watch::Receiver<Arc<native::Producer<Reports>>>,
    pub(super) targets: watch::Receiver<Arc<Targets>>,
    pub(super) events: Sender<Event>,
    pub(super) grace: Duration,
    pub(super) buffer: Vec<u8>,
    /// Heartbeats are told in traces: of good ones this share.
    pub(super) traces: Option<Share>,
}

impl Sending {
    /// Sends on schedule until the other end of `stop` is dropped.
    pub(super) fn run(mut self, stop: &Receiver<()>) {
        if !self.wait_for_targets(stop) {
            return;
        }
        let mut targets = self.targets.borrow_and_update().clone();
        let partitions = |targets: &Targets| targets.0.keys().copied().collect();
        let Sending { settings, .. } = &self;
        let mut slots =
            Slots::new(settings.interval, partitions(&targets), Instant::now()).limited(settings.limit);
        loop {
            while let Some(slot) = slots.take(Instant::now()) {
                self.use_slot(&slot, &targets);
            }
            // After the slots that are due: those of a partition that has gone are accounted for as well.
            if self.targets.has_changed().unwrap_or(false) {
                targets = self.targets.borrow_and_update().clone();
                slots.set_partitions(partitions(&targets), Instant::now());
                continue;
            }
            let wait =
                slots.next_due().map_or(LONGEST_WAIT, |due| due.saturating_duration_since(Instant::now()));
            match stop.recv_timeout(wait.min(LONGEST_WAIT)) {
                Err(RecvTimeoutError::Timeout) | Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Waits until it is known where to send, at most for the grace time; false if stopped meanwhile.
    fn wait_for_targets(&self, stop: &Receiver<()>) -> bool {
        let begun = Instant::now();
        while !self.targets.has_changed().unwrap_or(true) && begun.elapsed() < self.grace {
            if stop.recv_timeout(LONGEST_WAIT / 10) == Err(RecvTimeoutError::Disconnected) {
                return false;
            }
        }
        true
    }

    fn use_slot(&mut self, slot: &Slot, targets: &Targets) {
        let leader = |partition| targets.0.get(&partition).and_then(|target| target.leader.broker);
        match *slot {
            Slot::Missed { partition } => {
                self.tell(Event::Skipped { partition, broker: leader(partition), at: Instant::now() });
            }
            Slot::Due { partition, sequence, intended } => {
                let ready =
                    targets.0.get(&partition).map_or(Err(Fault::NotReady), |target: &Target| target.ready);
                let broker = leader(partition);
                self.encode(partition, sequence, intended);
                let at = Instant::now();
                self.tell(Event::Sent { partition, sequence, intended, at, broker });
                let header = self.traces.map(|share| {
                    let ids = Ids::of(self.identity, partition, sequence);
                    (HEADER, ids.header(share.takes(&ids)))
                });
                let record = native::Record {
                    topic: &self.settings.topic,
                    partition,
                    header: header.as_ref().map(|(name, value)| (*name, value.as_str())),
                    payload: &self.buffer,
                };
                let sent = ready.and_then(|()| self.native.borrow().send(&record, sequence));
                if let Err(fault) = sent {
                    self.tell(Event::Refused { partition, sequence, at: Instant::now(), fault });
                }
            }
        }
    }

    fn encode(&mut self, partition: i32, sequence: u64, intended: Instant) {
        let sent = SystemTime::now();
        let late = intended.elapsed();
        let (intended, sent) = (nanos(sent - late), nanos(sent));
        let record = Record { identity: self.identity, partition, sequence, intended, sent };
        record.encode(self.settings.payload_bytes, &mut self.buffer);
    }

    fn tell(&self, event: Event) {
        // The ledger outlives this thread; an error here means the process is going down.
        _ = self.events.send(event);
    }
}
