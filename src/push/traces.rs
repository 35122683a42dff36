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
    metrics::render,
    probe::heartbeat::trace::{Inlet, Told},
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
    pub(super) fn read(&self) -> render::Traces {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        render::Traces {
            exported: read(&self.exported),
            failed: read(&self.failed),
            dropped: read(&self.dropped),
        }
    }
}

pub(super) struct Telling {
    exporter: Exporter,
    inlet: Inlet,
    waiting: VecDeque<Told>,
    failures: u32,
    counts: Arc<Counts>,
    left_out: u64,
}

impl Telling {
    pub(super) fn new(
        traces: &Traces,
        instance: &str,
        inlet: Inlet,
        counts: Arc<Counts>,
    ) -> Result<Self, String> {
        let exporter = Exporter::new(&traces.target, instance)?;
        Ok(Self { exporter, inlet, waiting: VecDeque::new(), failures: 0, counts, left_out: 0 })
    }

    pub(super) fn schedule() -> Schedule {
        Schedule { delay: EVERY, ..Schedule::every("traces", EVERY, LONGEST) }
    }

    /// Takes what has come, in place of what has waited longest.
    fn take(&mut self) {
        let dropped = |count: u64| self.counts.dropped.fetch_add(count, Ordering::Relaxed);
        while let Ok(told) = self.inlet.told.try_recv() {
            if self.waiting.len() == WAITING {
                self.waiting.pop_front();
                dropped(1);
            }
            self.waiting.push_back(told);
        }
        let left_out = self.inlet.left_out();
        dropped(left_out - self.left_out);
        self.left_out = left_out;
    }

    async fn export(&mut self) -> Result<(), String> {
        self.take();
        while !self.waiting.is_empty() {
            let batch: Vec<Told> = self.waiting.iter().take(BATCH).cloned().collect();
            let count = batch.len() as u64;
            if self.failures == ATTEMPTS {
                self.counts.failed.fetch_add(count, Ordering::Relaxed);
                self.waiting.drain(..batch.len());
                self.failures = 0;
                continue;
            }
            // Before: who hangs until the cycle is dropped has failed too.
            self.failures += 1;
            self.exporter.export(&batch).await?;
            self.counts.exported.fetch_add(count, Ordering::Relaxed);
            self.failures = 0;
            self.waiting.drain(..batch.len());
        }
        Ok(())
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
