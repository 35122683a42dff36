//! The thread that reads one topic of the target.
//!
//! It reads with librdkafka, which waits at the broker for the next record, so that no pause between two requests adds to a latency, and
//! which reads every kind of compression that a mirror may use. There is no consumer group, and nothing is committed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync;

use super::ledger::Place;
use crate::{
    config,
    kafka::{
        Access, Error, Fault,
        native::{self, Consumer, ConsumerEvent, ReceivedRecord},
    },
    text::Chain,
};

/// The number of records that wait for the task. The thread reads no further ones meanwhile.
const QUEUE: usize = 16_384;
/// The longest wait for a record. The thread notices within this time that it is to end.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Makes of a record what the task needs of it. The record is hostile.
pub(super) type Decode<T> = fn(&ReceivedRecord<'_>) -> T;

/// What the thread has seen.
#[derive(Debug)]
pub(super) enum Event<T> {
    /// A record was read.
    Record {
        /// Where it is.
        place: Place,
        /// The instant right after it was read.
        at: Instant,
        /// The decoded record.
        record: T,
    },
    /// A read failed. The client tries again.
    Failed {
        /// The instant of the failure.
        at: Instant,
        /// The kind of the failure.
        fault: Fault,
    },
}

/// The thread that reads one topic. It ends when this value is dropped.
#[derive(Debug)]
pub(super) struct Reader<T> {
    assignments: mpsc::Sender<BTreeMap<i32, i64>>,
    events: sync::mpsc::Receiver<Event<T>>,
}

impl<T: Send + 'static> Reader<T> {
    /// Starts a thread that reads no partition yet.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(super) fn start(
        topic: Arc<str>,
        cluster: Arc<config::Cluster>,
        access: Access,
        decode: Decode<T>,
    ) -> Result<Self, Error> {
        let (assignments, assigned) = mpsc::channel();
        let (sender, events) = sync::mpsc::channel(QUEUE);
        let reading = Reading { topic, cluster, access, decode, events: sender, next: BTreeMap::new() };
        let thread = thread::Builder::new().name("mirror".to_owned()).spawn(move || reading.run(&assigned));
        let refused = |error| Error::new(Fault::Other, "cannot start the thread of a mirror").because(error);
        thread.map_err(refused)?;
        Ok(Self { assignments, events })
    }

    /// Reads these partitions from these offsets on. Returns false if the thread has ended.
    pub(super) fn assign(&self, offsets: BTreeMap<i32, i64>) -> bool {
        self.assignments.send(offsets).is_ok()
    }

    /// The next event; `None` if none waits.
    pub(super) fn take(&mut self) -> Option<Event<T>> {
        self.events.try_recv().ok()
    }

    /// Whether the thread has ended, and all of its events were taken.
    pub(super) fn has_ended(&self) -> bool {
        self.events.is_closed() && self.events.is_empty()
    }
}

/// Takes no reports: everything that matters comes as an event of the consumer.
struct Silent;

impl native::Listener for Silent {
    fn delivered(&self, _delivery: native::Delivery<'_>) {}
    fn failed(&self) {}
    fn throttled(&self, _api: &'static str, _time: Duration) {}
}

/// What the thread owns.
struct Reading<T> {
    topic: Arc<str>,
    cluster: Arc<config::Cluster>,
    access: Access,
    decode: Decode<T>,
    events: sync::mpsc::Sender<Event<T>>,
    /// The offset of the next record, by partition.
    next: BTreeMap<i32, i64>,
}

impl<T> Reading<T> {
    /// Reads until the other end of a channel is dropped, or the client cannot be made.
    fn run(mut self, assigned: &mpsc::Receiver<BTreeMap<i32, i64>>) {
        let Some(mut consumer) = self.consumer() else { return };
        loop {
            // Without a partition there is nothing to poll for.
            let wait = if self.next.is_empty() { LONGEST_WAIT } else { Duration::ZERO };
            match assigned.recv_timeout(wait) {
                Ok(offsets) => {
                    self.next.extend(offsets.clone());
                    if !self.assign(&mut consumer, &offsets) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let mut event = None;
            let is_busy = consumer.next(LONGEST_WAIT, |seen| event = self.decoded(&seen));
            if let Some(event) = event {
                if let Event::Record { place: (partition, offset), .. } = event {
                    self.next.insert(partition, offset + 1);
                }
                if self.events.blocking_send(event).is_err() {
                    return;
                }
            }
            if !is_busy && !consumer.has_newest_certificates(&self.access) {
                let Some(fresh) = self.consumer() else { return };
                consumer = fresh;
                let offsets = self.next.clone();
                if !self.assign(&mut consumer, &offsets) {
                    return;
                }
            }
        }
    }

    /// A new client. `None` if librdkafka refuses it: then the thread ends, and the task starts another one.
    fn consumer(&self) -> Option<Consumer<Silent>> {
        let made = Consumer::of_topic(&self.topic, &self.cluster, &self.access, Arc::new(Silent));
        self.or_failed(made)
    }

    /// Whether the client takes the partitions.
    fn assign(&self, consumer: &mut Consumer<Silent>, offsets: &BTreeMap<i32, i64>) -> bool {
        self.or_failed(consumer.assign(offsets)).is_some()
    }

    fn or_failed<V>(&self, result: Result<V, Error>) -> Option<V> {
        let report = |error: &Error| {
            tracing::debug!(topic = &*self.topic, "{}", Chain(error));
            _ = self.events.blocking_send(Event::Failed { at: Instant::now(), fault: error.fault() });
        };
        result.inspect_err(report).ok()
    }

    /// The event of the task for an event of the consumer. `None` for a fetch without a record.
    fn decoded(&self, event: &ConsumerEvent<'_>) -> Option<Event<T>> {
        match event {
            ConsumerEvent::Record(read) => Some(Event::Record {
                place: (read.partition, read.offset),
                at: read.at,
                record: (self.decode)(read),
            }),
            ConsumerEvent::Answered(_) => None,
            ConsumerEvent::Failed { at, fault } => Some(Event::Failed { at: *at, fault: *fault }),
        }
    }
}
