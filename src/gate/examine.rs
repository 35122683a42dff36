//! What is found of each condition at one moment: a pure function.

use std::time::Duration;

use super::{
    condition::{Condition, Finding},
    coordinators::{coordinators, transaction_coordinators},
    facts::Facts,
    history::Judged,
    metadata::{brokers, in_sync_replicas, metadata, quorum, reassignments},
};
use crate::{
    kafka::BrokerId,
    probe::heartbeat::Partition,
    text::{list, plain},
};

/// The ledger publishes at least once a second. A ledger that has published nothing for so long does not run.
const OLDEST_LEDGER: Duration = Duration::from_secs(5);

/// A stall that ended within this time was not seen by the last look, which was a second ago.
const JUST_NOW: Duration = Duration::from_secs(2);

/// More than one heartbeat of a partition must wait for longer than is usual: a single one may.
const WAITING: usize = 2;

/// Everything that closes the gate now, and everything that is not looked at.
pub(super) fn examine(facts: &Facts, before: Judged) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(measuring(facts));
    findings.extend(metadata(facts));
    findings.extend(brokers(facts));
    findings.extend(sessions(facts));
    findings.extend(in_sync_replicas(facts));
    findings.extend(reassignments(facts));
    findings.extend(quorum(facts));
    findings.extend(heartbeats(facts, before));
    findings.extend(coordinators(facts));
    findings.extend(transaction_coordinators(facts));
    findings.extend(suspects(facts));
    findings
}

/// That this process did not measure.
fn measuring(facts: &Facts) -> Option<Finding> {
    let heartbeat = &facts.heartbeat;
    let silent = facts.now.saturating_duration_since(heartbeat.at);
    let is_just_now = |at| facts.now.saturating_duration_since(at) < JUST_NOW;
    let sentence = if silent > OLDEST_LEDGER {
        format!(
            "The part of the service that judges heartbeats has published nothing for {} s.",
            silent.as_secs()
        )
    } else if heartbeat.prober_trouble.is_some_and(is_just_now) {
        let cause =
            if heartbeat.short_of_descriptors { "had no file descriptor left" } else { "did not run" };
        format!("The process of the service {cause} for a moment, so it could not measure.")
    } else {
        return None;
    };
    Some(Finding::closes(Condition::Measuring, sentence))
}

/// The brokers that accept no new session.
fn sessions(facts: &Facts) -> Option<Finding> {
    let condition = Condition::Sessions;
    if !facts.settings.connectivity.enabled {
        let sentence = "Sessions with brokers are not checked: enabled is false in [connectivity].";
        return Some(Finding::unchecked(condition, sentence));
    }
    let Some(checks) = facts.connectivity.fresh() else {
        return Some(Finding::closes(condition, "It is not known whether the brokers accept new sessions."));
    };
    let failure = checks.brokers.iter().find_map(|(broker, check)| Some((broker, check.failure.as_ref()?)));
    if let Some((broker, failure)) = failure {
        let failed = checks.brokers.values().filter(|check| check.failure.is_some()).count();
        let more = match failed {
            1 => String::new(),
            2 => " One more broker cannot be reached.".to_owned(),
            failed => format!(" {} more brokers cannot be reached.", failed - 1),
        };
        let sentence =
            format!("Broker {broker} cannot be reached: {}.{more}", failure.stage.failed(failure.fault));
        return Some(Finding::closes(condition, sentence));
    }
    let unchecked = |broker: &&BrokerId| !checks.brokers.contains_key(broker);
    let known = facts.metadata.fresh().into_iter().flat_map(|metadata| metadata.brokers.keys());
    let names = list("broker", &known.filter(unchecked).collect::<Vec<_>>())?;
    Some(Finding::closes(condition, format!("No session with {names} has been opened yet.")))
}

/// Heartbeats that were judged bad since the last look, that wait, or that are missing.
fn heartbeats(facts: &Facts, before: Judged) -> Option<Finding> {
    let (settings, heartbeat) = (&facts.settings.heartbeat, &facts.heartbeat);
    let bad = heartbeat.bad_events.saturating_sub(before.bad);
    let is_waiting =
        |partition: &Partition| partition.overdue.is_some_and(|overdue| overdue.heartbeats >= WAITING);
    let waiting = heartbeat.partitions.iter().filter(|(_, partition)| is_waiting(partition));
    let waiting = list("partition", &waiting.map(|(number, _)| *number).collect::<Vec<_>>());
    let silent = facts.now.saturating_duration_since(before.grown);
    let sentence = if !settings.enabled {
        "No heartbeats are sent: enabled is false in [heartbeat]. Without heartbeats the gate stays closed."
            .to_owned()
    } else if bad > 0 {
        let heartbeats = if bad == 1 { "heartbeat was" } else { "heartbeats were" };
        format!("{bad} {heartbeats} judged bad.")
    } else if let Some(partitions) = waiting {
        format!("Heartbeats of {partitions} wait for longer than is usual.")
    } else if heartbeat.events == 0 {
        "No heartbeat has been judged yet.".to_owned()
    } else if heartbeat.events == before.events && silent > settings.deadline + 3 * settings.interval {
        format!("No heartbeat has been judged for {} s.", silent.as_secs())
    } else {
        return None;
    };
    Some(Finding::closes(Condition::Heartbeats, sentence))
}

/// The components that the diagnosis suspects.
fn suspects(facts: &Facts) -> Option<Finding> {
    let Some(diagnosis) = &facts.verdict.diagnosis else {
        return Some(Finding::closes(Condition::Suspects, "The diagnosis has not begun yet."));
    };
    let headlines: Vec<_> =
        diagnosis.suspects.iter().map(|suspect| format!("{}.", plain(&suspect.headline))).collect();
    let (first, more) = headlines.split_first()?;
    let more = match more.len() {
        0 => String::new(),
        1 => " One more component is suspected.".to_owned(),
        more => format!(" {more} more components are suspected."),
    };
    Some(Finding::closes(Condition::Suspects, format!("{first}{more}")))
}
