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
    cluster::metadata,
    config,
    diagnosis::Diagnostician,
    probe::{connectivity, coordinators, extra_sessions, heartbeat, topic},
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
    /// Extra sessions with the brokers that may be to blame.
    pub extra: watch::Receiver<Arc<extra_sessions::Snapshot>>,
    /// The heartbeat topic.
    pub topic: watch::Receiver<Latest<topic::Snapshot>>,
}

/// Judges twice a second until `stop`. This is no cycle of a task: it sends no request and cannot fail.
pub async fn run(inputs: Inputs, publisher: watch::Sender<Arc<Verdict>>, stop: CancellationToken) {
    let mut window = Window::new(&inputs.settings);
    let mut affected = Affected::default();
    let mut brokers = Brokers::new(inputs.expected_brokers);
    let mut observer = Observer::new(inputs.settings.topic.clone());
    let mut diagnostician = Diagnostician::default();
    let mut changes = Changes::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
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
            topic: &topic,
        };
        let now = SystemTime::now();
        let diagnosis = diagnostician.diagnose(&observer.observe(&snapshots, now));
        let events = changes.note(&inputs.cluster, &diagnosis, now);
        let diagnosis = Some(diagnosis);
        let evidence = Evidence {
            enabled: inputs.settings.enabled,
            prober_healthy: heartbeat.prober_healthy,
            short_of_descriptors: heartbeat.short_of_descriptors,
            change: window.change(),
            affected: affected.reasons(heartbeat.at, window.length()),
            missing: missing(&mut brokers, &inputs.settings, &metadata),
            metadata: &metadata,
            connectivity: &connectivity,
            topic: &topic,
        };
        let (state, reasons) = evidence.judge();
        publisher.send_if_modified(|verdict| {
            if verdict.state == state && verdict.reasons == reasons && verdict.diagnosis == diagnosis {
                return false;
            }
            let since = if verdict.state == state { verdict.since } else { SystemTime::now() };
            *verdict = Arc::new(Verdict { state, reasons, since, diagnosis, events });
            true
        });
    }
}

/// The brokers, leaders and replicas that the metadata lack, as reasons.
fn missing(
    brokers: &mut Brokers,
    settings: &config::Heartbeat,
    metadata: &Latest<metadata::Snapshot>,
) -> Vec<String> {
    let taken = metadata.snapshot.as_ref().map(|(_, taken)| taken.into_std());
    let (Some(metadata), Some(taken)) = (metadata.fresh(), taken) else { return Vec::new() };
    let mut reasons = Vec::from_iter(brokers.see(&metadata.brokers.keys().copied().collect(), taken));
    if settings.enabled {
        reasons.extend(replicas::reasons(metadata, &settings.topic));
    }
    reasons
}
