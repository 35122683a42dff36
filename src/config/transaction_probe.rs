//! `[transaction_probe]`: transactions of the service's own.

use std::time::Duration;

use super::{reader::Reader, rule::BrokenRule};

/// The longest time of a cycle. A request of librdkafka takes no longer, and brokers allow transactions of 15 minutes.
const LONGEST: Duration = Duration::from_secs(300);

/// `[transaction_probe]`
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionProbe {
    /// Whether transactions are run. They are run only if heartbeats are sent.
    pub enabled: bool,
    /// The time from one transaction to the next, at least one second.
    pub interval: Duration,
    /// The longest time of one cycle, at most `interval`. A transaction has to end within three quarters of it.
    pub timeout: Duration,
    /// Each transaction whose number is a multiple of this is aborted. With 0 none is.
    pub abort_every: u64,
    /// The transactional id; `None` for the name that follows from the heartbeat topic and the instance.
    pub transactional_id: Option<String>,
}

impl TransactionProbe {
    pub(super) fn read(mut probe: Reader<'_>) -> Self {
        Self {
            enabled: probe.switch("enabled"),
            interval: probe.duration("interval"),
            timeout: probe.timeout(),
            abort_every: probe.parsed("abort.every", "a whole number"),
            transactional_id: chosen(probe.optional("transactional.id")),
        }
    }

    /// The rule that a cycle takes at most five minutes; `None` if it does.
    pub(super) fn broken_rule(&self) -> Option<BrokenRule> {
        let message = "timeout must be at most 5m";
        (self.timeout > LONGEST).then(|| BrokenRule::new(&["timeout"], message))
    }
}

/// A name other than `auto`.
fn chosen(name: Option<&str>) -> Option<String> {
    name.filter(|name| *name != "auto").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::test_support::{cluster, errors};

    #[test]
    fn transactions_are_off_and_the_id_follows_from_the_topic_and_the_instance() {
        let cluster = cluster(&[("heartbeat", "topic", "hb"), ("heartbeat", "instance", "one")]);
        let probe = &cluster.transaction_probe;
        assert_eq!((probe.enabled, probe.abort_every, probe.timeout), (false, 5, Duration::from_secs(8)));
        assert_eq!(cluster.transactional_id(), "hb-transactions-one");
        assert_eq!(cluster.transaction_topic(), "hb-transactions");
    }

    #[test]
    fn id_may_be_chosen_and_numbers_are_checked() {
        let chosen = cluster(&[("transaction_probe", "transactional.id", "canary")]);
        assert_eq!(chosen.transactional_id(), "canary");
        let wrong = errors(&[("transaction_probe", "interval", "10ms")]);
        assert!(wrong.contains("[transaction_probe] interval must be at least 1s"), "{wrong}");
        let long = [("transaction_probe", "interval", "10m"), ("transaction_probe", "timeout", "6m")];
        let wrong = errors(&long);
        assert!(wrong.contains("[transaction_probe] timeout must be at most 5m"), "{wrong}");
        let wrong = errors(&[("transaction_probe", "abort.every", "never")]);
        assert!(wrong.contains("[transaction_probe] abort.every: expected a whole number"), "{wrong}");
    }
}
