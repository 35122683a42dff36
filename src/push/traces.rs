//! Heartbeats exported as traces: a batch every few seconds, from a queue of bounded length.

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

/// The time from one export to the next, as the specification of OpenTelemetry has it for batches.
const EVERY: Duration = Duration::from_secs(5);
/// The time that an export may take, as the same specification has it.
const LONGEST: Duration = Duration::from_secs(30);

/// The number of heartbeats in one request. Each has three spans.
const BATCH: usize = 170;

/// So many heartbeats wait while the collector is away. Beyond that the oldest are dropped.
const WAITING: usize = 4096;

/// A batch that fails so often in a row is left out, because the batch itself may be the reason.
const ATTEMPTS: u32 = 3;

/// Heartbeats that were to be exported as traces, since the start.
#[derive(Debug, Default)]
pub(super) struct TraceCounts {
    exported: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl TraceCounts {
    pub(super) fn read(&self) -> process::Traces {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        process::Traces {
            exported: read(&self.exported),
            failed: read(&self.failed),
            dropped: read(&self.dropped),
        }
    }
}

/// The task that exports traces.
pub(super) struct TraceTask {
    exporter: Exporter,
    receiver: TraceReceiver,
    /// The heartbeats that are not exported yet, the oldest first.
    waiting: VecDeque<TracedHeartbeat>,
    /// How often the first batch failed in a row.
    failures: u32,
    /// Why the last attempt failed; absent after an attempt that succeeded.
    failing: Option<String>,
    counts: Arc<TraceCounts>,
    /// The number of heartbeats that the queue had dropped at the last cycle.
    dropped: u64,
}

impl TraceTask {
    pub(super) fn new(
        traces: &Traces,
        instance: &str,
        receiver: TraceReceiver,
        counts: Arc<TraceCounts>,
    ) -> Result<Self, String> {
        let exporter = Exporter::new(&traces.target, instance)?;
        let waiting = VecDeque::new();
        Ok(Self { exporter, receiver, waiting, failures: 0, failing: None, counts, dropped: 0 })
    }

    pub(super) fn schedule() -> Schedule {
        Schedule { delay: EVERY, ..Schedule::every("traces", EVERY, LONGEST) }
    }

    /// Takes the heartbeats that ended since the last cycle. If too many wait, the oldest are dropped.
    fn take(&mut self) {
        let dropped = |count: u64| self.counts.dropped.fetch_add(count, Ordering::Relaxed);
        while let Ok(heartbeat) = self.receiver.heartbeats.try_recv() {
            if self.waiting.len() == WAITING {
                self.waiting.pop_front();
                dropped(1);
            }
            self.waiting.push_back(heartbeat);
        }
        let all = self.receiver.dropped();
        dropped(all - self.dropped);
        self.dropped = all;
    }

    /// Exports all heartbeats that wait. Succeeds if the last attempt succeeded and no batch was left out. A cycle in which
    /// no heartbeat waits has the result of the cycle before, because it does not show that the collector is back.
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
            self.failures = 0;
            self.failing = None;
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

impl Cycle for TraceTask {
    type Snapshot = ();

    async fn cycle(&mut self) -> Result<(), Error> {
        self.export().await.map_err(|words| Error::new(Fault::Other, words))
    }

    async fn end(&mut self) {
        if let Err(words) = self.export().await {
            tracing::warn!("the last traces were not exported: {words}");
        }
    }
}
