//! `[connectivity]`: sessions that are opened to every broker.

use std::time::Duration;

use super::reader::Reader;

/// `[connectivity]`
#[derive(Debug, Clone, PartialEq)]
pub struct Connectivity {
    /// Whether sessions are opened.
    pub enabled: bool,
    /// The time from one check of all brokers to the next.
    pub interval: Duration,
    /// The longest time for the check of one broker, at most `interval`.
    pub timeout: Duration,
    /// Whether each broker is also asked for the heartbeat topic in its session, to compare what the brokers answer.
    pub agreement: bool,
}

impl Connectivity {
    pub(super) fn read(mut connectivity: Reader<'_>) -> Self {
        Self {
            enabled: connectivity.switch("enabled"),
            interval: connectivity.duration("interval"),
            timeout: connectivity.timeout(),
            agreement: connectivity.switch("agreement"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::test_support::cluster;

    #[test]
    fn timeout_above_the_interval_is_the_interval() {
        let set = [("connectivity", "interval", "2s"), ("connectivity", "timeout", "9s")];
        assert_eq!(cluster(&set).connectivity.timeout, Duration::from_secs(2));
    }
}
