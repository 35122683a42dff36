//! `[negative_checks]`: what the cluster should refuse.

use std::time::Duration;

use super::reader::Reader;

/// `[negative_checks]`
#[derive(Debug, Clone, PartialEq)]
pub struct NegativeChecks {
    /// Whether it is tried what should be refused.
    pub enabled: bool,
    /// The time from one cycle to the next, at least one second.
    pub interval: Duration,
    /// The longest time of one cycle, at most `interval`.
    pub timeout: Duration,
    /// Whether sessions without a login and without a client certificate are tried.
    pub anonymous: bool,
    /// Whether logins with a wrong password are tried.
    pub wrong_password: bool,
    /// The user whose password is wrong.
    pub user: String,
    /// Whether sessions without TLS are tried.
    pub plaintext: bool,
    /// The topics that the principal should neither read nor write, each once.
    pub topics: Vec<String>,
}

impl NegativeChecks {
    pub(super) fn read(mut checks: Reader<'_>) -> Self {
        let mut topics: Vec<String> = Vec::new();
        for topic in checks.text("forbidden.topics").split(',').map(str::trim) {
            if !is_topic(topic) {
                if !topic.is_empty() {
                    checks.expected("forbidden.topics", "names of topics, separated by commas");
                }
            } else if !topics.iter().any(|known| known == topic) {
                topics.push(topic.to_owned());
            }
        }
        Self {
            enabled: checks.switch("enabled"),
            interval: checks.duration("interval"),
            timeout: checks.timeout(),
            anonymous: checks.switch("anonymous"),
            wrong_password: checks.switch("wrong.login"),
            user: checks.text("wrong.login.user").to_owned(),
            plaintext: checks.switch("plaintext"),
            topics,
        }
    }
}

/// Whether a topic can have this name: up to 249 letters, digits, dots, underscores and hyphens.
fn is_topic(name: &str) -> bool {
    let may_hold = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    (1..=249).contains(&name.len()) && name.chars().all(may_hold) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{cluster, errors};

    #[test]
    fn checks_are_off_and_topics_are_named_once() {
        let checks = cluster(&[("negative_checks", "forbidden.topics", "a, b.c,a,")]).negative_checks;
        assert!(!checks.enabled && checks.anonymous && checks.wrong_password && checks.plaintext);
        assert_eq!(checks.topics, ["a", "b.c"]);
        assert_eq!(checks.user, "kafka-heartbeat-negative-check");
        assert!(cluster(&[]).negative_checks.topics.is_empty());
    }

    #[test]
    fn name_that_no_topic_has_and_an_interval_that_is_too_short_are_errors() {
        for name in ["a/b", "orders-*", ".."] {
            let wrong = errors(&[("negative_checks", "forbidden.topics", name)]);
            assert!(
                wrong.contains("[negative_checks] forbidden.topics: expected names of topics"),
                "{wrong}"
            );
        }
        let wrong = errors(&[("negative_checks", "interval", "10ms")]);
        assert!(wrong.contains("[negative_checks] interval must be at least 1s"), "{wrong}");
    }
}
