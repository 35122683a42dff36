//! `[heartbeat]`: how heartbeats are sent and judged.

use std::{env, fs, time::Duration};

use super::{
    reader::{Reader, duration},
    rule::BrokenRule,
};

/// The smallest record that holds a heartbeat, in bytes.
const SMALLEST_PAYLOAD: usize = 64;
/// The largest payload in bytes. Larger records would measure throughput, and many brokers refuse them.
const LARGEST_PAYLOAD: usize = 512 * 1024;
/// The longest name of a topic that Kafka allows, in bytes.
const LONGEST_TOPIC: usize = 249;

/// `[heartbeat]`
#[derive(Debug, Clone, PartialEq)]
pub struct Heartbeat {
    /// Whether heartbeats are sent.
    pub enabled: bool,
    /// The heartbeat topic.
    pub topic: String,
    /// The time from one heartbeat to the next on each partition.
    pub interval: Duration,
    /// A heartbeat that is not acknowledged and read back within this time is bad.
    pub deadline: Duration,
    /// A heartbeat that is not read back within this time is lost. The horizon is longer than the deadline.
    pub horizon: Duration,
    /// The size of a record's value in bytes, at least 64.
    pub payload_bytes: usize,
    /// Latency objectives. Each becomes an exact bucket bound.
    pub objectives: Vec<Duration>,
    /// The name of this instance on the heartbeat topic. Two instances must not share a name.
    pub instance: String,
    /// The number of heartbeats on each partition after which a one-shot command ends; `None` for the service, which
    /// does not end. No key sets it.
    pub limit: Option<u64>,
}

impl Heartbeat {
    pub(super) fn read(mut heartbeat: Reader<'_>) -> Self {
        Self {
            enabled: heartbeat.switch("enabled"),
            topic: heartbeat.text("topic").to_owned(),
            interval: heartbeat.duration("interval"),
            deadline: heartbeat.duration("deadline"),
            horizon: heartbeat.duration("horizon"),
            payload_bytes: heartbeat.parsed("payload.bytes", "a number of bytes"),
            objectives: objectives(&mut heartbeat),
            instance: match heartbeat.text("instance") {
                "auto" => host_name(),
                name => name.to_owned(),
            },
            limit: None,
        }
    }

    /// The rules across keys that the settings break, at most one of each kind.
    pub(super) fn broken_rules(&self) -> Vec<BrokenRule> {
        [self.times(), self.legal_topic(), self.payload()].into_iter().flatten().collect()
    }

    /// A heartbeat is judged before its horizon, and an entry of the ledger holds times of at most an hour.
    fn times(&self) -> Option<BrokenRule> {
        if self.horizon <= self.deadline {
            let [horizon, deadline] = [self.horizon, self.deadline].map(humantime::format_duration);
            let message = format!("horizon ({horizon}) must be longer than the deadline ({deadline})");
            return Some(BrokenRule::new(&["horizon", "deadline"], message));
        }
        if self.horizon > Duration::from_secs(3600) {
            return Some(BrokenRule::new(&["horizon"], "horizon must be at most 1h"));
        }
        if self.interval < Duration::from_millis(1) {
            return Some(BrokenRule::new(&["interval"], "interval must be at least 1ms"));
        }
        None
    }

    /// Kafka's rule for the names of topics.
    fn legal_topic(&self) -> Option<BrokenRule> {
        let name = &self.topic;
        let legal = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if legal && (1..=LONGEST_TOPIC).contains(&name.len()) && name != "." && name != ".." {
            return None;
        }
        let message = format!("topic: {name:?} is no legal topic name: letters, digits, . _ and -");
        Some(BrokenRule::new(&["topic"], message))
    }

    fn payload(&self) -> Option<BrokenRule> {
        if (SMALLEST_PAYLOAD..=LARGEST_PAYLOAD).contains(&self.payload_bytes) {
            return None;
        }
        let message = format!("payload.bytes must be from {SMALLEST_PAYLOAD} to {LARGEST_PAYLOAD}");
        Some(BrokenRule::new(&["payload.bytes"], message))
    }
}

fn objectives(heartbeat: &mut Reader<'_>) -> Vec<Duration> {
    let mut objectives = Vec::new();
    for text in heartbeat.text("objectives").split_whitespace() {
        match duration(text) {
            Some(objective) => objectives.push(objective),
            None => heartbeat.expected("objectives", "durations such as 100ms 1s, separated by blanks"),
        }
    }
    objectives
}

/// The name of this machine; the program's name if the machine has none.
pub(super) fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| env::var("HOSTNAME").ok()).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "kafka-heartbeat".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{cluster, errors};

    #[test]
    fn topic_name_that_kafka_refuses_is_an_error() {
        let long = "x".repeat(249);
        for legal in ["a", "A.b_c-9", &long] {
            assert_eq!(cluster(&[("heartbeat", "topic", legal)]).heartbeat.topic, legal);
        }
        for illegal in ["", ".", "..", "a b", "ä", &format!("{long}x")] {
            assert!(
                errors(&[("heartbeat", "topic", illegal)]).contains("is no legal topic name"),
                "{illegal}"
            );
        }
    }

    #[test]
    fn payload_outside_its_limits_is_an_error() {
        for (bytes, legal) in [("63", false), ("64", true), ("524288", true), ("524289", false)] {
            let wrong = errors(&[("heartbeat", "payload.bytes", bytes)]);
            assert_eq!(wrong.is_empty(), legal, "{bytes}: {wrong}");
            assert!(legal || wrong.contains("payload.bytes must be from 64 to 524288"), "{wrong}");
        }
    }

    #[test]
    fn horizon_above_an_hour_and_interval_below_a_millisecond_are_errors() {
        let wrong = errors(&[("heartbeat", "horizon", "61m")]);
        assert!(wrong.contains("horizon must be at most 1h"), "{wrong}");
        let wrong = errors(&[("heartbeat", "interval", "999us")]);
        assert!(wrong.contains("interval must be at least 1ms"), "{wrong}");
    }
}
