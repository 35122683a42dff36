//! The findings that were published, and what to publish next.

use std::{collections::BTreeMap, time::SystemTime};

use humantime::format_rfc3339_millis;
use serde_json::json;

use super::{
    find::find,
    finding::{Finding, Key},
    known::is_known,
};
use crate::{board::Readings, config::Alerts};

/// The state of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FindingState {
    /// The problem exists.
    Firing,
    /// The problem is over.
    Resolved,
}

impl FindingState {
    fn as_str(self) -> &'static str {
        match self {
            FindingState::Firing => "firing",
            FindingState::Resolved => "resolved",
        }
    }
}

/// A record to publish: its key and its value.
#[derive(Debug)]
pub struct Message {
    /// The type of the finding.
    pub key: &'static str,
    /// The finding as JSON.
    pub value: String,
    subject: Key,
    /// The finding that is open once the message was published; absent if the problem is over.
    open: Option<Published>,
}

/// An open finding as it was last published.
#[derive(Debug, Clone)]
struct Published {
    since: SystemTime,
    last: Finding,
}

/// The open findings of a cluster, as they were last published.
#[derive(Debug, Default)]
pub struct Findings {
    open: BTreeMap<Key, Published>,
}

impl Findings {
    /// What to publish now. It is returned again the next time, until [`Findings::published`].
    pub fn news(&self, readings: &Readings, settings: &Alerts, now: SystemTime) -> Vec<Message> {
        let found = find(readings, settings);
        let message = Template { cluster: &readings.name, now };
        let mut news = Vec::new();
        for (key, finding) in &found {
            let before = self.open.get(key);
            if before.is_some_and(|before| !finding.differs(&before.last)) {
                continue;
            }
            let since = before.map_or(now, |before| before.since);
            news.push(message.firing(key, Published { since, last: finding.clone() }));
        }
        let missing = self.open.iter().filter(|(key, _)| !found.contains_key(key));
        for (key, published) in missing.filter(|(key, _)| is_known(readings, key)) {
            news.push(message.resolved(key, published));
        }
        news
    }

    /// Notes that a message was published.
    pub fn published(&mut self, message: Message) {
        match message.open {
            Some(open) => _ = self.open.insert(message.subject, open),
            None => _ = self.open.remove(&message.subject),
        }
    }
}

/// What the messages of one moment have in common.
struct Template<'a> {
    cluster: &'a str,
    now: SystemTime,
}

impl Template<'_> {
    fn firing(&self, key: &Key, open: Published) -> Message {
        let value = self.value(key, &open, FindingState::Firing);
        Message { key: key.kind(), value, subject: key.clone(), open: Some(open) }
    }

    fn resolved(&self, key: &Key, published: &Published) -> Message {
        let value = self.value(key, published, FindingState::Resolved);
        Message { key: key.kind(), value, subject: key.clone(), open: None }
    }

    fn value(&self, key: &Key, Published { since, last }: &Published, state: FindingState) -> String {
        let value = json!({
            "type": key.kind(),
            "message": last.message,
            "severity": last.severity.as_str(),
            "timestamp": format_rfc3339_millis(self.now).to_string(),
            "metadata": last.metadata,
            "state": state.as_str(),
            "since": format_rfc3339_millis(*since).to_string(),
            "cluster": self.cluster,
            "id": format!("{}/{}/{}", self.cluster, key.kind(), key.subject()),
        });
        value.to_string()
    }
}
