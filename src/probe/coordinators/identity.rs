//! The text beside a committed offset, which names the commit.

use std::{fmt, time::SystemTime};

use crate::probe::heartbeat::record;

/// The name of one commit: the instance, its run and the number of the cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    /// The instance: a hash of its name.
    instance: u64,
    /// The run: the time at which it began, in nanoseconds since 1970.
    epoch: u64,
    /// The number of the cycle in its run.
    cycle: u64,
}

impl Identity {
    /// The identity before the first cycle of a run that begins now.
    pub(super) fn new(instance: &str, begun: SystemTime) -> Self {
        let record::Identity { instance, epoch } = record::Identity::new(instance, begun);
        Self { instance, epoch, cycle: 0 }
    }

    /// The identity of the next cycle.
    pub(super) fn next(self) -> Self {
        Self { cycle: self.cycle + 1, ..self }
    }

    /// Whether a commit with this text may have replaced a commit of this identity: it is of another instance, or of a later
    /// run of the same instance. An earlier commit of the same run may not. The text is hostile.
    pub(super) fn may_be_replaced_by(self, text: &str) -> bool {
        let Some(other) = Self::parse(text) else { return false };
        other.instance != self.instance || other.epoch > self.epoch
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("kafka-heartbeat ")?.split(' ');
        let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
        let parsed = Self { instance: number()?, epoch: number()?, cycle: number()? };
        (parsed.to_string() == text).then_some(parsed)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance, epoch, cycle } = self;
        write!(f, "kafka-heartbeat {instance:016x} {epoch:x} {cycle:x}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn commit_may_be_replaced_by_another_instance_or_a_later_run_and_by_nothing_else() {
        let begun = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let own = Identity::new("a", begun).next().next();
        let replaces = |other: Identity| own.may_be_replaced_by(&other.to_string());
        assert!(replaces(Identity::new("b", begun - Duration::from_secs(1))), "another instance");
        assert!(replaces(Identity::new("a", begun + Duration::from_secs(1))), "a later run");
        assert!(!replaces(Identity::new("a", begun - Duration::from_secs(1)).next()), "an earlier run");
        assert!(!replaces(Identity::new("a", begun).next()), "an earlier cycle");
        for text in [
            "",
            "kafka-heartbeat",
            "kafka-heartbeat 1 2 3",
            "x 0000000000000001 2 3",
            "kafka-heartbeat \u{0} 1 2",
        ] {
            assert!(!own.may_be_replaced_by(text), "{text:?}");
        }
    }
}
