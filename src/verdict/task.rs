//! The task that judges a cluster twice a second.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    affected::Affected,
    brokers::Brokers,
    changes::Changes,
    evidence::Evidence,
    observer::{Observer, Snapshots},
    replicas,
    state::Verdict,
    window::Window,
};
use crate::{
    cluster::{metadata, sections::Sections},
    config,
    diagnosis::Diagnostician,
    probe::{
        self, connect, connectivity, coordinators, durability, extra_sessions, heartbeat, negative_checks,
        schema_registry, topic, transaction_probe,
    },
    task::Latest,
};

/// The cluster is judged this often.
const EVERY: Duration = Duration::from_millis(500);

/// What the verdict goes by.
pub struct Inputs {
    /// The name of the cluster, for the log.
    pub cluster: String,
    /// The settings of the cluster's heartbeats.
    pub settings: config::Heartbeat,
    /// The number of brokers that the operator expects; absent where the service goes by what it has seen.
    pub expected_brokers: Option<usize>,
    /// What the ledger of heartbeats publishes.
    pub heartbeat: watch::Receiver<Arc<heartbeat::Snapshot>>,
    /// Sessions with each broker.
    pub connectivity: watch::Receiver<Latest<connectivity::Snapshot>>,
    /// The metadata of the cluster.
    pub metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// The coordinators of consumer groups.
    pub coordinators: watch::Receiver<Latest<coordinators::Snapshot>>,
    /// The coordinators of transactions.
    pub transaction_coordinators: watch::Receiver<Latest<coordinators::Snapshot>>,
    /// Transactions that the service runs. Aborted records that were visible are events, and change no state.
    pub transaction_probe: watch::Receiver<Latest<transaction_probe::Snapshot>>,
    /// Reads from every replica.
    pub replicas: watch::Receiver<Latest<probe::replicas::Snapshot>>,
    /// Acknowledged heartbeats that were read again. Lost records are events, and change no state.
    pub durability: watch::Receiver<Latest<durability::Snapshot>>,
    /// Extra sessions with the brokers that may be to blame.
    pub extra: watch::Receiver<Arc<extra_sessions::Snapshot>>,
    /// What the sections for all clusters know of their brokers.
    pub sections: Sections,
    /// The heartbeat topic.
    pub topic: watch::Receiver<Latest<topic::Snapshot>>,
    /// The Schema Registry beside the cluster.
    pub schema_registry: watch::Receiver<Latest<schema_registry::Snapshot>>,
    /// What the cluster should refuse.
    pub negative_checks: watch::Receiver<Latest<negative_checks::Snapshot>>,
    /// The Kafka Connect clusters beside the cluster.
    pub connect: watch::Receiver<Latest<connect::Snapshot>>,
    /// The mirrors whose target is the cluster.
    pub mirrors: watch::Receiver<Latest<probe::mirrors::Snapshot>>,
}

/// Judges twice a second until `stop`. This is no cycle of a task: it sends no request and cannot fail.
pub async fn run(inputs: Inputs, publisher: watch::Sender<Arc<Verdict>>, stop: CancellationToken) {
    let mut window = Window::new(&inputs.settings);
    let mut brokers = Brokers::new(inputs.expected_brokers);
    let mut observer =
        Observer::new(inputs.cluster.clone(), inputs.settings.topic.clone(), inputs.sections.clone());
    let mut diagnostician = Diagnostician::default();
    let (mut affected, mut changes) = (Affected::default(), Changes::default());
    loop {
        tokio::select! {
            () = stop.cancelled() => return inputs.sections.publish(&inputs.cluster, None),
            () = tokio::time::sleep(EVERY) => {}
        }
        let heartbeat = inputs.heartbeat.borrow().clone();
        window.add(&heartbeat);
        affected.add(heartbeat.at, &heartbeat.partitions);
        let metadata = inputs.metadata.borrow().clone();
        let connectivity = inputs.connectivity.borrow().clone();
        let topic = inputs.topic.borrow().clone();
        let snapshots = Snapshots {
            heartbeat: &heartbeat,
            metadata: &metadata,
            connectivity: &connectivity,
            extra: &inputs.extra.borrow().clone(),
            coordinators: &inputs.coordinators.borrow().clone(),
            transaction_coordinators: &inputs.transaction_coordinators.borrow().clone(),
            transaction_probe: &inputs.transaction_probe.borrow().clone(),
            replicas: &inputs.replicas.borrow().clone(),
            topic: &topic,
            schema_registry: &inputs.schema_registry.borrow().clone(),
            connect: &inputs.connect.borrow().clone(),
            mirrors: &inputs.mirrors.borrow().clone(),
        };
        let now = SystemTime::now();
        let diagnosis = diagnostician.diagnose(&observer.observe(&snapshots, now));
        note_found(&inputs, &mut changes);
        let events = changes.note(&inputs.cluster, &diagnosis, now);
        let diagnosis = Some(diagnosis);
        let missing = missing(&mut brokers, &metadata);
        let evidence = Evidence {
            enabled: inputs.settings.enabled,
            prober_healthy: heartbeat.prober_healthy,
            short_of_descriptors: heartbeat.short_of_descriptors,
            change: window.change(),
            affected: affected.reasons(heartbeat.at, window.length()),
            missing: missing.iter().cloned().chain(out_of_sync(&inputs.settings, &metadata)).collect(),
            metadata: &metadata,
            connectivity: &connectivity,
            topic: &topic,
        };
        let (state, reasons) = evidence.judge();
        // The time since which the state holds follows from the verdict before.
        publish(&publisher, Verdict { state, reasons, missing, since: now, diagnosis, events });
    }
}

/// Publishes a verdict, unless it is the one before.
fn publish(publisher: &watch::Sender<Arc<Verdict>>, mut verdict: Verdict) {
    publisher.send_if_modified(|before| {
        if before.state == verdict.state {
            verdict.since = before.since;
        }
        let is_same = before.reasons == verdict.reasons
            && before.missing == verdict.missing
            && before.diagnosis == verdict.diagnosis
            && Arc::ptr_eq(&before.events, &verdict.events);
        if before.state == verdict.state && is_same {
            return false;
        }
        *before = Arc::new(verdict);
        true
    });
}

/// Notes what the probes have found since the last call: lost records, visible aborted records, what was accepted although it
/// should be refused, and failed connectors and tasks.
fn note_found(inputs: &Inputs, changes: &mut Changes) {
    if let Some((durability, _)) = &inputs.durability.borrow().snapshot {
        changes.note_found("record_lost", &durability.lost, |record| {
            let subject = format!("partition {} offset {}", record.sample.partition, record.sample.offset);
            (record.found, subject, record.sentence())
        });
    }
    if let Some((probe, _)) = &inputs.transaction_probe.borrow().snapshot {
        changes.note_found("aborted_record_visible", &probe.exposed, |record| {
            let subject = format!("partition {} offset {}", record.partition, record.offset);
            (record.at, subject, record.sentence(&probe.topic))
        });
    }
    if let Some((checks, _)) = &inputs.negative_checks.borrow().snapshot {
        changes.note_found("forbidden_access", &checks.acceptances, |acceptance| {
            (acceptance.at, format!("broker {}", acceptance.broker), acceptance.sentence())
        });
    }
    if let Some((connect, _)) = &inputs.connect.borrow().snapshot {
        changes.note_found("connector_failed", &connect.failures, |failed| {
            (failed.at, failed.subject.clone(), failed.sentence.clone())
        });
    }
}

/// The brokers that the metadata lack, as a reason.
fn missing(brokers: &mut Brokers, metadata: &Latest<metadata::Snapshot>) -> Option<String> {
    let taken = metadata.snapshot.as_ref().map(|(_, taken)| taken.into_std())?;
    brokers.see(&metadata.fresh()?.brokers.keys().copied().collect(), taken)
}

/// The leaders and replicas that the metadata of the heartbeat topic lack, as reasons.
fn out_of_sync(settings: &config::Heartbeat, metadata: &Latest<metadata::Snapshot>) -> Vec<String> {
    let metadata = metadata.fresh().filter(|_| settings.enabled);
    metadata.map(|metadata| replicas::reasons(metadata, &settings.topic)).unwrap_or_default()
}
