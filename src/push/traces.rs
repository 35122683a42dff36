//! Heartbeats pushed as traces: a batch every few seconds, from a queue of bounded length.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    config::Traces,
    export::traces::Exporter,
    kafka::{Error, Fault},
    probe::heartbeat::trace_queue::{TraceReceiver, TracedHeartbeat},
    process,
    task::{Cycle, Schedule},
};

/// As the specification has it for batches: how long spans wait, …
const EVERY: Duration = Duration::from_secs(5);
/// … and how long an export may take.
const LONGEST: Duration = Duration::from_secs(30);

/// Of a request; three spans each.
const BATCH: usize = 170;

/// So many wait while the collector is away. More would only be older.
const WAITING: usize = 4096;

/// A batch that fails so often in a row is left out: it may be what the collector stumbles over.
const ATTEMPTS: u32 = 3;

/// What became of heartbeats that were to be told.
#[derive(Debug, Default)]
pub(super) struct Counts {
    exported: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    pub(super) fn read(&self) -> process::Traces {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        process::Traces {
            exported: read(&self.exported),
            failed: read(&self.failed),
            dropped: read(&self.dropped),
        }
    }
}

pub(super) struct Telling {
    exporter: Exporter,
    inlet: TraceReceiver,
    waiting: VecDeque<TracedHeartbeat>,
    failures: u32,
    /// Why the last attempt failed; `None` after one that did not.
    failing: Option<String>,
    counts: Arc<Counts>,
    left_out: u64,
}

impl Telling {
    pub(super) fn new(
        traces: &Traces,
        instance: &str,
        inlet: TraceReceiver,
        counts: Arc<Counts>,
    ) -> Result<Self, String> {
        let exporter = Exporter::new(&traces.target, instance)?;
        let waiting = VecDeque::new();
        Ok(Self { exporter, inlet, waiting, failures: 0, failing: None, counts, left_out: 0 })
    }

    pub(super) fn schedule() -> Schedule {
        Schedule { delay: EVERY, ..Schedule::every("traces", EVERY, LONGEST) }
    }

    /// Takes what has come, in place of what has waited longest.
    fn take(&mut self) {
        let dropped = |count: u64| self.counts.dropped.fetch_add(count, Ordering::Relaxed);
        while let Ok(told) = self.inlet.heartbeats.try_recv() {
            if self.waiting.len() == WAITING {
                self.waiting.pop_front();
                dropped(1);
            }
            self.waiting.push_back(told);
        }
        let left_out = self.inlet.dropped();
        dropped(left_out - self.left_out);
        self.left_out = left_out;
    }

    /// Sends all that waits. It works if the last attempt did and no heartbeat was given up: a batch that is left out
    /// is a failure, and a cycle in which nothing waits does not say that the collector is back.
    async fn export(&mut self) -> Result<(), String> {
        self.take();
        let mut given_up = 0;
        while !self.waiting.is_empty() {
            let batch: Vec<TracedHeartbeat> = self.waiting.iter().take(BATCH).cloned().collect();
            let count = batch.len() as u64;
            if self.failures == ATTEMPTS {
                self.counts.failed.fetch_add(count, Ordering::Relaxed);
                self.waiting.drain(..batch.len());
                self.failures = 0;
                given_up += count;
                continue;
            }
            // Counted before the attempt: an export that hangs until the cycle is dropped has failed as well.
            self.failures += 1;
            self.failing.get_or_insert_with(|| "the collector did not answer in time".to_owned());
            if let Err(words) = self.exporter.export(&batch).await {
                self.failing = Some(words.clone());
                return Err(words);
            }
            self.counts.exported.fetch_add(count, Ordering::Relaxed);
            (self.failures, self.failing) = (0, None);
            self.waiting.drain(..batch.len());
        }
        match (&self.failing, given_up) {
            (Some(words), _) => Err(words.clone()),
            (None, 0) => Ok(()),
            (None, given_up) => {
                Err(format!("{given_up} heartbeats were refused {ATTEMPTS} times and left out"))
            }
        }
    }
}

impl Cycle for Telling {
    type Snapshot = ();

    async fn cycle(&mut self) -> Result<(), Error> {
        self.export().await.map_err(|words| Error::new(Fault::Other, words))
    }

    async fn end(&mut self) {
        if let Err(words) = self.export().await {
            tracing::warn!("the last traces were not taken: {words}");
        }
    }
}
