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
    callbacks::ClientCallbacks,
    ledger::Event,
    record::{Identity, Record},
    schedule::{Slot, Slots},
    targets::{Target, Targets},
    trace::{HEADER, SampleShare, TraceIds},
};
use crate::{
    clock::unix_nanos,
    config,
    kafka::{Fault, native},
};

/// The thread looks up at least this often: for other partitions, and for the stop.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// The same while heartbeats wait for the clients to be ready.
const HELD_WAIT: Duration = Duration::from_millis(10);

/// Everything the sending thread owns.
pub(super) struct SendingThread {
    pub(super) settings: config::Heartbeat,
    pub(super) identity: Identity,
    pub(super) native: watch::Receiver<Arc<native::Producer<ClientCallbacks>>>,
    pub(super) targets: watch::Receiver<Arc<Targets>>,
    pub(super) events: Sender<Event>,
    pub(super) buffer: Vec<u8>,
    /// Heartbeats are told in traces: of good ones this share.
    pub(super) traces: Option<SampleShare>,
}

impl SendingThread {
    /// Sends on schedule until the other end of `stop` is dropped.
    pub(super) fn run(mut self, stop: &Receiver<()>) {
        let mut targets = self.targets.borrow_and_update().clone();
        let SendingThread { settings, .. } = &self;
        let mut slots = Slots::new(settings.interval, Vec::new(), Instant::now()).limited(settings.limit);
        // The end of the next hold, and when the longest of those that are not over began.
        let (mut release, mut waiting) = (Some(Instant::now()), None::<Instant>);
        loop {
            while let Some(slot) = slots.take(Instant::now()) {
                self.use_slot(&slot, &targets);
            }
            // After the slots that are due: those of a partition that has gone are accounted for as well.
            let now = Instant::now();
            let changed = self.targets.has_changed().unwrap_or(false);
            if changed || release.is_some_and(|release| release <= now) {
                targets = self.targets.borrow_and_update().clone();
                let (due, held) = targets.due(now);
                slots.set_partitions(due, now);
                release = held.iter().map(|hold| hold.until).min();
                waiting = held.iter().map(|hold| hold.since).chain(waiting).min();
                if let Some(since) = waiting.take_if(|_| held.is_empty()) {
                    self.tell(Event::Started { took: now - since });
                }
                continue;
            }
            let longest = if release.is_some() { HELD_WAIT } else { LONGEST_WAIT };
            let wait = slots.next_due().map_or(longest, |due| due.saturating_duration_since(now));
            match stop.recv_timeout(wait.min(longest)) {
                Err(RecvTimeoutError::Timeout) | Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
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
                    let ids = TraceIds::of(self.identity, partition, sequence);
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
        let (intended, sent) = (unix_nanos(sent - late), unix_nanos(sent));
        let record = Record { identity: self.identity, partition, sequence, intended, sent };
        record.encode(self.settings.payload_bytes, &mut self.buffer);
    }

    fn tell(&self, event: Event) {
        // The ledger outlives this thread; an error here means the process is going down.
        _ = self.events.send(event);
    }
}
