//! Problems of this service itself, and what to do about them.

use std::time::{Duration, SystemTime};

use super::words::{ago, before, sentence, two_units};
use crate::{
    board::Readings,
    kafka::{Credential, Fault, RenewalFailure},
    probe::heartbeat::Anomaly,
    text,
};

/// The notice of a second instance with the same name ends so long after the last heartbeat of that instance was read, or
/// three heartbeat intervals after it if those are longer: by then the other instance should have sent another heartbeat.
const SAME_NAME_FOR: Duration = Duration::from_secs(600);

/// One notice for each thing that the operator of this service should change.
pub(super) fn of(readings: &Readings, now: SystemTime) -> Vec<String> {
    let credentials = readings.credential.iter().chain(&readings.file_credentials);
    let unrenewed = credentials.filter_map(|credential| no_renewal(credential, now));
    same_name(readings, now).into_iter().chain(unrenewed).chain(wrong_clock(readings)).collect()
}

/// The notice that a credential for Kafka cannot be renewed, with the remedy.
fn no_renewal(credential: &Credential, now: SystemTime) -> Option<String> {
    let RenewalFailure { fault, message, since } = credential.failure.as_ref()?;
    let hint = fault.hint().map(|hint| format!(" {}", sentence(hint))).unwrap_or_default();
    let (kind, since) = (credential.kind.as_str(), ago(*since, now));
    Some(format!("The {kind} for Kafka has not been renewed for {since}: {}{hint}", sentence(message)))
}

/// The notice that the clocks of this machine and of the identity provider differ, with the remedy.
fn wrong_clock(readings: &Readings) -> Option<String> {
    let credential = readings.credential.as_ref().filter(|credential| credential.has_wrong_clock())?;
    let difference = credential.clock_difference?;
    let side = if difference > 0.0 { "ahead of" } else { "behind" };
    let time = two_units(Duration::from_secs_f64(difference.abs()));
    let hint = Fault::Clock.hint().map(sentence).unwrap_or_default();
    Some(format!("The clock of the identity provider is {time} {side} the clock of this machine. {hint}"))
}

/// The notice that another instance sends heartbeats under the same name, or did so a short while ago.
fn same_name(readings: &Readings, now: SystemTime) -> Option<String> {
    let counts = readings.heartbeat.partitions.values();
    let records: u64 = counts.map(|partition| partition.anomalies[Anomaly::SameName as usize]).sum();
    let settings = &readings.settings.heartbeat;
    let last = readings.heartbeat.same_name?;
    let shown_for = SAME_NAME_FOR.max(3 * settings.interval);
    if now.duration_since(last).is_ok_and(|since| since > shown_for) {
        return None;
    }
    let (name, last, limit) = (&settings.instance, before(last, now), text::duration(shown_for));
    Some(format!(
        "Another instance sends heartbeats under the name {name}: {records} of its records were read, the last one \
         {last}. Give each instance a name of its own with the key instance in section [heartbeat]. This notice ends \
         {limit} after the last of these records."
    ))
}
