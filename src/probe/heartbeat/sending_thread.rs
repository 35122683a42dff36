//! The sending thread: waits for slots of the schedule, and hands heartbeats to librdkafka.
//!
//! The thread never waits for an acknowledgement. The event of a heartbeat is in the ledger's channel before the client has the
//! record, so that no acknowledgement can overtake it.

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
    id::HeartbeatId,
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

/// The longest wait until the thread sees other partitions, or the stop.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// The same while heartbeats wait for the clients to be ready.
const HELD_WAIT: Duration = Duration::from_millis(10);

/// Everything the sending thread owns.
pub(super) struct SendingThread {
    pub(super) settings: config::Heartbeat,
    pub(super) identity: Identity,
    pub(super) producer: watch::Receiver<Arc<native::Producer<ClientCallbacks>>>,
    pub(super) targets: watch::Receiver<Arc<Targets>>,
    pub(super) events: Sender<Event>,
    /// The value of the record that is sent, kept to reuse its memory.
    pub(super) buffer: Vec<u8>,
    /// The share of good heartbeats that are exported as traces; `None` if no traces are exported.
    pub(super) traces: Option<SampleShare>,
}

impl SendingThread {
    /// Sends on schedule until the other end of `stop` is dropped.
    pub(super) fn run(mut self, stop: &Receiver<()>) {
        let mut targets = self.targets.borrow_and_update().clone();
        let SendingThread { settings, .. } = &self;
        let mut slots = Slots::new(settings.interval, Vec::new(), Instant::now()).limited(settings.limit);
        // The instant at which the next hold ends; `None` if no partition is held.
        let mut release = Some(Instant::now());
        // The beginning of the longest hold that has not ended; `None` if no partition is held.
        let mut waiting = None::<Instant>;
        loop {
            while let Some(slot) = slots.take(Instant::now()) {
                self.use_slot(&slot, &targets);
            }
            // Partitions change only after the slots that are due, so the slots of a deleted partition are counted.
            let now = Instant::now();
            let changed = self.targets.has_changed().unwrap_or(false);
            if changed || release.is_some_and(|release| release <= now) {
                targets = self.targets.borrow_and_update().clone();
                let (due, held) = targets.due(now);
                slots.set_partitions(due, now);
                release = held.iter().map(|hold| hold.until).min();
                waiting = held.iter().map(|hold| hold.since).chain(waiting).min();
                if held.is_empty()
                    && let Some(since) = waiting.take()
                {
                    self.report(Event::Started { took: now - since });
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
                self.report(Event::Skipped { partition, broker: leader(partition), at: Instant::now() });
            }
            Slot::Due { id, intended } => {
                let target = targets.0.get(&id.partition);
                let ready = target.map_or(Err(Fault::NotReady), |target: &Target| target.ready);
                let broker = leader(id.partition);
                self.encode(id, intended);
                let at = Instant::now();
                self.report(Event::Sent { id, intended, at, broker });
                let header = self.traces.map(|share| TraceIds::of(self.identity, id).header(share));
                let record = native::Record {
                    topic: &self.settings.topic,
                    partition: id.partition,
                    header: header.as_ref().map(|value| (HEADER, value.as_str())),
                    payload: &self.buffer,
                };
                let sent = ready.and_then(|()| self.producer.borrow().send(&record, id.sequence));
                if let Err(fault) = sent {
                    self.report(Event::Refused { id, at: Instant::now(), fault });
                }
            }
        }
    }

    /// Writes the record of a heartbeat into the buffer.
    fn encode(&mut self, id: HeartbeatId, intended: Instant) {
        let sent = SystemTime::now();
        let late = intended.elapsed();
        let intended = unix_nanos(sent - late);
        let record = Record { identity: self.identity, id, intended, sent: unix_nanos(sent) };
        record.encode(self.settings.payload_bytes, &mut self.buffer);
    }

    fn report(&self, event: Event) {
        // The ledger outlives this thread. An error here means that the process is going down.
        _ = self.events.send(event);
    }
}
