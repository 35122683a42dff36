//! The task: one cycle after the other.

use std::sync::Arc;

use tokio::sync::watch;

use super::{
    ask::Asked,
    connections::{Connections, request_timeout},
    context::{Context, Memory, OwnClock},
    date::Dated,
    evaluate::Evaluated,
    excluded::Excluded,
    history_file::{HistoryFile, Writer},
    record::Recorded,
    snapshot::Snapshot,
    verdict_events::{EventSource, VerdictEvents},
};
use crate::{
    cluster::metadata,
    config,
    kafka::{Error, wire},
    task::{Cycle, Latest},
};

/// The task.
pub struct Probe {
    pub(super) cluster: Arc<config::Cluster>,
    metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    connections: Connections,
    excluded: Option<Excluded>,
    pub(super) clock: OwnClock,
    pub(super) memory: Memory,
    pub(super) history: Writer,
    verdict: VerdictEvents,
}

impl Probe {
    /// A task that has asked nothing yet.
    pub fn new(
        cluster: Arc<config::Cluster>,
        addresses: Arc<wire::Cluster>,
        metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    ) -> Self {
        let mut memory = Memory::default();
        memory.topics.count_up_to(cluster.lag.isolation);
        Self {
            metadata,
            connections: Connections::new(addresses, &cluster),
            excluded: cluster.lag.exclude_file.as_deref().map(Excluded::of),
            clock: OwnClock::new(),
            memory,
            history: Writer::new(),
            verdict: VerdictEvents::default(),
            cluster,
        }
    }

    /// Continues from the history file, and writes to it from now on.
    #[must_use]
    pub fn with(mut self, history: HistoryFile) -> Self {
        self.history.open(history, &self.cluster.name, &mut self.memory, &mut self.clock);
        self
    }

    /// Keeps the events of the verdict with its own.
    #[must_use]
    pub fn with_events_of(mut self, verdict: EventSource) -> Self {
        self.verdict = VerdictEvents::new(verdict);
        self
    }

    /// Takes over the new events of the verdict.
    fn take_events(&mut self) {
        for event in self.verdict.news() {
            self.memory.events.add(event);
        }
    }

    /// Begins to write what has changed; does not wait for the disk.
    pub(super) async fn save(&mut self) {
        self.history.save(&mut self.memory, &self.cluster, self.clock).await;
    }

    /// Writes everything, and waits for the disk.
    pub(super) async fn save_all(&mut self) {
        self.history.save_all(&mut self.memory, &self.cluster, self.clock).await;
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        if let Some(excluded) = &mut self.excluded {
            excluded.apply(Arc::make_mut(&mut self.cluster)).await;
        }
        self.take_events();
        let metadata = match metadata::fresh(&mut self.metadata, request_timeout(&self.cluster)).await {
            Ok(metadata) => metadata,
            Err(error) => {
                // A suspect that keeps the cycles from succeeding is in the history as well.
                self.save().await;
                return Err(error);
            }
        };
        self.connections.begin_cycle();
        let mut context = Context {
            cluster: &self.cluster,
            connections: &self.connections,
            clock: self.clock,
            memory: &mut self.memory,
        };
        let asked = Asked::ask(&mut context, metadata).await;
        let recorded = Recorded::record(&mut context, asked).await;
        let dated = Dated::date(&mut context, recorded).await;
        let evaluated = Evaluated::evaluate(&mut context, dated);
        self.save().await;
        Ok(evaluated.snapshot(&self.history))
    }

    async fn end(&mut self) {
        self.take_events();
        self.save_all().await;
    }
}
