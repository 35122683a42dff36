//! `[log_dirs]`: the sizes of the logs on the brokers' disks.

use std::time::Duration;

use super::reader::Reader;

/// `[log_dirs]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogDirs {
    /// Whether brokers are asked for the sizes of their logs.
    pub enabled: bool,
    /// The time from one cycle to the next.
    pub interval: Duration,
    /// The longest time of one cycle, at most `interval`.
    pub timeout: Duration,
}

impl LogDirs {
    pub(super) fn read(mut log_dirs: Reader<'_>) -> Self {
        Self {
            enabled: log_dirs.switch("enabled"),
            interval: log_dirs.duration("interval"),
            timeout: log_dirs.timeout(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::cluster;

    #[test]
    fn log_dirs_are_asked_for_only_if_they_are_enabled() {
        assert!(!cluster(&[]).log_dirs.enabled);
        assert!(cluster(&[("log_dirs", "enabled", "true")]).log_dirs.enabled);
    }
}
