//! The rule about what replicas return to consumers.

use std::collections::BTreeSet;

use super::{
    finding::{Finding, Weight},
    open::Open,
    suspect::Kind,
};
use crate::text;

/// A replica has damaged records, or shows records late. If the broker itself is blamed, late records are evidence against the
/// broker.
pub(super) fn reads(open: &mut Open<'_>) {
    // What delays every request delays these as well.
    let delays = [Kind::Quota, Kind::Cluster, Kind::ClientNetwork];
    let are_delayed = open.found.iter().any(|found| delays.contains(&found.kind));
    for (broker, replicas) in &open.scene.replicas {
        if let Some(partitions) = text::list("partition", &replicas.damaged) {
            let evidence = format!(
                "records of {partitions} of the heartbeat topic do not have their checksum on broker {broker}, or differ from \
                 those of the leader"
            );
            let headline = format!("Broker {broker} has damaged records as a replica");
            let finding = Finding::new(Kind::Replica, broker, Weight::Proof, headline).because([evidence]);
            open.explain_partitions(&BTreeSet::new(), finding);
        }
        if let Some(partitions) = text::list("partition", &replicas.late).filter(|_| !are_delayed) {
            let evidence = format!(
                "broker {broker} is an in-sync replica of {partitions} and does not show the newest records in time"
            );
            if open.add_evidence(*broker, &evidence) {
                continue;
            }
            let headline = format!("Broker {broker} does not keep up as a replica");
            let finding = Finding::new(Kind::Replica, broker, Weight::One, headline).because([evidence]);
            open.explain_partitions(&BTreeSet::new(), finding);
        }
    }
}
