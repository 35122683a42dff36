//! Whether enough is known to end a finding.

use super::finding::Key;
use crate::{board::Readings, collect::topology::Health, monitor, verdict::State};

/// Whether enough is known to say that the problem is over, if it is not found any more.
pub(super) fn is_known(readings: &Readings, key: &Key) -> bool {
    let collect = readings.collect.fresh();
    let health = |topic: &str, is_known_of: &dyn Fn(&Health) -> bool| match collect {
        None => false,
        Some(snapshot) => match snapshot.topology.health.get(topic) {
            Some(health) => is_known_of(health),
            None => is_deleted(readings, topic),
        },
    };
    match key {
        Key::Heartbeats => readings.verdict.state == State::Ok,
        // While this process cannot measure or log in, nothing else is known to have ended.
        Key::Suspect { kind, .. } => readings.verdict.diagnosis.as_ref().is_some_and(|diagnosis| {
            kind.hides_others() || !diagnosis.suspects.iter().any(|suspect| suspect.kind.hides_others())
        }),
        // A broker that dies leaves the metadata, and no session with it is tried any more. It was removed in good order
        // if no partition lacks a replica.
        Key::Broker(id) => readings.connectivity.fresh().is_some_and(|snapshot| {
            let is_checked = snapshot.brokers.keys().any(|broker| broker.to_string() == *id);
            let lacks_replicas = |health: &Health| health.offline + health.under_replicated > 0;
            is_checked
                || collect.is_some_and(|snapshot| !snapshot.topology.health.values().any(lacks_replicas))
        }),
        Key::Offline(topic) => health(topic, &|_| true),
        Key::UnderMinIsr(topic) => health(topic, &|health| health.under_min_isr.is_some()),
        Key::UnderReplicated(topic) => health(topic, &|health| health.reassigning.is_some()),
        Key::Rate(topic) => collect.is_some_and(|snapshot| {
            snapshot.judged.rates.contains_key(&**topic) || is_deleted(readings, topic)
        }),
        Key::Lag { group, topic, partition } => {
            collect.is_some_and(|snapshot| lag_is_known(snapshot, group, topic, *partition))
        }
    }
}

/// Whether the metadata do not contain the topic any more. A topic that they contain with an error exists.
fn is_deleted(readings: &Readings, topic: &str) -> bool {
    readings.metadata.fresh().is_some_and(|metadata| !metadata.topics.contains_key(topic))
}

fn lag_is_known(snapshot: &monitor::Snapshot, group: &str, topic: &str, partition: i32) -> bool {
    let Some(seen) = snapshot.groups.get(group) else {
        // The group is not listed: it was deleted, if it was absent from two listings, or is excluded.
        return snapshot.judged.groups.get(group).is_none_or(|judged| judged.absent);
    };
    let lag = seen.topics.get(topic).and_then(|lags| lags.get(&partition));
    seen.fault.is_none()
        && !seen.unread.contains_key(topic)
        && lag.is_none_or(|lag| lag.records.is_some() || lag.reset)
}
