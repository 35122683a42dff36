//! Metrics over OTLP.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    board::Board,
    boards::Boards,
    export::otlp::{Exporter, Source},
    kafka::{Error, Fault},
    metrics::render::{self, Exposed},
    process::Monitor,
    task::{Cycle, Schedule},
};

/// The time for the last export when the service stops. The last export has the outcomes of the last heartbeats.
pub(super) const FLUSH: Duration = Duration::from_secs(2);

/// The time from the start to the first export at most.
const FIRST: Duration = Duration::from_secs(5);

/// The task that exports metrics.
pub(super) struct MetricTask {
    exporter: Exporter,
    interval: Duration,
}

impl MetricTask {
    pub(super) fn new(exporter: Exporter, interval: Duration) -> Self {
        Self { exporter, interval }
    }

    /// The first export waits until there are measurements. The delay also keeps services that start together from
    /// exporting together.
    pub(super) fn schedule(interval: Duration) -> Schedule {
        Schedule { delay: interval.min(FIRST), ..Schedule::every("otlp", interval, interval) }
    }
}

/// The source of all series for an export.
pub(super) fn source(boards: Boards, monitor: Arc<Monitor>) -> Source {
    Arc::new(move |encoder| {
        let readings: Vec<_> = boards.list().iter().map(Board::read).collect();
        let process = monitor.read();
        render::everything(&Exposed::to_push(&readings, &process), encoder);
    })
}

impl Cycle for MetricTask {
    type Snapshot = ();

    async fn cycle(&mut self) -> Result<(), Error> {
        let until = Instant::now() + self.interval.mul_f32(0.9);
        let done = self.exporter.export(until).await;
        done.map(drop).map_err(|words| Error::new(Fault::Other, words))
    }

    async fn end(&mut self) {
        if let Err(words) = self.exporter.export(Instant::now() + FLUSH).await {
            tracing::warn!("the last export failed: {words}");
        }
    }
}
