//! The ledger's thread: the only place where the ledger meets a clock.
//!
//! It wakes every ten milliseconds. Waking much later means that this thread was held up, and that the process stalled
//! if the [`stall_watch`](super::stall_watch) was held up as well. The clock is read before each event is booked, so the ledger knows
//! of a stall before it is told of anything that happened after the stall.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::{Notify, watch};

use super::{
    bad_log::BadLog,
    descriptors::Descriptors,
    ledger::{Event, Ledger},
    snapshot::Snapshot,
    stall_watch::{STALL, StallWatch, TICK},
    trace_queue::{TraceSender, TracedHeartbeat},
};
use crate::kafka::Fault;

/// Snapshots are published at most this often, and at least once a second.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);
const PUBLISH_IDLE: Duration = Duration::from_secs(1);

/// Events carry their instants, and one may be a little while between its instant and its place in the
/// queue: what is judged lies this far in the past, when all that could speak for it has been heard.
const HEARD: Duration = Duration::from_millis(100);

/// A heartbeat open for this long is reason enough to look at the metadata again …
const OVERDUE: Duration = Duration::from_secs(1);
/// … but not more often than this.
const NUDGE_EVERY: Duration = Duration::from_secs(2);

/// Everything the ledger's thread owns.
pub(super) struct LedgerThread {
    pub(super) ledger: Ledger,
    pub(super) events: Receiver<Event>,
    pub(super) publisher: watch::Sender<Arc<Snapshot>>,
    /// Asks for fresh metadata.
    pub(super) nudge: Arc<Notify>,
    /// A stall that lasts longer than this is logged as a warning.
    pub(super) tolerance: Duration,
    /// When the clock was last read: the process ran at this instant.
    pub(super) awake: Instant,
    /// Says whether the other threads ran while this one did not.
    pub(super) pulse: Arc<StallWatch>,
    pub(super) descriptors: Descriptors,
    pub(super) log: BadLog,
    /// Where heartbeats are told in traces.
    pub(super) outlet: Option<TraceSender>,
    pub(super) topic: Arc<str>,
}

impl LedgerThread {
    /// Keeps the books until every sender of events is gone; then closes them.
    pub(super) fn run(mut self) {
        let (mut published, mut nudged, mut bad_seen) = (Instant::now(), Instant::now(), 0);
        let mut changed = true;
        self.awake = Instant::now();
        loop {
            let first = self.events.recv_timeout(TICK);
            let woken = self.notice_stall();
            self.notice_shortage(woken);
            let closed = matches!(first, Err(RecvTimeoutError::Disconnected));
            if let Ok(event) = first {
                changed = true;
                self.ledger.apply(event);
                while let Ok(event) = self.events.try_recv() {
                    self.notice_stall();
                    self.ledger.apply(event);
                }
            }
            let now = Instant::now();
            self.ledger.advance(
                woken.checked_sub(HEARD).unwrap_or(woken),
                SystemTime::now() - (now - woken) - HEARD,
            );
            self.tell_ended(now);
            self.log.same_name(&self.ledger);
            let trouble = self.ledger.bad_events() != bad_seen
                || self
                    .ledger
                    .oldest_waiting()
                    .is_some_and(|oldest| now.saturating_duration_since(oldest) > OVERDUE);
            if trouble && now - nudged > NUDGE_EVERY {
                (nudged, bad_seen) = (now, self.ledger.bad_events());
                self.nudge.notify_one();
            }
            if closed {
                self.ledger.apply(Event::Stopped);
                // What was bad before we stopped is told, although nobody knows how it would have ended.
                self.tell_ended(now);
                self.publisher.send_replace(Arc::new(self.ledger.snapshot(now)));
                return;
            }
            let due = if changed { PUBLISH_EVERY } else { PUBLISH_IDLE };
            if now - published >= due {
                (published, changed) = (now, false);
                self.publisher.send_replace(Arc::new(self.ledger.snapshot(now)));
            }
        }
    }

    /// Reads the clock, and tells the ledger if the process did not run since the clock was last read. Where this thread
    /// alone did not run, for example because a log line could not be written, the instants of the events are right.
    fn notice_stall(&mut self) -> Instant {
        let (now, awake) = (Instant::now(), self.awake);
        if (now - awake).saturating_sub(TICK) > STALL {
            let (cluster, stalls) = (&*self.log.cluster, self.pulse.stalls(awake, now));
            if stalls.is_empty() {
                let seconds = (now - awake).as_secs_f64();
                tracing::debug!(cluster, seconds, "the ledger's thread was held up, the process was not");
            }
            for (from, to) in stalls {
                let (lasted, seconds) = (to - from, (to - from).as_secs_f64());
                if lasted > self.tolerance {
                    tracing::warn!(cluster, seconds, "this process was stalled");
                } else {
                    tracing::debug!(cluster, seconds, "this process was stalled for a moment");
                }
                self.ledger.apply(Event::Stalled { from, to });
            }
        }
        self.awake = now;
        now
    }

    /// Tells the ledger while this process has no descriptor left.
    fn notice_shortage(&mut self, now: Instant) {
        if let Some(from) = self.descriptors.missing_since(now) {
            if self.descriptors.is_news(now) {
                let (cluster, hint) = (&*self.log.cluster, Fault::Descriptors.hint_once(&self.log.cluster));
                tracing::warn!(
                    cluster,
                    hint,
                    "this process has run out of descriptors: heartbeats may be skipped"
                );
            }
            self.ledger.apply(Event::NoDescriptors { from, to: now });
        }
    }

    /// In traces and in the log, each what belongs there.
    fn tell_ended(&mut self, now: Instant) {
        let ended: Vec<_> = self.ledger.take_ended().collect();
        if let Some(outlet) = &self.outlet {
            for (ended, ids) in ended.iter().filter_map(|ended| Some((ended, ended.trace?))) {
                let (cluster, topic) = (self.log.cluster.clone(), self.topic.clone());
                outlet.send(TracedHeartbeat { cluster, topic, ended: ended.clone(), ids });
            }
        }
        self.log.write(ended.into_iter().filter(|ended| ended.outcome.is_bad()), now);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;
    use crate::{
        latency::Bounds,
        probe::heartbeat::{
            Outcome,
            ledger::Settings,
            record::{Identity, Record},
        },
    };

    /// The ledger's thread of a cluster with one partition, the way to tell it something, and what it publishes.
    fn accounts() -> (LedgerThread, mpsc::Sender<Event>, watch::Receiver<Arc<Snapshot>>) {
        let (begin, wall) = (Instant::now(), SystemTime::now());
        let (deadline, horizon) = (Duration::from_secs(10), Duration::from_secs(20));
        let (identity, tolerance) = (IDENTITY, Duration::from_millis(500));
        let bounds = Bounds::with([deadline]);
        let settings = Settings { identity, deadline, horizon, tolerance, bounds, traces: None };
        let ledger = Ledger::new(settings, begin, wall);
        let (publisher, snapshot) = watch::channel(Arc::new(ledger.snapshot(begin)));
        let (tell, events) = mpsc::channel();
        let accounts = LedgerThread {
            ledger,
            events,
            publisher,
            nudge: Arc::default(),
            tolerance,
            awake: begin,
            pulse: StallWatch::of_process(),
            descriptors: Descriptors::new(begin),
            log: BadLog::new("k".into(), "one".to_owned()),
            outlet: None,
            topic: "hb".into(),
        };
        (accounts, tell, snapshot)
    }

    const IDENTITY: Identity = Identity { instance: 1, epoch: 2 };

    /// Holds up the ledger's thread alone for so long, while a heartbeat is sent, acknowledged and received.
    fn held_up(limit: Duration) -> Arc<Snapshot> {
        let (accounts, tell, mut snapshot) = accounts();
        let thread = thread::spawn(move || accounts.run());
        let begin = Instant::now();
        {
            // Nothing can be published while somebody looks at what was published last.
            let _held = snapshot.borrow();
            let (partition, sequence, broker) = (0, 0, None);
            // The ledger publishes once a second.
            let intended = begin + limit * 3 / 4;
            while Instant::now() < intended {
                thread::park_timeout(TICK);
            }
            let at = Instant::now();
            let told = |event| tell.send(event).expect("the ledger's thread runs");
            told(Event::Sent { partition, sequence, intended: at, at, broker });
            told(Event::Acked { partition, sequence, at: Instant::now() });
            let record = Record { identity: IDENTITY, partition, sequence, intended: 0, sent: 0 };
            told(Event::Received { partition, offset: 0, at: Instant::now(), record: Ok(record) });
            while begin.elapsed() < limit {
                thread::park_timeout(TICK);
            }
        }
        drop(tell);
        thread.join().expect("no panic");
        snapshot.borrow_and_update().clone()
    }

    #[test]
    fn ledger_thread_held_up_alone_is_no_stall_of_the_process() {
        let limit = Duration::from_secs(2);
        // On a busy machine the process itself may stall meanwhile, and says so.
        let mut rounds = (0..5).map(|_| {
            let begin = Instant::now();
            let snapshot = held_up(limit);
            (snapshot, StallWatch::of_process().stalls(begin, Instant::now()))
        });
        let (snapshot, _) = rounds.find(|(_, stalls)| stalls.is_empty()).expect("a round without a stall");
        assert_eq!(snapshot.totals.of(Outcome::Ok), 1, "{:?}", snapshot.totals);
        assert_eq!((snapshot.stalled, snapshot.prober_healthy), (Duration::ZERO, true));
    }
}
