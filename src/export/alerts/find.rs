//! The problems that exist now, as far as they are known.

use std::collections::BTreeMap;

use super::finding::{Finding, Key, Severity, fields};
use crate::{
    board::Readings,
    collect::topology::Health,
    config::Alerts,
    diagnosis::{Confidence, Suspect},
    monitor,
    text::plain,
    verdict::State,
};

/// Everything that is wrong now, as far as it is known.
pub(super) fn find(readings: &Readings, settings: &Alerts) -> BTreeMap<Key, Finding> {
    let mut found = BTreeMap::new();
    verdict(readings, &mut found);
    suspects(readings, &mut found);
    brokers(readings, &mut found);
    if let Some(snapshot) = readings.collect.fresh() {
        for (topic, health) in &snapshot.topology.health {
            partitions(topic, health, &mut found);
        }
        rates(snapshot, &mut found);
        lags(snapshot, settings, &mut found);
    }
    found
}

fn verdict(readings: &Readings, found: &mut BTreeMap<Key, Finding>) {
    let verdict = &readings.verdict;
    let severity = match verdict.state {
        State::Down => Severity::Critical,
        State::Degraded => Severity::Warning,
        State::Ok | State::ProberFault | State::Unknown => return,
    };
    let message = format!("{} is {}: {}", readings.name, verdict.state.as_str(), verdict.reasons.join("; "));
    let metadata = fields([("reasons", verdict.reasons.clone().into())]);
    found.insert(Key::Heartbeats, Finding { severity, message, metadata });
}

/// The components that are likely or certain to blame. While no heartbeat gets through, they are critical.
fn suspects(readings: &Readings, found: &mut BTreeMap<Key, Finding>) {
    let Some(diagnosis) = &readings.verdict.diagnosis else { return };
    let severity = if readings.verdict.state == State::Down { Severity::Critical } else { Severity::Warning };
    let is_likely = |suspect: &&Suspect| suspect.confidence >= Confidence::Likely;
    for suspect in diagnosis.suspects.iter().filter(is_likely) {
        let evidence: Vec<String> = suspect.evidence.iter().map(|sentence| plain(sentence)).collect();
        let metadata = fields([
            ("kind", suspect.kind.as_str().into()),
            ("subject", suspect.subject.as_str().into()),
            ("confidence", suspect.confidence.as_str().into()),
            ("evidence", evidence.into()),
        ]);
        let key = Key::Suspect { kind: suspect.kind, subject: suspect.subject.clone() };
        found.insert(key, Finding { severity, message: plain(&suspect.headline), metadata });
    }
}

fn brokers(readings: &Readings, found: &mut BTreeMap<Key, Finding>) {
    let Some(snapshot) = readings.connectivity.fresh() else { return };
    for (broker, check) in snapshot.brokers.iter().filter(|(_, check)| check.total.is_none()) {
        let message = format!("broker {broker} takes no sessions");
        let metadata = fields([("broker", broker.to_string().into()), ("host", check.host.as_str().into())]);
        let finding = Finding { severity: Severity::Warning, message, metadata };
        found.insert(Key::Broker(broker.to_string()), finding);
    }
}

fn partitions(topic: &str, health: &Health, found: &mut BTreeMap<Key, Finding>) {
    let mut add = |key: Key, severity, count: usize, words: &str| {
        if count > 0 {
            let message = format!("{count} partitions of {topic} {words}");
            let metadata = fields([("topic", topic.into()), ("partitions", count.into())]);
            found.insert(key, Finding { severity, message, metadata });
        }
    };
    let name = || topic.to_owned();
    add(Key::Offline(name()), Severity::Critical, health.offline, "have no leader");
    let refuse = health.under_min_isr.unwrap_or(0);
    add(Key::UnderMinIsr(name()), Severity::Critical, refuse, "refuse writes: too few replicas are in sync");
    let lack = health.reassigning.map_or(0, |moving| health.under_replicated.saturating_sub(moving));
    add(Key::UnderReplicated(name()), Severity::Warning, lack, "lack replicas in sync");
}

fn rates(snapshot: &monitor::Snapshot, found: &mut BTreeMap<Key, Finding>) {
    for (topic, rate) in &snapshot.judged.rates {
        let Some(kind) = rate.kind else { continue };
        let message = format!("the traffic of {topic} is not as usual: {}", kind.as_str());
        let metadata = fields([
            ("topic", (&**topic).into()),
            ("kind", kind.as_str().into()),
            ("rate", rate.actual.into()),
            ("expected", rate.expected.into()),
        ]);
        let finding = Finding { severity: Severity::Warning, message, metadata };
        found.insert(Key::Rate(topic.to_string()), finding);
    }
}

fn lags(snapshot: &monitor::Snapshot, settings: &Alerts, found: &mut BTreeMap<Key, Finding>) {
    for (name, group) in &snapshot.groups {
        for (topic, lags) in &group.topics {
            for (partition, lag) in lags {
                let records = lag.records.and_then(|records| u64::try_from(records).ok());
                let Some(records) = records else { continue };
                let Some((severity, threshold)) = exceeded(records, settings) else { continue };
                let message = format!("group {name} has a lag of {records} records on {topic}-{partition}");
                let metadata = fields([
                    ("group", (&**name).into()),
                    ("topic", (&**topic).into()),
                    ("partition", (*partition).into()),
                    ("lag", records.into()),
                    ("threshold", threshold.into()),
                ]);
                let (group, topic) = (name.to_string(), topic.to_string());
                let key = Key::Lag { group, topic, partition: *partition };
                found.insert(key, Finding { severity, message, metadata });
            }
        }
    }
}

/// The higher one of the limits that a lag exceeds.
fn exceeded(records: u64, settings: &Alerts) -> Option<(Severity, u64)> {
    if records > settings.lag_critical {
        return Some((Severity::Critical, settings.lag_critical));
    }
    (records > settings.lag_warning).then_some((Severity::Warning, settings.lag_warning))
}
