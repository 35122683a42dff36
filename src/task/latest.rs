//! The last snapshot of a task, and the record of its cycles.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use tokio_metrics::TaskMetrics;

use crate::{
    closed_enum::closed_enum,
    kafka::{
        self,
        fault::{Fault, Stage},
    },
    text::Chain,
};

closed_enum! {
    /// The ending of a cycle.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Ending {
        /// The cycle returned a snapshot.
        Ok = "ok",
        /// The cycle returned an error.
        Failed = "failed",
        /// The cycle did not end within its timeout.
        TimedOut = "timed_out",
        /// The cycle panicked: a bug of this program.
        Panicked = "panicked",
    }
}

/// The reason why the last cycle returned no snapshot.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The kind of the error.
    pub fault: Fault,
    /// The stage of opening a session at which it failed. Absent if the error is not about opening a session.
    pub stage: Option<Stage>,
    /// The error and its causes, in one line.
    pub message: String,
    /// The time of the first failure since the last success.
    pub since: SystemTime,
}

/// The last snapshot of a task, and the record of its cycles.
#[derive(Debug)]
pub struct Latest<T> {
    /// Time from one tick of the task to the next.
    pub interval: Duration,
    /// The last snapshot, and when its cycle ended. Absent before the first success.
    pub snapshot: Option<(Arc<T>, Instant)>,
    /// When the last snapshot was taken, on the wall clock. Absent before the first success. It is stored, because computed
    /// from the instant it would differ between two readings.
    pub succeeded: Option<SystemTime>,
    /// Number of cycles by [`Ending`], in the order of [`Ending::ALL`].
    pub cycles: [u64; 4],
    /// Number of cycles without a snapshot, by the kind of the error.
    pub faults: BTreeMap<Fault, u64>,
    /// Duration of the last cycle, whatever its ending. Absent before the first cycle.
    pub last_duration: Option<Duration>,
    /// The reason why the last cycle failed. Absent before the first cycle and after a success.
    pub failure: Option<Failure>,
    /// How all cycles used the async workers.
    pub polls: Polls,
    /// Whether the task waits because another instance does its work. Then it has no snapshot.
    pub waits: bool,
}

/// How a task used the async workers. A long poll delays the other tasks on its worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Polls {
    /// Number of polls.
    pub count: u64,
    /// Number of polls of 50 µs or more, the default threshold of [`tokio_metrics`].
    pub slow: u64,
    /// Duration of all polls together.
    pub busy: Duration,
}

impl<T> Latest<T> {
    /// The state before the first cycle.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            snapshot: None,
            succeeded: None,
            cycles: [0; 4],
            faults: BTreeMap::new(),
            last_duration: None,
            failure: None,
            polls: Polls::default(),
            waits: false,
        }
    }

    /// The last snapshot. Absent before the first success, and if the snapshot is older than three intervals.
    pub fn fresh(&self) -> Option<&Arc<T>> {
        let (snapshot, taken) = self.snapshot.as_ref()?;
        (taken.elapsed() <= 3 * self.interval).then_some(snapshot)
    }

    /// Whether at least one cycle has ended.
    pub fn tried(&self) -> bool {
        self.record().tried()
    }

    /// The record of the task, independent of the type of its snapshots.
    pub fn record(&self) -> Record<'_> {
        let Self { interval, succeeded, cycles, faults, last_duration, failure, polls, waits, .. } = self;
        Record {
            interval: *interval,
            succeeded: *succeeded,
            cycles: *cycles,
            faults,
            last_duration: *last_duration,
            failure: failure.as_ref(),
            polls: *polls,
            waits: *waits,
        }
    }
}

/// The record of a task's cycles. The fields are those of [`Latest`].
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Time from one tick to the next.
    pub interval: Duration,
    /// When the last snapshot was taken. Absent before the first success.
    pub succeeded: Option<SystemTime>,
    /// Number of cycles by [`Ending`], in the order of [`Ending::ALL`].
    pub cycles: [u64; 4],
    /// Number of cycles without a snapshot, by the kind of the error.
    pub faults: &'a BTreeMap<Fault, u64>,
    /// Duration of the last cycle. Absent before the first cycle.
    pub last_duration: Option<Duration>,
    /// The reason why the last cycle failed. Absent before the first cycle and after a success.
    pub failure: Option<&'a Failure>,
    /// How all cycles used the async workers.
    pub polls: Polls,
    /// Whether the task waits because another instance does its work.
    pub waits: bool,
}

impl Record<'_> {
    /// Whether at least one cycle has ended.
    pub fn tried(&self) -> bool {
        self.cycles.iter().any(|count| *count > 0)
    }
}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self {
            interval: self.interval,
            snapshot: self.snapshot.clone(),
            succeeded: self.succeeded,
            cycles: self.cycles,
            faults: self.faults.clone(),
            last_duration: self.last_duration,
            failure: self.failure.clone(),
            polls: self.polls,
            waits: self.waits,
        }
    }
}

impl Polls {
    pub(super) fn of(metrics: &TaskMetrics) -> Self {
        Self {
            count: metrics.total_poll_count,
            slow: metrics.total_slow_poll_count,
            busy: metrics.total_poll_duration,
        }
    }
}

impl<T> Latest<T> {
    /// Another instance does the work of the task.
    pub(super) fn wait(&mut self) {
        self.waits = true;
        (self.snapshot, self.succeeded, self.failure, self.last_duration) = (None, None, None, None);
    }

    pub(super) fn note(&mut self, ending: Ending, result: Result<T, kafka::Error>, took: Duration) {
        self.cycles[ending as usize] += 1;
        self.last_duration = Some(took);
        match result {
            Ok(snapshot) => {
                self.snapshot = Some((Arc::new(snapshot), Instant::now()));
                self.succeeded = Some(SystemTime::now());
                self.failure = None;
            }
            Err(error) => {
                *self.faults.entry(error.fault()).or_default() += 1;
                let since = self.failure.as_ref().map_or_else(SystemTime::now, |failure| failure.since);
                self.failure = Some(Failure {
                    fault: error.fault(),
                    stage: error.stage(),
                    message: Chain(&error).to_string(),
                    since,
                });
            }
        }
    }
}
