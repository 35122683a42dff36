//! `[transactions]`: open transactions that hold back readers of committed records.

use std::time::Duration;

use super::reader::Reader;

/// `[transactions]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transactions {
    /// Whether open transactions are watched.
    pub enabled: bool,
    /// The time from one cycle to the next.
    pub interval: Duration,
    /// The longest time of one cycle, at most `interval`.
    pub timeout: Duration,
    /// A transaction that is open for less than this time is not named.
    pub min_age: Duration,
}

impl Transactions {
    pub(super) fn read(mut transactions: Reader<'_>) -> Self {
        Self {
            enabled: transactions.switch("enabled"),
            interval: transactions.duration("interval"),
            timeout: transactions.timeout(),
            min_age: transactions.duration("min.age"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::test_support::cluster;

    #[test]
    fn min_age_is_a_duration() {
        let transactions = cluster(&[("transactions", "min.age", "90s")]).transactions;
        assert_eq!((transactions.enabled, transactions.min_age), (true, Duration::from_secs(90)));
    }
}
