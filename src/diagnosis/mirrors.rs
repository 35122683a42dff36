//! The rule about mirrors to the cluster.

use std::collections::BTreeSet;

use super::{
    finding::{Finding, Weight},
    open::Open,
    suspect::Kind,
};
use crate::text;

/// A mirror is to blame for heartbeats that do not arrive if nothing is suspected in the source and in the target. If something is, it
/// explains the mirror as well.
pub(super) fn mirrors(open: &mut Open<'_>) {
    if open.has_failure() || open.found.iter().any(|found| !found.kind.is_beside_kafka()) {
        return;
    }
    for (name, mirror) in &open.scene.mirrors {
        if !mirror.source_suspects.is_empty() {
            continue;
        }
        let headline =
            format!("Mirror {name} does not copy the heartbeats of cluster {} in time", mirror.source);
        let evidence = format!(
            "{} heartbeats that cluster {} acknowledged are not in the mirrored topic, and the oldest was produced {} ago",
            mirror.overdue,
            mirror.source,
            text::two_units(mirror.oldest)
        );
        let finding = Finding::new(Kind::Mirror, name, Weight::One, headline).because([evidence]);
        // It explains no symptom of Kafka.
        open.explain_partitions(&BTreeSet::new(), finding);
    }
}
