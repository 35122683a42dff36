//! Facts about the cluster and the heartbeat topic.

use std::time::SystemTime;

use super::words::{UNKNOWN, count, three_digits, two_units};
use crate::{
    board::{Readings, Task},
    collect::topology::{Health, Topology},
    kafka::{Capability, Credential, CredentialKind, Request},
    task::Latest,
};

/// What is known of the heartbeat topic, in words.
pub(super) struct HeartbeatTopic {
    pub(super) name: String,
    pub(super) state: &'static str,
    /// Whether heartbeats can be sent.
    pub(super) ready: bool,
    /// Changes that are due.
    pub(super) pending: Vec<String>,
    /// Why changes that are due are not made.
    pub(super) blocked: Vec<String>,
}

/// Facts about the cluster: a name and a value, or why there is no value.
pub(super) fn facts(readings: &Readings, wall: SystemTime) -> Vec<(&'static str, String)> {
    let metadata = &readings.metadata;
    let known = metadata.fresh();
    let cluster_id = match known.map(|metadata| metadata.cluster_id.clone()) {
        Some(None) => "none".to_owned(),
        id => value(id.flatten(), metadata),
    };
    let quorum = match known.map(|metadata| metadata.quorum) {
        Some(Some(quorum)) => format!("broker {}", quorum.leader),
        Some(None) => not_known_because(readings, Request::DescribeQuorum),
        None => not_known(metadata),
    };
    let (problems, below_min_isr) = match readings.collect.fresh() {
        Some(collect) => {
            let reason = not_known_because(readings, Request::DescribeConfigs);
            (problems(&collect.topology), below_min_isr(&collect.topology, &reason))
        }
        None if !Task::Collect.runs(&readings.settings) => {
            let reason = format!("{UNKNOWN}: [lag] and [freshness] are off");
            (reason.clone(), reason)
        }
        None => (not_known(&readings.collect), not_known(&readings.collect)),
    };
    let mut facts = vec![
        ("cluster id", cluster_id),
        ("brokers", value(known.map(|metadata| metadata.brokers.len()), metadata)),
        ("quorum leader", quorum),
        ("topics", value(known.map(|metadata| metadata.topics.len()), metadata)),
        ("partitions", value(known.map(|metadata| metadata.partitions()), metadata)),
        ("partitions with a problem", problems),
        ("below min.insync.replicas", below_min_isr),
        ("the metadata request took", value(known.map(|metadata| three_digits(metadata.duration)), metadata)),
    ];
    let credentials = readings.credential.iter().chain(&readings.file_credentials);
    facts.extend(credentials.map(|credential| credential_fact(credential, wall)));
    facts
}

/// What is known of a credential that is renewed: its kind, and when it expires or how often it was renewed.
fn credential_fact(credential: &Credential, wall: SystemTime) -> (&'static str, String) {
    let renewals = format!("{} since the start", count(credential.renewals, "renewal"));
    let name = match credential.kind {
        CredentialKind::Token => "login token",
        CredentialKind::Ticket => "Kerberos ticket",
        CredentialKind::Certificate => return ("certificates in files", renewals),
        CredentialKind::Password => return ("passwords in files", renewals),
    };
    let expires = match credential.expires.map(|expires| expires.duration_since(wall)) {
        Some(Ok(left)) => format!("expires in {}", two_units(left)),
        Some(Err(_)) => "expired".to_owned(),
        None if credential.renewals > 0 => "does not say when it expires".to_owned(),
        None => format!("{UNKNOWN} yet"),
    };
    (name, expires)
}

/// A value of a task's snapshot, or why there is none.
fn value<S>(value: Option<impl ToString>, latest: &Latest<S>) -> String {
    value.map_or_else(|| not_known(latest), |value| value.to_string())
}

/// Why a task has no fresh snapshot.
fn not_known<S>(latest: &Latest<S>) -> String {
    if latest.waits {
        return format!("{UNKNOWN} here: another instance collects");
    }
    match (&latest.failure, &latest.snapshot) {
        (Some(failure), _) => format!("{UNKNOWN}: {}", failure.fault),
        (None, None) => format!("{UNKNOWN} yet"),
        (None, Some(_)) => format!("{UNKNOWN}: the last answer is too old"),
    }
}

/// Why the answer to a request is not known.
fn not_known_because(readings: &Readings, request: Request) -> String {
    let state = readings.capabilities().into_iter().find(|(other, _)| *other == request);
    match state.map(|(_, state)| state) {
        Some(Capability::Denied) => format!("{UNKNOWN}: {} is denied", request.as_str()),
        Some(Capability::Unsupported) => {
            format!("{UNKNOWN}: the cluster does not support {}", request.as_str())
        }
        _ => UNKNOWN.to_owned(),
    }
}

/// The number of partitions that are offline, under-replicated or being moved.
fn problems(topology: &Topology) -> String {
    let sum = Health::sum(topology.health.values());
    let counts = [
        (Some(sum.offline), "offline"),
        (Some(sum.under_replicated), "under-replicated"),
        (sum.reassigning, "of the under-replicated being moved"),
    ];
    let positive = |(count, what): (Option<usize>, &str)| match count {
        Some(count) if count > 0 => Some(format!("{count} {what}")),
        _ => None,
    };
    let problems: Vec<String> = counts.into_iter().filter_map(positive).collect();
    if problems.is_empty() { "none".to_owned() } else { problems.join(", ") }
}

/// The number of partitions with fewer in-sync replicas than `min.insync.replicas`; of topics whose setting is not known,
/// their number and the reason.
fn below_min_isr(topology: &Topology, reason: &str) -> String {
    let known = topology.health.values().filter_map(|health| health.under_min_isr);
    let below: usize = known.clone().sum();
    let without = topology.health.len() - known.count();
    let below = if below == 0 { "none".to_owned() } else { count(below as u64, "partition") };
    match without {
        0 => below,
        without if without == topology.health.len() => reason.to_owned(),
        without => format!("{below}; of {} {reason}", count(without as u64, "topic")),
    }
}

/// What is known of the heartbeat topic.
pub(super) fn heartbeat_topic(readings: &Readings) -> HeartbeatTopic {
    let name = readings.settings.heartbeat.topic.clone();
    let Some(topic) = readings.topic.fresh() else {
        return HeartbeatTopic {
            name,
            state: UNKNOWN,
            ready: false,
            pending: Vec::new(),
            blocked: Vec::new(),
        };
    };
    let state = match (topic.ready, topic.pending.is_empty()) {
        (false, _) => "not ready",
        (true, true) => "ready",
        (true, false) => "ready, but changes are due",
    };
    HeartbeatTopic {
        name,
        state,
        ready: topic.ready,
        pending: topic.pending.iter().map(ToString::to_string).collect(),
        blocked: topic.blocked.iter().map(|reason| reason.as_str().replace('_', " ")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc, time::Duration};

    use super::*;

    fn topology(under_min_isr: &[Option<usize>]) -> Topology {
        let health = under_min_isr.iter().enumerate().map(|(topic, under_min_isr)| {
            let health = Health { partitions: 3, under_min_isr: *under_min_isr, ..Health::default() };
            (Arc::from(topic.to_string()), health)
        });
        Topology { health: health.collect(), ..Topology::default() }
    }

    #[test]
    fn topics_without_a_known_setting_are_no_partitions_with_a_problem() {
        let reason = "not known: the cluster does not support DescribeConfigs";
        let below = |under_min_isr: &[Option<usize>]| below_min_isr(&topology(under_min_isr), reason);
        assert_eq!(problems(&topology(&[None, None])), "none");
        assert_eq!(below(&[None, None]), reason);
        assert_eq!(below(&[Some(0), Some(0)]), "none");
        assert_eq!(below(&[Some(1), Some(0)]), "1 partition");
        assert_eq!(below(&[Some(2), None]), format!("2 partitions; of 1 topic {reason}"));
    }

    #[test]
    fn login_token_is_shown_with_the_time_until_its_expiry() {
        let now = SystemTime::now();
        let words = |renewals, expires| {
            let credential = Credential {
                kind: CredentialKind::Token,
                expires,
                renewals,
                failures: BTreeMap::new(),
                fetches: None,
                clock_difference: None,
                failure: None,
            };
            credential_fact(&credential, now)
        };
        let second = Duration::from_secs(1);
        assert_eq!(words(1, Some(now + 61 * second)), ("login token", "expires in 1 min 1 s".to_owned()));
        assert_eq!(words(1, Some(now - second)).1, "expired");
        assert_eq!(words(0, None).1, "not known yet");
        assert_eq!(words(1, None).1, "does not say when it expires");
    }

    #[test]
    fn partitions_with_a_problem_are_counted_by_problem() {
        let mut topology = topology(&[Some(0)]);
        for health in topology.health.values_mut() {
            health.offline = 1;
            health.under_replicated = 2;
            health.reassigning = Some(1);
        }
        let expected = "1 offline, 2 under-replicated, 1 of the under-replicated being moved";
        assert_eq!(problems(&topology), expected);
    }
}
