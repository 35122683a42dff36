//! `[shutdown]`: how the service ends.

use std::time::Duration;

use super::reader::Reader;

/// `[shutdown]`
#[derive(Debug, Clone, PartialEq)]
pub struct Shutdown {
    /// The longest time from the signal to the end of the process.
    pub grace: Duration,
}

impl Shutdown {
    pub(super) fn read(mut shutdown: Reader<'_>) -> Self {
        Self { grace: shutdown.duration("grace") }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{config, errors};

    #[test]
    fn grace_is_a_duration_above_zero() {
        assert_eq!(config(&[("shutdown", "grace", "3s")]).shutdown.grace.as_secs(), 3);
        let wrong = errors(&[("shutdown", "grace", "0s")]);
        assert!(wrong.contains("[shutdown] grace: expected a duration such as 250ms, 10s or 5m"), "{wrong}");
    }
}
