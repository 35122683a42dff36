//! The ledger's thread: the only place where the ledger meets a clock.
//!
//! The thread wakes every ten milliseconds. If it wakes much later, it was held up; if the watching thread of
//! [`stall_watch`](super::stall_watch) was held up as well, the process stalled. The clock is read before each event is
//! booked, so the ledger knows of a stall before any event that happened after the stall.

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
    feed::{Confirmed, Feed},
    ledger::{Event, Ledger},
    lockout::Lockout,
    moment::Moment,
    period::Period,
    snapshot::Snapshot,
    stall_watch::{STALL, StallWatch, TICK},
    trace_queue::{TraceSender, TracedHeartbeat},
};
use crate::kafka::Fault;

/// The shortest time between two snapshots.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);
/// The time between two snapshots while no event comes.
const PUBLISH_IDLE: Duration = Duration::from_secs(1);

/// The ledger's clock runs this far behind the real clock. An event is stamped a little before it is queued, so an event
/// in time that still waits in the queue counts as in time.
const QUEUE_MARGIN: Duration = Duration::from_millis(100);

/// A heartbeat that is open for longer than this asks for fresh metadata.
const OVERDUE: Duration = Duration::from_secs(1);
/// The shortest time between two such requests.
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
    /// The last reading of the clock: the process ran at this instant.
    pub(super) awake: Instant,
    /// Knows whether the other threads ran while this one did not.
    pub(super) stall_watch: Arc<StallWatch>,
    pub(super) descriptors: Descriptors,
    pub(super) lockout: Lockout,
    pub(super) log: BadLog,
    /// The queue of the exporter of traces; `None` if no traces are exported.
    pub(super) traces: Option<TraceSender>,
    /// The heartbeat topic.
    pub(super) topic: Arc<str>,
    /// Takes the heartbeats that are acknowledged.
    pub(super) feed: Feed,
}

impl LedgerThread {
    /// Books events until every sender of events is dropped. Then ends the heartbeats in flight and publishes the last
    /// snapshot.
    pub(super) fn run(mut self) {
        let mut published = Instant::now();
        let mut nudged = Instant::now();
        let mut bad_seen = 0;
        let mut changed = true;
        self.awake = Instant::now();
        loop {
            let first = self.events.recv_timeout(TICK);
            let woken = self.notice_stall();
            self.notice_shortage(woken);
            let closed = matches!(first, Err(RecvTimeoutError::Disconnected));
            if let Ok(event) = first {
                changed = true;
                self.book(event);
                while let Ok(event) = self.events.try_recv() {
                    self.notice_stall();
                    self.book(event);
                }
            }
            let now = Instant::now();
            self.ledger.advance(Moment {
                instant: woken.checked_sub(QUEUE_MARGIN).unwrap_or(woken),
                wall: SystemTime::now() - (now - woken) - QUEUE_MARGIN,
            });
            self.report_ended(now);
            if self.ledger.same_name().is_some() {
                self.log.write_same_name();
            }
            if self.is_in_trouble(bad_seen, now) && now - nudged > NUDGE_EVERY {
                nudged = now;
                bad_seen = self.ledger.bad_events();
                self.nudge.notify_one();
            }
            if closed {
                self.ledger.apply(Event::Stopped);
                // A heartbeat that was judged bad before the stop is reported, although its outcome stays unknown.
                self.report_ended(now);
                self.publisher.send_replace(Arc::new(self.ledger.snapshot(now)));
                return;
            }
            let due = if changed { PUBLISH_EVERY } else { PUBLISH_IDLE };
            if now - published >= due {
                published = now;
                changed = false;
                self.publisher.send_replace(Arc::new(self.ledger.snapshot(now)));
            }
        }
    }

    /// Books an event, and hands a heartbeat that was acknowledged to other tasks.
    fn book(&mut self, event: Event) {
        let acked = if let Event::Acked { id, stored, .. } = &event {
            Some((*id, stored.as_ref().map(|stored| stored.offset)))
        } else {
            None
        };
        self.ledger.apply(event);
        if let Some((id, offset)) = acked
            && let Some(produced) = self.ledger.sent_at(id)
        {
            self.feed.send(Confirmed { identity: self.ledger.identity(), id, offset, produced });
        }
    }

    /// Whether more heartbeats than `bad_seen` were bad, or a heartbeat waits for too long: the metadata may be outdated.
    fn is_in_trouble(&self, bad_seen: u64, now: Instant) -> bool {
        let oldest = self.ledger.oldest_waiting();
        self.ledger.bad_events() != bad_seen
            || oldest.is_some_and(|oldest| now.saturating_duration_since(oldest) > OVERDUE)
    }

    /// Reads the clock, and reports a stall to the ledger if the process did not run since the last reading. If this
    /// thread alone did not run, for example because a log line could not be written, the instants of the events are
    /// right.
    fn notice_stall(&mut self) -> Instant {
        let now = Instant::now();
        let awake = self.awake;
        if (now - awake).saturating_sub(TICK) > STALL {
            let cluster = &*self.log.cluster;
            let stalls = self.stall_watch.stalls(awake, now);
            if stalls.is_empty() {
                let seconds = (now - awake).as_secs_f64();
                tracing::debug!(cluster, seconds, "the ledger's thread was held up, the process was not");
            }
            for stall in stalls {
                let seconds = stall.duration().as_secs_f64();
                if stall.duration() > self.tolerance {
                    tracing::warn!(cluster, seconds, "this process was stalled");
                } else {
                    tracing::debug!(cluster, seconds, "this process was stalled for a moment");
                }
                self.ledger.apply(Event::Stalled(stall));
            }
        }
        self.awake = now;
        now
    }

    /// Reports to the ledger that this process has no descriptor left, or no credential, as long as that lasts.
    fn notice_shortage(&mut self, now: Instant) {
        if let Some(from) = self.lockout.since(now) {
            self.ledger.apply(Event::NoCredential(Period { from, to: now }));
        }
        if let Some(from) = self.descriptors.missing_since(now) {
            if self.descriptors.is_news(now) {
                let cluster = &*self.log.cluster;
                let hint = Fault::Descriptors.hint_once(&self.log.cluster);
                tracing::warn!(
                    cluster,
                    hint,
                    "this process has run out of descriptors: heartbeats may be skipped"
                );
            }
            self.ledger.apply(Event::NoDescriptors(Period { from, to: now }));
        }
    }

    /// Hands heartbeats that ended to the exporter of traces, and logs the bad ones.
    fn report_ended(&mut self, now: Instant) {
        let ended: Vec<_> = self.ledger.take_ended().collect();
        if let Some(traces) = &self.traces {
            for (ended, ids) in ended.iter().filter_map(|ended| Some((ended, ended.trace?))) {
                traces.send(TracedHeartbeat {
                    cluster: self.log.cluster.clone(),
                    topic: self.topic.clone(),
                    ended: ended.clone(),
                    ids,
                    suspects: traces.suspects_of(ended),
                });
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
            id::HeartbeatId,
            ledger::Settings,
            record::{Identity, Record},
        },
    };

    /// The ledger's thread of a cluster with one partition, the sender of its events, and what it publishes.
    fn ledger_thread() -> (LedgerThread, mpsc::Sender<Event>, watch::Receiver<Arc<Snapshot>>) {
        let begin = Moment::now();
        let (deadline, horizon) = (Duration::from_secs(10), Duration::from_secs(20));
        let (identity, tolerance) = (IDENTITY, Duration::from_millis(500));
        let bounds = Bounds::with([deadline]);
        let settings = Settings { identity, deadline, horizon, tolerance, bounds, traces: None };
        let ledger = Ledger::new(settings, begin);
        let (publisher, snapshot) = watch::channel(Arc::new(ledger.snapshot(begin.instant)));
        let (report, events) = mpsc::channel();
        let thread = LedgerThread {
            ledger,
            events,
            publisher,
            nudge: Arc::default(),
            tolerance,
            awake: begin.instant,
            stall_watch: StallWatch::of_process(),
            descriptors: Descriptors::new(begin.instant),
            lockout: Lockout::new(None, begin.instant),
            log: BadLog::new("k".into(), "one".to_owned()),
            traces: None,
            topic: "hb".into(),
            feed: Feed::default(),
        };
        (thread, report, snapshot)
    }

    const IDENTITY: Identity = Identity { instance: 1, epoch: 2 };

    /// Holds up the ledger's thread alone for this time, while a heartbeat is sent, acknowledged and received.
    fn held_up(limit: Duration) -> Arc<Snapshot> {
        let (thread, report, mut snapshot) = ledger_thread();
        let thread = thread::spawn(move || thread.run());
        let begin = Instant::now();
        {
            // Nothing can be published while the last snapshot is borrowed.
            let _held = snapshot.borrow();
            let id = HeartbeatId { partition: 0, sequence: 0 };
            // The ledger publishes once a second.
            let intended = begin + limit * 3 / 4;
            while Instant::now() < intended {
                thread::park_timeout(TICK);
            }
            let at = Instant::now();
            let book = |event| report.send(event).expect("the ledger's thread runs");
            book(Event::Sent { id, intended: at, at, broker: None });
            book(Event::Acked { id, at: Instant::now(), stored: None });
            let record = Record { identity: IDENTITY, id, intended: 0, sent: 0 };
            let at = Instant::now();
            book(Event::Received { partition: id.partition, offset: 0, at, record: Ok(record) });
            while begin.elapsed() < limit {
                thread::park_timeout(TICK);
            }
        }
        drop(report);
        thread.join().expect("no panic");
        snapshot.borrow_and_update().clone()
    }

    #[test]
    fn ledger_thread_held_up_alone_is_no_stall_of_the_process() {
        let limit = Duration::from_secs(2);
        // On a busy machine the process itself may stall meanwhile. The stall watch knows of such a stall.
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
