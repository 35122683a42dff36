//! What is wrong with this service itself, and what to do about it.

use crate::{board::Readings, probe::heartbeat::Anomaly};

/// One sentence or two for each thing that the operator of this service should change.
pub(super) fn of(readings: &Readings) -> Vec<String> {
    same_name(readings).into_iter().collect()
}

/// Another instance has our name.
fn same_name(readings: &Readings) -> Option<String> {
    let counts = readings.heartbeat.partitions.values();
    let records: u64 = counts.map(|partition| partition.anomalies[Anomaly::SameName as usize]).sum();
    let name = &readings.settings.heartbeat.instance;
    (records > 0).then(|| {
        format!(
            "Another instance sends heartbeats under the name {name}: {records} of its records were read. Give each \
             instance a name of its own with the key instance in section [heartbeat]."
        )
    })
}
