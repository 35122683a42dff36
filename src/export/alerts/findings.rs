//! Findings: what is wrong with a cluster now, told when it starts, when it gets worse or better, and when it is over.
//!
//! A finding ends only when it is known that what was found is so no more: what cannot be asked ends nothing. The fields are
//! those of the monitor that had this first, with a state, an id and since when beside them.

use std::{collections::BTreeMap, time::SystemTime};

use humantime::format_rfc3339_millis;
use serde_json::{Map, Value, json};

use crate::{board::Readings, collect::topology::Health, config::Alerts, monitor, verdict::State};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// To be looked at some day.
    Warning,
    /// To be looked at now.
    Critical,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// What may be found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Heartbeats fail.
    Heartbeats,
    /// A broker takes no sessions.
    Broker(String),
    /// Partitions of a topic have no leader.
    Offline(String),
    /// Partitions of a topic refuse writes.
    UnderMinIsr(String),
    /// Partitions of a topic lack replicas, and not because they are being moved.
    UnderReplicated(String),
    /// The traffic of a topic is not as usual.
    Rate(String),
    /// The lag of a group on a partition is above a limit.
    Lag(String, String, i32),
}

impl Key {
    /// The type of the finding: the key of its record.
    pub fn kind(&self) -> &'static str {
        match self {
            Key::Heartbeats => "cluster_unwell",
            Key::Broker(_) => "broker_unreachable",
            Key::Offline(_) => "offline_partitions",
            Key::UnderMinIsr(_) => "under_min_isr_partitions",
            Key::UnderReplicated(_) => "under_replicated_partitions",
            Key::Rate(_) => "message_rate_anomaly",
            Key::Lag(..) => "consumer_lag",
        }
    }

    fn subject(&self) -> String {
        match self {
            Key::Heartbeats => String::new(),
            Key::Broker(name)
            | Key::Offline(name)
            | Key::UnderMinIsr(name)
            | Key::UnderReplicated(name)
            | Key::Rate(name) => name.clone(),
            Key::Lag(group, topic, partition) => format!("{group}/{topic}/{partition}"),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    severity: Severity,
    message: String,
    metadata: Map<String, Value>,
}

/// What there is to tell: a record's key and value, and what is told with it.
#[derive(Debug)]
pub struct Message {
    /// The finding's type.
    pub key: &'static str,
    /// JSON.
    pub value: String,
    of: Key,
    told: Option<Told>,
}

/// What others were told.
#[derive(Debug, Clone)]
struct Told {
    severity: Severity,
    since: SystemTime,
    last: Finding,
}

/// What of a cluster others were told.
#[derive(Debug, Default)]
pub struct Findings {
    open: BTreeMap<Key, Told>,
}

impl Findings {
    /// What is to be told now. It is told again the next time, until [`Findings::told`].
    pub fn news(&self, readings: &Readings, settings: &Alerts, now: SystemTime) -> Vec<Message> {
        let found = find(readings, settings);
        let name = &*readings.name;
        let mut news = Vec::new();
        for (key, finding) in &found {
            let before = self.open.get(key);
            if before.is_some_and(|before| before.severity == finding.severity) {
                continue;
            }
            let since = before.map_or(now, |before| before.since);
            let told = Told { severity: finding.severity, since, last: finding.clone() };
            news.push(message(name, key, Some(told), finding, "firing", since, now));
        }
        for (key, told) in self.open.iter().filter(|(key, _)| !found.contains_key(key)) {
            if is_known(readings, key) {
                news.push(message(name, key, None, &told.last, "resolved", told.since, now));
            }
        }
        news
    }

    /// A message has got through.
    pub fn told(&mut self, message: Message) {
        match message.told {
            Some(told) => _ = self.open.insert(message.of, told),
            None => _ = self.open.remove(&message.of),
        }
    }
}

fn message(
    cluster: &str,
    key: &Key,
    told: Option<Told>,
    finding: &Finding,
    state: &str,
    since: SystemTime,
    now: SystemTime,
) -> Message {
    let value = json!({
        "type": key.kind(),
        "message": finding.message,
        "severity": finding.severity.as_str(),
        "timestamp": format_rfc3339_millis(now).to_string(),
        "metadata": finding.metadata,
        "state": state,
        "since": format_rfc3339_millis(since).to_string(),
        "cluster": cluster,
        "id": format!("{cluster}/{}/{}", key.kind(), key.subject()),
    });
    Message { key: key.kind(), value: value.to_string(), of: key.clone(), told }
}

/// What is wrong now, as far as it is known.
fn find(readings: &Readings, settings: &Alerts) -> BTreeMap<Key, Finding> {
    let mut found = BTreeMap::new();
    let verdict = &readings.verdict;
    let severity = match verdict.state {
        State::Down => Some(Severity::Critical),
        State::Degraded => Some(Severity::Warning),
        State::Ok | State::ProberFault | State::Unknown => None,
    };
    if let Some(severity) = severity {
        let message =
            format!("{} is {}: {}", readings.name, verdict.state.as_str(), verdict.reasons.join("; "));
        let metadata = fields([("reasons", verdict.reasons.clone().into())]);
        found.insert(Key::Heartbeats, Finding { severity, message, metadata });
    }
    for (broker, check) in readings.connectivity.fresh().iter().flat_map(|snapshot| &snapshot.brokers) {
        if check.total.is_none() {
            let message = format!("broker {broker} takes no sessions");
            let metadata =
                fields([("broker", broker.to_string().into()), ("host", check.host.as_str().into())]);
            found.insert(
                Key::Broker(broker.to_string()),
                Finding { severity: Severity::Warning, message, metadata },
            );
        }
    }
    let Some(snapshot) = readings.collect.fresh() else { return found };
    for (topic, health) in &snapshot.topology.health {
        partitions(topic, health, &mut found);
    }
    for (topic, rate) in &snapshot.judged.rates {
        let Some(kind) = rate.kind else { continue };
        let message = format!("the traffic of {topic} is not as usual: {}", kind.as_str());
        let metadata = fields([
            ("topic", (&**topic).into()),
            ("kind", kind.as_str().into()),
            ("rate", rate.actual.into()),
            ("expected", rate.expected.into()),
        ]);
        found
            .insert(Key::Rate(topic.to_string()), Finding { severity: Severity::Warning, message, metadata });
    }
    for (name, group) in &snapshot.groups {
        for (topic, lags) in &group.topics {
            for (partition, lag) in lags {
                let Some(records) = lag.records.and_then(|records| u64::try_from(records).ok()) else {
                    continue;
                };
                let (severity, threshold) = match records {
                    records if records > settings.critical => (Severity::Critical, settings.critical),
                    records if records > settings.warning => (Severity::Warning, settings.warning),
                    _ => continue,
                };
                let message = format!("group {name} has a lag of {records} records on {topic}-{partition}");
                let metadata = fields([
                    ("group", (&**name).into()),
                    ("topic", (&**topic).into()),
                    ("partition", (*partition).into()),
                    ("lag", records.into()),
                    ("threshold", threshold.into()),
                ]);
                let key = Key::Lag(name.to_string(), topic.to_string(), *partition);
                found.insert(key, Finding { severity, message, metadata });
            }
        }
    }
    found
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

/// Whether enough is known to say that something is so no more.
fn is_known(readings: &Readings, key: &Key) -> bool {
    let collect = readings.collect.fresh();
    let health = |topic: &str, is_told: &dyn Fn(&Health) -> bool| match collect {
        None => false,
        Some(snapshot) => match snapshot.topology.health.get(topic) {
            Some(health) => is_told(health),
            None => is_gone(readings, topic),
        },
    };
    match key {
        Key::Heartbeats => readings.verdict.state == State::Ok,
        // One that dies leaves the metadata, and nobody asks it any more. It was taken away in good order when nothing
        // lacks it.
        Key::Broker(id) => readings.connectivity.fresh().is_some_and(|snapshot| {
            let is_asked = snapshot.brokers.keys().any(|broker| broker.to_string() == *id);
            let is_missed = |health: &Health| health.offline + health.under_replicated > 0;
            is_asked || collect.is_some_and(|snapshot| !snapshot.topology.health.values().any(is_missed))
        }),
        Key::Offline(topic) => health(topic, &|_| true),
        Key::UnderMinIsr(topic) => health(topic, &|health| health.under_min_isr.is_some()),
        Key::UnderReplicated(topic) => health(topic, &|health| health.reassigning.is_some()),
        Key::Rate(topic) => collect
            .is_some_and(|snapshot| snapshot.judged.rates.contains_key(&**topic) || is_gone(readings, topic)),
        Key::Lag(group, topic, partition) => {
            collect.is_some_and(|snapshot| lag_is_known(snapshot, group, topic, *partition))
        }
    }
}

/// A topic that the metadata do not have any more; one that they have with an error is there.
fn is_gone(readings: &Readings, topic: &str) -> bool {
    readings.metadata.fresh().is_some_and(|metadata| !metadata.topics.contains_key(topic))
}

fn lag_is_known(snapshot: &monitor::Snapshot, group: &str, topic: &str, partition: i32) -> bool {
    let Some(seen) = snapshot.groups.get(group) else {
        // Not listed: gone, if that was seen twice, or left out.
        return snapshot.judged.groups.get(group).is_none_or(|judged| judged.absent);
    };
    let lag = seen.topics.get(topic).and_then(|lags| lags.get(&partition));
    seen.fault.is_none()
        && !seen.unread.contains_key(topic)
        && lag.is_none_or(|lag| lag.records.is_some() || lag.reset)
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
