//! The rule about the Kafka Connect clusters beside the cluster.

use std::collections::BTreeSet;

use super::{
    finding::{Finding, Weight},
    open::Open,
    scene::ConnectCluster,
    suspect::Kind,
};
use crate::text;

/// A Connect cluster fails although Kafka works. If Kafka fails, a Connect cluster that fails is evidence against what is blamed for it:
/// the workers keep their configuration in Kafka, and choose their leader through it.
pub(super) fn connect(open: &mut Open<'_>) {
    let scene = open.scene;
    let Some(connect) = &scene.connect else { return };
    let is_failing = open.has_failure();
    for cluster in &connect.clusters {
        match open.failure_of_kafka() {
            Some(found) => found.evidence.push(format!(
                "Connect cluster {} fails too: {}",
                cluster.name,
                evidence(cluster)
            )),
            None if is_failing => {}
            None => blame(open, cluster),
        }
    }
}

/// Adds the findings about a Connect cluster. They explain no symptom of Kafka.
fn blame(open: &mut Open<'_>, cluster: &ConnectCluster) {
    let name = &cluster.name;
    let mut add = |finding| open.explain_partitions(&BTreeSet::new(), finding);
    let headline = match &cluster.failing {
        _ if cluster.down.len() == cluster.workers => format!("Connect cluster {name} does not answer"),
        Some(_) => format!("Connect cluster {name} does not work"),
        None => {
            for (worker, fault) in &cluster.down {
                let headline = format!("Worker {worker} of Connect cluster {name} does not answer");
                let finding = Finding::new(Kind::Connect, format!("{name} {worker}"), Weight::One, headline);
                let other = "other workers answer".to_owned();
                add(finding.because([down(worker, fault)]).although([other]));
            }
            return;
        }
    };
    add(Finding::new(Kind::Connect, name, Weight::One, headline).because([evidence(cluster)]));
}

/// What is wrong, as one sentence.
fn evidence(cluster: &ConnectCluster) -> String {
    let down = cluster.down.iter().take(text::NAMED).map(|(worker, fault)| down(worker, fault));
    down.chain(cluster.failing.clone()).collect::<Vec<_>>().join("; ")
}

fn down(worker: &str, fault: &str) -> String {
    format!("the last requests to worker {worker} failed: {fault}")
}
