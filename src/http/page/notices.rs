//! What is wrong with this service itself, and what to do about it.

use std::time::{Duration, SystemTime};

use super::words::before;
use crate::{board::Readings, probe::heartbeat::Anomaly};

/// The notice of a second instance with our name ends so long after the last heartbeat of that instance was read, or
/// after three of our intervals where heartbeats are rarer: so often the other instance should have sent one.
const SAME_NAME_FOR: Duration = Duration::from_secs(600);

/// One sentence or two for each thing that the operator of this service should change.
pub(super) fn of(readings: &Readings, now: SystemTime) -> Vec<String> {
    same_name(readings, now).into_iter().collect()
}

/// Another instance sends heartbeats under our name, or did so a short while ago.
fn same_name(readings: &Readings, now: SystemTime) -> Option<String> {
    let counts = readings.heartbeat.partitions.values();
    let records: u64 = counts.map(|partition| partition.anomalies[Anomaly::SameName as usize]).sum();
    let settings = &readings.settings.heartbeat;
    let last = readings.heartbeat.same_name?;
    let shown_for = SAME_NAME_FOR.max(3 * settings.interval);
    if now.duration_since(last).is_ok_and(|since| since > shown_for) {
        return None;
    }
    let (name, last, limit) = (&settings.instance, before(last, now), humantime::format_duration(shown_for));
    Some(format!(
        "Another instance sends heartbeats under the name {name}: {records} of its records were read, the last one \
         {last}. Give each instance a name of its own with the key instance in section [heartbeat]. This notice ends \
         {limit} after the last of these records."
    ))
}
