//! The producer with its transactional id, and the coordinator of that id.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    config,
    kafka::{
        BrokerId, Error,
        admin::{self, Coordinated},
        native::{StepFailure, TransactionalProducer},
        wire,
    },
    task::within,
    text::Chain,
};

/// The name of the cycle in errors.
pub(super) const CYCLE: &str = "transaction probe";

/// The producer with its transactional id, and what is known of the coordinator.
pub(super) struct Session {
    cluster: Arc<config::Cluster>,
    id: Arc<str>,
    /// The longest time of one request of the producer.
    limit: Duration,
    /// The producer that has taken the id. `None` before, and after a failure.
    producer: Option<TransactionalProducer>,
    /// The coordinator of the id by the last answer. `None` before.
    pub(super) coordinator: Option<BrokerId>,
    /// The number of open transactions that were found and ended.
    pub(super) ended_open: u64,
}

impl Session {
    pub(super) fn new(cluster: Arc<config::Cluster>, limit: Duration) -> Self {
        let id = cluster.transactional_id().into();
        Self { cluster, id, limit, producer: None, coordinator: None, ended_open: 0 }
    }

    pub(super) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The producer, if it has taken the id and its certificates are the newest.
    pub(super) fn producer(&mut self, wire: &wire::Cluster) -> Option<&TransactionalProducer> {
        let access = wire.access();
        self.producer.take_if(|producer| !producer.has_newest_certificates(&access));
        self.producer.as_ref()
    }

    /// Gives up the producer. The next one ends what this one left open.
    pub(super) fn close(&mut self) {
        self.producer = None;
    }

    /// Finds the coordinator of the id until `deadline`. If no broker names one, the last one stays.
    pub(super) async fn find_coordinator(&mut self, wire: &wire::Cluster, deadline: Instant) {
        let ids = [&*self.id];
        let asked = admin::coordinators(wire, Coordinated::Transactions, &ids);
        match within(deadline, CYCLE, asked).await.map(|mut found| found.remove(&*self.id)) {
            Ok(Some(Ok(coordinator))) => self.coordinator = Some(coordinator),
            Ok(Some(Err(error))) | Err(error) => tracing::debug!("{}", Chain(&error)),
            Ok(None) => {}
        }
    }

    /// Takes the id with a new producer until `deadline`. The coordinator ends a transaction that an earlier producer left open.
    /// Returns the duration of the request.
    ///
    /// # Errors
    /// [`Refused::Settings`] if librdkafka refuses the settings, and [`Refused::Step`] if the step failed.
    pub(super) async fn open(
        &mut self,
        wire: &wire::Cluster,
        deadline: Instant,
    ) -> Result<Duration, Refused> {
        let left_open = self.left_open(wire, deadline).await;
        let access = wire.access();
        let made = TransactionalProducer::new(&self.cluster, &access, &self.id, self.limit).await;
        let producer = made.map_err(Refused::Settings)?;
        let took = producer.init(left(deadline)).await.map_err(Refused::Step)?;
        if let Some(transaction) = left_open {
            self.ended_open += 1;
            let (cluster, id) = (&self.cluster.name, &*self.id);
            let since = transaction.since_ms.and_then(|ms| u64::try_from(ms).ok());
            let since = since.map(|ms| std::time::UNIX_EPOCH + Duration::from_millis(ms));
            let since = since.map(|since| humantime::format_rfc3339_seconds(since).to_string());
            tracing::info!(
                cluster,
                transactional_id = id,
                producer_id = transaction.producer,
                since,
                "ended a transaction of the transactional id that an earlier producer had left open: its coordinator \
                 described it as open before the id was taken again"
            );
        }
        self.producer = Some(producer);
        Ok(took)
    }

    /// The transaction that an earlier producer with the id left open. `None` if there is none, and if the coordinator does not say:
    /// before Kafka 3.0, and without a permission to describe the id.
    async fn left_open(&mut self, wire: &wire::Cluster, deadline: Instant) -> Option<admin::Transaction> {
        // The step of taking the id keeps at least half of the time.
        let end = Instant::now() + left(deadline) / 2;
        self.find_coordinator(wire, end).await;
        let described = within(end, CYCLE, admin::left_open(wire, self.coordinator?, &self.id)).await;
        described.inspect_err(|error| tracing::debug!("{}", Chain(error))).ok().flatten()
    }
}

/// Why the producer has not taken the id.
#[derive(Debug)]
pub(super) enum Refused {
    /// librdkafka refuses the settings, or the system has no thread left.
    Settings(Error),
    /// The step failed.
    Step(StepFailure),
}

/// The time until a deadline.
pub(super) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
